import type { LogPosition } from '../log-position.ts';
import type { Hold } from '../source-records.ts';
import type { Catalog, CatalogBase } from '../recovery-point.ts';

/** All that a plan of retention is made of, as the bucket says it. Times are the store's: a worker whose clock is wrong plans the same. */
export interface RetentionFacts {
  /** UTC ISO */
  now: string;
  /** of the source, with what was said of its bases */
  catalog: Catalog;
  /** bases of the timelines that imports are */
  imports: CatalogBase[];
  /** by backup: when its manifest was stored, and until when the store keeps it from being deleted (null: not at all) */
  stored: Readonly<Record<string, { at: string; lockedUntil: string | null }>>;
  /** by timeline: all that was put into the store within the rule `log` lies behind it; left out: nothing was */
  recentLogFrom: Readonly<Record<string, LogPosition>>;
  holds: readonly Pick<Hold, 'run' | 'why' | 'timeline' | 'backup' | 'from' | 'limit'>[];
  /** what a run last restored and found equal; null: none has */
  proved: Proved | null;
  /** what lies there of backups and imports that were never sealed */
  unfinished: readonly Unfinished[];
}

/** A backup, or an import, without a manifest: one that runs, or what one that never ended has left behind. */
export interface Unfinished {
  timeline: string;
  backup: string;
  /** when the newest of its objects was stored */
  lastAt: string;
  objects: number;
  storedBytes: number;
  /** the bases that it adds to; left out: none */
  parents?: string[];
}

export interface UnfinishedVerdict extends Unfinished {
  goes: boolean;
  why: string[];
}

export interface Proved {
  run: string;
  at: string;
  timeline: string;
  backup: string;
  /** the log that it replayed; `limit` is exclusive */
  from: LogPosition;
  limit: LogPosition;
}

export interface BaseVerdict {
  timeline: string;
  backup: string;
  end: LogPosition;
  storedAt: string;
  storedBytes: number;
  goes: boolean;
  /** a clause each */
  why: string[];
}

/** Log that is kept: after `from`, up to and including `to`; null: all that follows. */
export interface KeptLog {
  timeline: string;
  from: LogPosition;
  to: LogPosition | null;
  why: string;
}

/** What retention would do to one source. What it does not name stays: gaps, timelines, keys of the log, whatever is not believed. */
export interface RetentionPlan {
  system: string;
  source: string;
  /** the store's time that it was made for */
  at: string;
  /** the newest first */
  bases: BaseVerdict[];
  keptLog: KeptLog[];
  /** by timeline: log up to here may go where `keptLog` does not name it; what is archived later is not of this plan */
  logEnds: Record<string, LogPosition>;
  unfinished: UnfinishedVerdict[];
  /** what people should know, a sentence each */
  notes: string[];
}

/** A stretch of slices with one verdict. */
export interface LogVerdict {
  timeline: string;
  from: LogPosition;
  to: LogPosition;
  slices: number;
  storedBytes: number;
  goes: boolean;
  why: string[];
}
