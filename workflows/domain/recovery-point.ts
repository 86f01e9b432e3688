import type { LogPosition } from './log-position.ts';
import type { ChosenNamespaces } from './chosen-namespaces.ts';
import type { ObjectRef } from './stored-object.ts';
import type { PointMark } from './point-mark.ts';

/** A base in the catalog: what choosing a recovery point needs to know of a manifest. */
export interface CatalogBase {
  timeline: string;
  backup: string;
  manifest: ObjectRef;
  logFrom: LogPosition;
  start: LogPosition;
  end: LogPosition;
  finishedAt: string;
  documents: number;
  plainBytes: number;
  storedBytes: number;
  /** false when some unit could not be read at one instant */
  exact: boolean;
  why: string;
  /** without a log, now and ever (an import, a program's stream): restorable as it is, though it was not read at one instant */
  alone?: true;
  /** the program whose standard output it is: what is in it is not counted */
  program?: string;
  /** the program keeps the backup itself, under this label, in a repository of its own: it may be gone from there. Left out: all of it is in the store */
  foreign?: string;
  /** of a program: all of it is as it was at its start, or its end. Null: of no one moment. Left out: written by an earlier version, or no program's */
  moment?: 'start' | 'end' | null;
  /** incremental: all that it is restored on top of, the full one first; without any one of them it is nothing. Left out: it is whole by itself */
  parents?: { backup: string; plainBytes: number }[];
  /** what was said of it; left out: nothing that holds */
  mark?: PointMark;
}

/** Whether a base is restored on top of another one, whatever comes between. */
export const addsTo = ({ parents = [] }: { parents?: readonly { backup: string }[] | undefined }, backup: string): boolean => parents.some((parent) => parent.backup === backup);

/** A run of slices that touch: the log after `from`, up to and including `to`, without a break. */
export interface CatalogSpan {
  timeline: string;
  from: LogPosition;
  to: LogPosition;
  slices: number;
  storedBytes: number;
}

export interface CatalogGap {
  timeline: string;
  from: LogPosition;
  to: LogPosition;
  why: string;
}

/**
 * What a source's part of the bucket holds, in memory that does not grow with the number of slices.
 * Rebuilt from the bucket alone; every other copy is a cache.
 */
export interface Catalog {
  system: string;
  source: string;
  timelines: { timeline: string; startedAt: string; why: string; sourceIdentity: string; parent: { timeline: string; limit: LogPosition } | null }[];
  bases: CatalogBase[];
  spans: CatalogSpan[];
  gaps: CatalogGap[];
  /** bases and imports that are being disposed of, as long as their manifest is there: nobody is given one. Left out: none */
  disposed?: CatalogBase[];
  /** marked bad, and no manifest on any timeline: taken away, let go, or an import. Left out: none */
  gone?: { backup: string; doubt: NonNullable<PointMark['doubt']> }[];
  /** log that retention may have taken: a hole that ends at or before it is no loss. Left out: none */
  expired?: { timeline: string; before: LogPosition }[];
  /**
   * objects that were not believed, and why: a forged manifest, a slice that does not open, an unreadable name. `spare`:
   * authentic, and not needed beside what was chosen. `marked`: somebody has looked, and marked it
   */
  rejected: { key: string; why: string; spare?: true; marked?: true }[];
}

/** What a person asks for: one of the first three, or none for the latest. */
export interface RecoveryTarget {
  /** UTC ISO; the second that it names is included whole */
  targetTime?: string | undefined;
  /** exclusive */
  targetPosition?: LogPosition | undefined;
  /** id of a base or of an import: the first moment at which it is whole. Or a place in the source's own words: see `isMark` */
  point?: string | undefined;
  /** where that moment cannot be reached, the newest point before it: bases without a log have nothing between them. Left out: it is refused, with the points on either side */
  orBefore?: boolean | undefined;
  /** on this timeline, which was left for another: its end, or a moment of it; left out: the newest, and where that came from */
  timeline?: string | undefined;
}

/** An earlier moment was asked for, so what came after it is left out on purpose. */
export const momentAsked = ({ targetTime, targetPosition, point, timeline }: RecoveryTarget): boolean => (targetTime ?? targetPosition ?? point ?? timeline) !== undefined;

/**
 * A place in the log as its source itself names it: `lsn:0/3000060`, exclusive, or `named:before-the-upgrade`. Its engine finds the position; where exactly it is, the server knows that replays.
 */
export const markPattern = /^(lsn:[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}|named:[^\0]{1,63})$/;
export const isMark = (point: string | undefined): point is string => point !== undefined && markPattern.test(point);

/** One source at one moment, provably restorable: a base and the unbroken log from it to `limit`. */
export interface RecoveryPoint {
  system: string;
  source: string;
  timeline: string;
  base: CatalogBase;
  /** replay everything before this; exclusive */
  limit: LogPosition;
  /** the last position that the archive holds below the limit */
  reaches: LogPosition;
  /** the second that `reaches` lies in, UTC ISO */
  reachesAt: string;
  log: { from: LogPosition; slices: number; storedBytes: number };
  /** where within what lies before `limit` the server that replays stops; left out: it does not */
  stop?: { lsn: string } | { name: string };
  /** a partial restore; left out: everything */
  only?: ChosenNamespaces;
  /** databases that are copied whole into the living source; left out: none */
  copies?: string[];
}

/** What is copied into the living source, by the names that it has there. */
export const copiesIn = ({ only, copies }: Pick<RecoveryPoint, 'only' | 'copies'>): string[] => copies ?? only?.copies ?? [];

/** Bytes that a restore of this point loads: of its base, and of those that it adds to. */
export const bytesToRestore = ({ base: { plainBytes, parents = [] }, only }: RecoveryPoint): number => only?.plainBytes ?? parents.reduce((sum, parent) => sum + parent.plainBytes, plainBytes);
