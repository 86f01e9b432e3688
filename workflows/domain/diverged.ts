import type { LogPosition } from './log-position.ts';
import type { ObjectRef } from './stored-object.ts';

/**
 * What an old primary took that the recovered data does not hold: its log from the limit of the recovery on. For people
 * to read. Nothing is ever merged: two sides that both took writes have no common order.
 */
export interface DivergedReport {
  format: 1;
  system: string;
  source: string;
  /** the recovery that left the old primary behind */
  run: string;
  /** where the old primary lived, and which timeline's log this is */
  environment: string;
  timeline: string;
  /** inclusive: everything before it is in the recovered data */
  from: LogPosition;
  /** the last entry read, inclusive; null: nothing came after `from` */
  to: LogPosition | null;
  /** wall clock of the source at its first and last diverged write, UTC ISO; null: there is none */
  firstAt: string | null;
  lastAt: string | null;
  /** entries of the log from `from` on, no-ops and the server's own included */
  entries: number;
  /** writes to documents, transactions unwrapped */
  inserts: number;
  updates: number;
  deletes: number;
  /** at most 200, the busiest first; `namespaceCount` is the whole number */
  namespaces: DivergedNamespace[];
  namespaceCount: number;
  /** at most 100: changes to collections, indexes and databases */
  commands: { ns: string; command: string; at: string }[];
  commandCount: number;
  readFrom: 'the fenced server' | 'its data directory, started on loopback by itself';
  covers: string[];
  /** what it could not see, a sentence each; empty: nothing is missing */
  doesNotCover: string[];
  /** the entries themselves, encrypted, in order */
  objects: ObjectRef[];
  writtenAt: string;
}

export interface DivergedNamespace {
  ns: string;
  inserts: number;
  updates: number;
  deletes: number;
  /** `_id` as relaxed extended JSON, each once by its last change; bounded, `idsLeftOut` says how many more changes there were */
  ids: { change: 'insert' | 'update' | 'delete'; id: string }[];
  idsLeftOut: number;
}

/** What a workflow keeps of a report. */
export interface DivergedSummary {
  from: LogPosition;
  to: LogPosition | null;
  entries: number;
  inserts: number;
  updates: number;
  deletes: number;
  firstAt: string | null;
  lastAt: string | null;
  incomplete: number;
  html: string;
  writtenAt: string;
}

export const divergedWrites = ({ inserts, updates, deletes }: Pick<DivergedReport, 'inserts' | 'updates' | 'deletes'>): string =>
  `${inserts} inserts, ${updates} updates, ${deletes} deletes`;
