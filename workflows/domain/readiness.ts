import type { LogPosition } from './log-position.ts';
import type { Finding } from './recovery-plan.ts';
import type { VerifyScope } from './verification.ts';

/**
 * "If disaster struck now": what could be recovered of one system, up to when, how long it would take, and what stands against it. The types; pure.
 * `judge-readiness.ts` makes the answer of what `activities/readiness/` gathered, `describe-readiness.ts` says it in lines.
 *
 * All ages are by the store's clock, and what would be lost by the database's: a worker whose clock is wrong says so, and is right all the same.
 */

/** ready: it would be recovered within its objectives. at risk: it would be recovered, and something is not as it should be. not ready: it would not, or nobody knows. */
export const verdicts = ['ready', 'at risk', 'not ready'] as const;
export type Verdict = (typeof verdicts)[number];

export const problemKinds = {
  point: 'there is no good recovery point',
  rpo: 'more would be lost than the objective allows, or nobody knows how much',
  gap: 'log is lost for ever, and no base was taken behind it',
  rto: 'a recovery would take longer than the objective allows',
  base: 'the newest base is older than its schedule makes it',
  bucket: 'what was in the store is gone or was changed, and not by retention',
  schedule: 'a schedule does not start what it should, or is paused, and not by the system file',
  drill: 'a drill is overdue, or the last one failed',
  tool: 'a program or a setting that a recovery needs is missing',
  permission: 'a right that a recovery needs is missing',
  people: 'nobody could approve, or would be told',
  reach: 'what a recovery works with does not answer',
  clock: 'a clock is wrong by more than ten minutes',
  key: 'a backup’s key does not open, or nobody has seen of late that it does',
  file: 'the system file is gone or cannot be read',
  check: 'the check itself failed, or has not ended of late',
} as const;
export type ProblemKind = keyof typeof problemKinds;

export interface Problem {
  kind: ProblemKind;
  /** null: of the whole system */
  source: string | null;
  /** the same from check to check, whatever figures `what` has by then: what a repetition is known by */
  key: string;
  /** one line */
  what: string;
  /** what to do; null: it is said in `what`, or not known */
  hint: string | null;
  /** UTC ISO; when it was first seen, or when it began where that is known */
  since: string;
  makes: Exclude<Verdict, 'ready'>;
}

/** From when to when any moment can be restored. */
export interface RestorableWindow {
  timeline: string;
  /** id of the base that it begins with */
  base: string;
  from: LogPosition;
  to: LogPosition;
  /** UTC ISO */
  fromAt: string;
  toAt: string;
}

export interface SourceReadiness {
  source: string;
  engine: string;
  /** the newest window that nothing is said against; its end is the newest recovery point. null: there is none */
  newest: RestorableWindow | null;
  /** the earliest moment that can be restored, by any base, UTC ISO; null: none can */
  oldestAt: string | null;
  /** windows in all: one a base */
  windows: number;
  /** what would be lost now: the age of the oldest write that is not archived; of a source without a log, of its newest base. null: nobody knows, as the source does not answer */
  rpoMs: number | null;
  /** how `rpoMs` is known, or why it is not; null: by the source itself */
  rpoNote: string | null;
  /** the newest base that nothing is said against; null: there is none */
  base: { backup: string; at: string; ageMs: number } | null;
  /** since when a base should be there, by the schedules; null: none says so */
  baseDueAt: string | null;
  /** gaps that no base was taken behind */
  openGaps: { timeline: string; from: LogPosition; to: LogPosition; why: string }[];
  /** all that were ever written down */
  gaps: number;
  /** objects that are not believed, though nobody has marked them; at most ten */
  disbelieved: { key: string; why: string }[];
  /** what an earlier check saw in the store and this one does not: a sentence each, at most ten. Empty also where no earlier check is known of */
  lost: string[];
  /** what was last read, or restored by a drill, and found whole; null: nothing of late */
  verified: { at: string; scope: VerifyScope } | null;
  /** left out: of a check that did not look */
  keys?: KeysReadiness | undefined;
}

export interface KeysReadiness {
  /** what the last check of the keys found; null: there was none that is believed */
  checked: { at: string; ok: boolean; lost: number; problems: { key: string; problem: string }[]; problemCount: number } | null;
  /** since when a check should be there, by the schedules; null: none says so */
  dueAt: string | null;
  /** recipients that only an offline key opens. `provedAt` null: never */
  offline: { recipient: string; provedAt: string | null; overdueSince: string | null }[];
}

/** A key that is to be replaced by now. */
export interface OverdueKey {
  /** kind and name: `aes256 shop-2026` */
  recipient: string;
  /** it wraps all that is new since then, UTC ISO */
  since: string;
  dueAt: string;
}

export interface LastDrill {
  /** names the run in the store */
  run: string;
  /** UTC ISO */
  at: string;
  /** passed: proved equal, within both objectives; missed: proved, and an objective was not met; failed: anything else */
  result: 'passed' | 'missed' | 'failed';
  why: string | null;
  rtoMs: number | null;
  rpoMs: number | null;
}

/** By how much the clock of the worker that looked is ahead of another. */
export interface ClockReading {
  /** `store`, `Temporal`, `source documents` */
  of: string;
  aheadMs: number;
}

/** The answer. Times are UTC ISO. */
export interface Readiness {
  format: 1;
  system: string;
  title: string;
  verdict: Verdict;
  /** when it was looked at, by the store's clock; where the store is away, by Temporal's or the worker's */
  at: string;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  /** from the incident to service; null: nothing is known of it */
  forecastMs: number | null;
  /** what the forecast is made of, in words */
  forecastBasis: string | null;
  /** the largest of its sources; null: of one of them nobody knows */
  rpoMs: number | null;
  sources: SourceReadiness[];
  /** null: none has left a report */
  lastDrill: LastDrill | null;
  clocks: ClockReading[];
  /** the worst first, at most 40 */
  problems: Problem[];
  /** of these, how many there are in all */
  problemCount: number;
}

/** What one check gathered; not judged yet. */
export interface ReadinessFacts extends Pick<Readiness, 'system' | 'title' | 'at' | 'rtoObjectiveMs' | 'rpoObjectiveMs' | 'forecastMs' | 'forecastBasis' | 'lastDrill' | 'clocks'> {
  sources: SourceReadiness[];
  /** what the plan of a recovery found, as it would begin now */
  findings: Finding[];
  /** schedules whose last drill did not come: `demo/quarterly-drill`, since when */
  drillsOverdue: { schedule: string; dueAt: string }[];
  /** keys that `key.rotateEvery` says are to be replaced; left out: of a check that did not look */
  keysOverdue?: OverdueKey[] | undefined;
  /** what could not be looked at, and why */
  unread: { what: string; why: string }[];
}
