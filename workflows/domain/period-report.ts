import type { ScheduleView } from './schedules/view.ts';
import { hours } from './units.ts';

/** What happened to a system in a day or a week, and how it stands: what `reportSystem` gathers, keeps and tells. Every list has a bound, and says how many there are. */

export const periods = { day: hours(24), week: hours(7 * 24) } as const;
export type ReportPeriod = keyof typeof periods;
export const periodNames = Object.keys(periods) as [ReportPeriod, ...ReportPeriod[]];

/** So many of each list are in a report. */
export const listed = 20;

export interface PeriodReport {
  format: 1;
  kind: 'period-report';
  system: string;
  title: string;
  /** with the system, its name in the store: `day-20261122T060000Z-<run>` */
  id: string;
  workflowId: string;
  runId: string;
  period: ReportPeriod;
  /** after this, up to and including `to`: reports of a schedule touch */
  from: string;
  to: string;
  /** by Temporal's clock */
  writtenAt: string;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  sources: SourceFacts[];
  /** null: Temporal could not be asked */
  work: WorkFacts | null;
  /** recoveries and drills that ended in the period, the newest first */
  runs: RunFacts[];
  incidents: IncidentFacts | null;
  acts: ActFacts | null;
  /** what could not be found out, a sentence each */
  unread: string[];
}

/** What is of the whole system; its parts stand in the report by themselves. */
export type PeriodFacts = Pick<PeriodReport, 'work' | 'runs' | 'incidents' | 'acts' | 'unread'>;

/** One source, by what the bucket holds of it. */
export interface SourceFacts {
  source: string;
  engine: string;
  /** bases whose moment lies in the period, the newest first */
  made: BaseFacts[];
  madeCount: number;
  /** the newest base of all, and the newest one before the period */
  newest: BaseFacts | null;
  before: BaseFacts | null;
  bases: number;
  /** of all bases and all log that are there */
  storedBytes: number;
  /** log that was lost for ever in the period */
  gaps: { from: string; to: string; why: string }[];
  gapCount: number;
  /** between the two any second can be restored; null: nothing can */
  restorable: { from: string; to: string } | null;
  /** objects that are not believed and nobody has marked, the first of them by name */
  disbelieved: string[];
  disbelievedCount: number;
  /** null: it could not be asked */
  archive: ArchiveFacts | null;
}

export interface BaseFacts {
  backup: string;
  /** the moment that it holds, by the source's clock */
  at: string;
  documents: number;
  plainBytes: number;
  storedBytes: number;
  why: string;
  /** what was said of it, such as "bad"; null: nothing */
  mark: string | null;
}

export interface ArchiveFacts {
  /** null: its engine has no log */
  archivedToAt: string | null;
  /** age of the oldest acknowledged write that is not archived; null: not known */
  rpoMs: number | null;
  noLog: boolean;
  sourceReachable: boolean;
}

export type WorkKind = 'backup' | 'verification' | 'retention' | 'recovery';

/** What Temporal still knows of work that ended in the period. */
export interface WorkFacts {
  kinds: Record<WorkKind, KindFacts>;
  failures: WorkFailure[];
  failureCount: number;
  schedules: ScheduleView[];
  /** Temporal forgets what ended before; null: it forgets nothing of the period */
  forgottenBefore: string | null;
}

export interface KindFacts {
  ended: number;
  failed: number;
  /** of those that ended well; null: none did */
  medianMs: number | null;
  longestMs: number | null;
  /** how the newest one ended; null: none did */
  lastFailed: boolean | null;
}

export interface WorkFailure {
  kind: WorkKind;
  workflowId: string;
  endedAt: string;
  why: string;
}

export interface RunFacts {
  run: string;
  workflowId: string;
  purpose: 'recovery' | 'drill';
  runbook: string | null;
  outcome: string;
  startedAt: string;
  finishedAt: string;
  /** of a drill: until its end, as it moves no traffic; null: service did not come back */
  tookMs: number | null;
  rtoMet: boolean | null;
  rpoMs: number | null;
  rpoMet: boolean | null;
  /** every validation that gates held; null: none ran */
  proved: boolean | null;
  approvals: { gate: string; by: string; decision: string; at: string }[];
}

export interface IncidentFacts {
  open: { id: string; summary: string; status: string; severity: string | null; startedAt: string } | null;
  /** that were closed in the period */
  closed: { id: string; summary: string; severity: string | null; startedAt: string; recoveryMs: number | null; rtoMet: boolean | null }[];
  closedCount: number;
  /** mean time to recovery of all that the store keeps; null: none is over */
  mttrMs: number | null;
  mttrObjectiveMs: number | null;
}

/** What people and schedules asked for in the period, by the audit. */
export interface ActFacts {
  byAct: Record<string, number>;
  refused: { at: string; by: string | null; act: string; why: string }[];
  refusedCount: number;
  /** what retention and disposal let go, as the audit has it */
  disposals: { at: string; about: string }[];
  problems: string[];
  problemCount: number;
}
