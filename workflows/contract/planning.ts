import type { DiscardedWrites } from '../domain/discarded-writes.ts';
import type { CatalogPage, Page, PointsPage } from '../domain/list-points.ts';
import type { LogPosition } from '../domain/log-position.ts';
import type { CheckedPoint } from '../domain/point-check.ts';
import type { ReadinessCheck } from '../domain/readiness-watch.ts';
import type { RecoveryPlan } from '../domain/recovery-plan.ts';
import type { RecoveryPoint, RecoveryTarget } from '../domain/recovery-point.ts';
import type { RestoreMode } from '../domain/restore-mode.ts';
import type { ScheduleFire } from '../domain/schedules/judge-fire.ts';
import type { SeenSource } from '../domain/seen-store.ts';
import type { SystemView } from '../domain/system-view.ts';
import type { Directed, SourceRef } from './refs.ts';

/** What is read, chosen and held before anything is touched. */
export interface PlanningActivities {
  /**
   * Reads `systems/<system>.yaml` as it is now. @throws UnknownSystem (names the known ones), BadSystemFile (names line and field).
   * @param keep - the store is given a copy of the text, for a run that is to go by it; one that cannot be kept is said (`unkept`) and no failure. Twice: there is one.
   */
  loadSystem(input: { system: string; keep?: boolean | undefined }): Promise<SystemView>;

  /**
   * The epoch that this control plane (its Temporal namespace) commands the system under; claims one when it has none.
   * Twice: the same answer. @throws EpochSuperseded - another control plane holds a higher epoch and `takeOver` is not set.
   */
  claimEpoch(input: { system: string; why: string; takeOver: boolean }): Promise<{ epoch: number }>;

  /**
   * Chooses and checks the recovery point, and writes `holds/<run>`, so that expiry keeps what the run needs. Reads the bucket alone.
   * @throws Tampered, ObjectMissing, WrongKey - what it needs is damaged; names it, and the nearest good points.
   * @param purpose - left out: a recovery. @param only - namespaces of a partial restore; left out: everything.
   * @throws TargetNotEmpty, BadInput - an earlier recovery moved the source; a drill or an export does not mind. BadInput - `only` names what the point does not have.
   * @param copies - what is chosen is to be copied into the living source, and then to change places with what is there: looks there, too. @throws Unsupported, TargetNotEmpty,
   * NotPermitted, SourceUnavailable - it could not be, by name.
   * @param avoid - ids of bases that were given up: another that reaches the same moment is taken.
   */
  findRecoveryPoint(input: SourceRef & Directed & { target: RecoveryTarget; run: string; purpose?: 'recovery' | 'drill' | 'export'; only?: readonly string[] | undefined; copies?: 'beside' | 'swap' | undefined; avoid?: readonly string[] | undefined }): Promise<CheckedPoint>;

  /**
   * Counts what the archive holds behind a recovery point: what a recovery to it leaves out. Reads for at most `forMs`, and says so when there is more.
   * Changes nothing.
   */
  countDiscarded(input: SourceRef & Directed & { point: Pick<RecoveryPoint, 'timeline' | 'limit'>; forMs: number; of?: DiscardedOf | undefined }): Promise<DiscardedWrites>;

  releaseHold(input: { system: string; run: string }): Promise<void>;

  /** How far the archive is behind its source, from the bucket and the source itself; asks no workflow. */
  readArchiveStatus(input: SourceRef): Promise<ArchiveStatus>;

  /** What can be restored, a page of it, from the bucket alone. @throws BadInput - `after` names no base of the list. */
  listRecoveryPoints(input: SourceRef & Page): Promise<PointsPage>;

  /** Reads the whole catalog from the bucket alone, and answers a page of it. */
  rebuildCatalog(input: SourceRef & Page): Promise<CatalogPage>;

  /**
   * What a recovery would do now, and what would fail; touches nothing. Trouble is in its findings.
   * @param places - false: whether targets could be made is asked elsewhere.
   * @throws UnknownSystem, BadSystemFile, BadInput, TargetTimeInFuture - nothing can be planned of that.
   */
  planRecovery(input: { system: string; only?: readonly string[] | undefined; runbook?: string | undefined; version?: string | undefined; mode?: RestoreMode | undefined; places?: boolean | undefined } & RecoveryTarget): Promise<RecoveryPlan>;

  /**
   * Looks at all that a recovery would need, as it would begin now; changes nothing, and reads no part and no slice. What cannot be looked at is told.
   * @param seen - what the check before saw in the store, by source. @param knownSince - schedules before this are nobody's fault. @param settings - those of the store are looked at too.
   * @throws UnknownSystem, BadSystemFile.
   */
  checkReadiness(input: { system: string; seen?: Record<string, SeenSource> | undefined; knownSince?: string | undefined; accept?: readonly string[] | undefined; settings?: boolean | undefined }): Promise<ReadinessCheck>;

  /**
   * Whether each schedule that the system file does not pause still starts its work. @param at - by Temporal's clock, UTC ISO.
   * @throws UnknownSystem, BadSystemFile.
   */
  readFires(input: { system: string; at: string }): Promise<ScheduleFire[]>;

  /** Steps done by earlier runs, for the forecast: median time of each step type, with its size. */
  readStepHistory(input: { system: string }): Promise<StepHistory>;
}

/** Writes of some collections only, by the names they had; and only up to a position, exclusive. */
export interface DiscardedOf {
  namespaces: readonly string[];
  before?: LogPosition | undefined;
}

export interface ArchiveStatus extends SourceRef {
  timeline: string | null;
  /** the end of the last slice */
  archivedTo: LogPosition | null;
  archivedToAt: string | null;
  /** the source's newest majority-committed entry that carries data; null when the source does not answer */
  sourceAt: LogPosition | null;
  sourceReachable: boolean;
  /** age of the oldest acknowledged entry that is not archived; 0: up to date; null: unknown because the source does not answer, or has no log */
  rpoMs: number | null;
  /** the source's engine archives no log, so nobody knows what would be lost; left out: it does */
  noLog?: boolean | undefined;
  /** by the source's clock; where it does not answer, by the worker's */
  checkedAt: string;
  /** by how much the worker's clock is ahead of the source's; left out: the source does not say what time it is */
  clockAheadMs?: number | undefined;
  note: string | null;
}

/** How long steps took in the newest runs that left a report, the newest first: by what a step uses, and by `<uses>/<id>`. */
export interface StepHistory {
  steps: Record<string, PastStep[]>;
}

export interface PastStep {
  /** machine time, over all tries */
  ms: number;
  /** how much it had to do, in the measure of its step type; null: its time does not depend on the data */
  amount: number | null;
  /** of a step whose time goes by the log: so many seconds of log it had; left out: by something else, or not known */
  logSeconds?: number | undefined;
}
