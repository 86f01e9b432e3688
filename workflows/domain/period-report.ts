import type { Anomaly } from './anomalies.ts';
import type { Capacity } from './capacity.ts';
import type { Drill, DrillDue } from './drill-history.ts';
import type { Readiness } from './readiness.ts';
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
  /** if disaster struck when the report was written, whatever its period; null: nobody knows */
  readiness: Readiness | null;
  /** what is unusual about the backups, as the alerts have it; null: the store could not be read */
  anomalies: UnusualBackup[] | null;
  /** null: not known */
  capacity: Capacity | null;
  /** null: Temporal could not be asked */
  work: WorkFacts | null;
  /** recoveries and drills that ended in the period, the newest first */
  runs: RunFacts[];
  /** null: the store could not be read */
  drills: DrillFacts | null;
  /** schedules that do not start what they should, a line each */
  late: string[];
  incidents: IncidentFacts | null;
  acts: ActFacts | null;
  /** what could not be found out, a sentence each */
  unread: string[];
}

/** What is of the whole system; its parts stand in the report by themselves. */
export type PeriodFacts = Pick<PeriodReport, 'readiness' | 'anomalies' | 'capacity' | 'work' | 'runs' | 'drills' | 'late' | 'incidents' | 'acts' | 'unread'>;

/** One that has no figure, as there is no backup at all, has none in JSON either. */
export type UnusualBackup = Pick<Anomaly, 'kind' | 'level' | 'source' | 'said'>;

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
}

export interface BaseFacts {
  backup: string;
  /** the moment that it holds, by the source's clock */
  at: string;
  documents: number;
  plainBytes: number;
  storedBytes: number;
  /** only what changed since another base */
  increment?: true;
  why: string;
  /** what was said of it, such as "bad"; null: nothing */
  mark: string | null;
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

/** Of a whole run, as `holdfast drills` has it: one reading of a run's report, and one way to count its times. */
export type RunFacts = Pick<Drill, 'run' | 'workflowId' | 'purpose' | 'runbook' | 'outcome' | 'result' | 'why' | 'startedAt' | 'finishedAt' | 'rto' | 'rpo' | 'proof' | 'approvals'>;

export interface DrillFacts {
  /** the last whole drill that proved that the system can be recovered, UTC ISO; null: none did */
  lastSuccessAt: string | null;
  /** by the system file's schedules, as of when the report was written */
  due: DrillDue[];
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
