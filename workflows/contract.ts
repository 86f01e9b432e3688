import type { BackupReport } from './domain/backup-report.ts';
import type { CopiedCollection, SwapPair } from './domain/beside.ts';
import type { AuditChoice, AuditPage, SealedDays } from './domain/audit.ts';
import type { DecisionSaid, Proof, ShownGate } from './domain/approval.ts';
import type { CatalogPage, Page, PointsPage } from './domain/list-points.ts';
import type { Deployment, FoundDeployment } from './domain/deployment.ts';
import type { DrillHistory } from './domain/drill-history.ts';
import type { DiscardedWrites } from './domain/discarded-writes.ts';
import type { DisposalPlan } from './domain/disposal/describe-disposal.ts';
import type { DisposalList } from './domain/disposal/describe-list.ts';
import type { DisposalCertificate, DisposalOrder, Inventory } from './domain/disposal/records.ts';
import type { DivergedReport } from './domain/diverged.ts';
import type { IncidentRecord } from './domain/incident-record.ts';
import type { JournalLine, JournalOf } from './domain/journal.ts';
import type { KeyProof, RotationKeys, WrappedKeys } from './domain/keys/describe.ts';
import type { KeyRotation, RecoveryClaim, RecoveryProof } from './domain/keys/records.ts';
import type { LogPosition } from './domain/log-position.ts';
import type { ImportOrigin } from './domain/manifest.ts';
import type { AuditRecord } from './domain/act-records.ts';
import type { Mark } from './domain/source-records.ts';
import type { ObjectRef } from './domain/stored-object.ts';
import type { Notice } from './domain/notify/notice.ts';
import type { CheckedPoint } from './domain/point-check.ts';
import type { Comparison } from './domain/comparison.ts';
import type { MaskResult } from './domain/mask.ts';
import type { ChangedRows, RowsResult } from './domain/rows.ts';
import type { PeriodFacts, PeriodReport, SourceFacts } from './domain/period-report.ts';
import type { ReadinessCheck } from './domain/readiness-watch.ts';
import type { RecoveryPlan } from './domain/recovery-plan.ts';
import type { RecoveryPoint, RecoveryTarget } from './domain/recovery-point.ts';
import type { Expired, RetentionSummary } from './domain/retention/describe-retention.ts';
import type { RestoreMode } from './domain/restore-mode.ts';
import type { RunReport } from './domain/report.ts';
import type { ApplyPlan } from './domain/schedules/apply-plan.ts';
import type { ScheduleFire } from './domain/schedules/judge-fire.ts';
import type { SeenSource } from './domain/seen-store.ts';
import type { SystemView } from './domain/system.ts';
import type { Rotation, SampleRead, VerifyScope } from './domain/verification.ts';

/**
 * The activities as workflows see them, one interface per task queue. `activities/` satisfies these.
 *
 * Inputs and results enter the workflow's history: they hold names, positions and store references, never data,
 * addresses or secrets, and stay under a few hundred KiB.
 */

/** One source of one system: what nearly every activity is about. */
export interface SourceRef {
  system: string;
  source: string;
}

/** The place that a run restores to. The worker knows its address from the system file; the history does not. */
export interface TargetRef extends SourceRef {
  environment: string;
  run: string;
  /** the source lives there, and its server is replaced; left out: a place of the run's own */
  inPlace?: true | undefined;
}

/** Which way a run goes, for what is given no target: `towards` is the environment that it brings the source to. Left out: the standby of the system file. */
export interface Directed {
  towards?: string | undefined;
  /** the source stays where it lives, and is restored there */
  inPlace?: true | undefined;
}

/**
 * The text of a system file that a run goes by, by its digest. Every input of the run's activities carries it (call.ts), and every activity opens that text
 * (activities/file-of-run.ts); left out: the file as it is.
 */
export interface SystemFileRef {
  system: string;
  /** of the file's text, without the overlay; 64 hex digits */
  sha256: string;
}

/**
 * What cannot be taken back is done only while no other control plane has taken the command since `epoch`.
 * 0 or left out: the runbook never claimed it. @throws EpochSuperseded - nothing was done.
 */
export interface Commanded {
  epoch?: number | undefined;
}

// ---- control: light, any worker ------------------------------------------------------------------------------------

export interface ControlActivities {
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

  /** The newest acts that were asked for, and what is wrong with the audit as a whole. */
  readAudit(input: { system: string; limit: number } & AuditChoice): Promise<AuditPage>;

  /** Seals every day of the audit that is over, by the store's clock, and not sealed yet. Twice: the second finds it done. */
  sealAudit(input: { system: string }): Promise<SealedDays>;

  /** Writes down who asked for what and whether they were let. Twice: `readAudit` shows it once. */
  recordAct(input: ActToRecord): Promise<{ number: number }>;

  /**
   * Says of a base, an import or a slice that it is suspect, bad, held or good. Twice under one `id`: once.
   * @throws NoRecoveryPoint - the store holds no such thing.
   */
  markPoint(input: SourceRef & Pick<Mark, 'point' | 'state' | 'reason' | 'by' | 'id'>): Promise<Mark>;

  /**
   * Says whom a rotation is for, and notes, signed, of each key that it retires that it wraps nothing any more. Twice: the same.
   * @throws BadSystemFile - something is kept of a source that the system file does not name. EpochSuperseded.
   */
  beginRotation(input: { system: string; sources: readonly string[]; run: string; by: string | null; epoch: number; dryRun: boolean }): Promise<RotationKeys>;

  /** Writes down, signed, who opens every kept key from now on, and whom nothing depends on any more; the audit names it. Twice: the same record. @throws EpochSuperseded. */
  recordRotation(input: Pick<KeyRotation, 'system' | 'run' | 'workflowId' | 'epoch' | 'by' | 'reason' | 'sources'> & { began: RotationKeys }): Promise<{ ref: ObjectRef; record: KeyRotation }>;

  /**
   * Writes down which version of the application runs since when. Twice under one `id`: once, or told apart by it.
   * @param environment - left out: where the system lives now. @param at - left out: now. @throws TargetTimeInFuture.
   */
  recordDeployment(input: { system: string; id: string; version: string; environment?: string | undefined; at?: string | undefined; by: string | null; why: string | null }): Promise<Deployment>;

  /**
   * Makes Temporal's schedules and archives of a system what its file says; in a dry run, says what it would do. Twice: the second finds it done.
   * @throws BadSystemFile - the worker's file asks for something other than `expected`: nothing was done.
   */
  applySystem(input: { system: string; dryRun: boolean; resume: boolean; expected?: string | undefined }): Promise<ApplyPlan>;

  /**
   * Pauses the schedules of a system whose file is gone or cannot be read, with that reason; its archives are left alone. Twice: the second finds it done.
   * @throws BadInput - the file can be read here: nothing was done.
   */
  pauseWithoutFile(input: { system: string; dryRun: boolean }): Promise<ApplyPlan>;

  /** Which version ran where the source lived at a recovery point, and what runs at its target now. Only looks. */
  proposeDeployment(input: { system: string; point: PointMoment; environment: string }): Promise<FoundDeployment>;

  /**
   * Runs the deployer's program, sees by `current` (where there is one) that the version runs, then records it. Twice: deploys and records once more.
   * @throws ToolFailed, ToolMissing - the program. ValidationFailed - it ended well, and another version runs. Unsupported - people deploy.
   */
  deployVersion(input: Commanded & { system: string; id: string; version: string; environment: string; by: string | null; why: string }): Promise<{ summary: string }>;

  /** Runs one of the system file's commands by its name. Twice: runs it again. @throws ToolFailed, ToolMissing, BadSystemFile. */
  runCommand(input: Commanded & { system: string; command: string; undo?: boolean | undefined; environment: string; run: string; purpose: string }): Promise<{ summary: string }>;

  /**
   * Whether a code or a signature proves that a decision is this person's. `wrong`: it does not, as against what could not be checked.
   * A code that counts is noted as used in the store under `check`, so a second try of the same check answers the same, and no other check takes it again.
   * @throws BadSystemFile - the person's secret or key cannot be read on this worker, or is none.
   */
  checkProof(input: ProofToCheck): Promise<{ ok: boolean; wrong: boolean; why: string }>;

  /** Takes the old primary's power to write. Safe to repeat: fencing a fenced primary proves it again. */
  fencePrimary(input: SourceRef & Commanded & Directed & { run: string }): Promise<FenceResult>;

  /**
   * After the drain: shuts the fenced primary down and marks its directory, so that it cannot be started as it was.
   * Its data and log stay on disk. Safe to repeat. Best called once nothing needs the old log any more.
   * @throws FenceFailed - another run fenced it, or it is not fenced yet.
   */
  retirePrimary(input: SourceRef & Commanded & Directed & { run: string }): Promise<FenceResult>;

  /**
   * Undo of fencePrimary and retirePrimary, only before the switch: the old primary may be elected and write again.
   * Only what this run fenced; a server whose process was gone stays gone, only its configuration comes back.
   */
  unfencePrimary(input: SourceRef & Commanded & Directed & { run: string }): Promise<{ summary: string }>;

  /**
   * Knocks at the old primary, and changes nothing. `over`: the source lives there again, or the system file tells of
   * another place, so nothing there may be fenced.
   * @param timeline - the one that was left behind; null: none yet, a run that has fenced nothing asks.
   */
  probeOldPrimary(input: SourceRef & Directed & { environment: string; timeline: string | null }): Promise<OldPrimaryProbe>;

  /** Lets `percent` of requests through to `environment`; 0 answers maintenance to all. Safe to repeat. */
  admitTraffic(input: Commanded & { system: string; environment: string; percent: number }): Promise<TrafficState>;

  /** Which side traffic goes to now, as the switch itself says. */
  readTraffic(input: { system: string }): Promise<TrafficState>;

  /** Asks the environment's health address until it was healthy for `watchMs` on end. @throws ValidationFailed when it is not. */
  watchHealth(input: { system: string; environment: string; watchMs: number; withinMs: number }): Promise<HealthResult>;

  /** Writes a page of a long journal to the store, beside the evidence. Twice: adds a version, which says the same. */
  writeJournalPage(input: { system: string; of: JournalOf; page: number; lines: JournalLine[] }): Promise<void>;

  /** Writes report.json, report.md and report.html, with the whole journal, to the store (evidence) and to disk; what a drill compared is a verification too. Twice: overwrites on disk, adds a version in the store. */
  writeReport(input: { report: RunReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[] }>;

  /** What the bucket holds of one source, and what of it is of the time after `from` up to `to`. Reads only. */
  readSourceFacts(input: SourceRef & { from: string; to: string }): Promise<SourceFacts>;

  /** What ended in that time, by Temporal, the store's reports and incidents, and the audit; and how the system stands now. Reads only; what cannot be read is named in `unread`. */
  readPeriodFacts(input: { system: string; from: string; to: string }): Promise<PeriodFacts>;

  /** Writes report.json (signed), report.md and report.html of a day or a week, to the store and to disk. Twice: the first one in the store is kept. */
  writePeriodReport(input: { report: PeriodReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[]; text: string }>;

  /** As `writePeriodReport`, of a backup. */
  writeBackupReport(input: { report: BackupReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[]; text: string }>;

  /** Writes what is kept of an incident that is closed, to the store and to disk. Twice: as `writeReport`. */
  writeIncident(input: { record: IncidentRecord }): Promise<{ paths: { json: string; page: string }; evidence: ObjectRef[] }>;

  /** Writes the report of an old primary's diverged writes, as `writeReport` does that of a run. */
  writeDivergedReport(input: { report: DivergedReport }): Promise<{ paths: { html: string; json: string }; evidence: ObjectRef[] }>;

  /**
   * Sends one message to one receiver of the system file. Twice: under the same id, which the receivers that know such keep one of.
   * @throws ReceiverUnavailable - may be helped by another try. ReceiverRefused, BadSystemFile - will not be: what was wrong with it.
   */
  notify(input: { system: string; receiver: string; notice: Notice }): Promise<{ summary: string }>;

  /** Steps done by earlier runs, for the forecast: median time of each step type, with its size. */
  readStepHistory(input: { system: string }): Promise<StepHistory>;

  /** What drills and recoveries showed, by the reports in the store, and which schedule of drills is overdue, by the system file and Temporal. Reads only. */
  readDrills(input: { system: string; limit: number }): Promise<DrillHistory>;
}

/** Writes of some collections only, by the names they had; and only up to a position, exclusive. */
export interface DiscardedOf {
  namespaces: readonly string[];
  before?: LogPosition | undefined;
}

/** The moment of a recovery point, and the timeline that says where its source lived then. */
export type PointMoment = Pick<RecoveryPoint, 'source' | 'timeline' | 'reachesAt'>;

/** @see AuditRecord */
export type ActToRecord = Pick<AuditRecord, 'system' | 'by' | 'act' | 'outcome' | 'from' | 'about' | 'workflow' | 'workflowId' | 'runId'>;

export interface ProofToCheck {
  system: string;
  /** names the check, in all runs there are */
  check: string;
  /** id under the system file's people, and as they signed */
  person: string;
  by: string;
  proof: Proof;
  shown: ShownGate;
  decision: DecisionSaid;
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

export interface FenceResult {
  /** proved: a write was refused or the platform confirms it is off; isolated: every path we control is cut; unproved */
  outcome: 'proved' | 'isolated' | 'unproved';
  /** whether the old primary's log can still be read, so that the tail can be drained */
  logReachable: boolean;
  /** what was done and seen, a sentence each */
  evidence: string[];
  fencedAt: string;
}

export interface OldPrimaryProbe {
  /** open: something listens; refused: nothing does; silent: no answer at all */
  heard: 'open' | 'refused' | 'silent';
  /** it said that it takes writes; null: it did not speak */
  takesWrites: boolean | null;
  /** for people */
  seen: string;
  /** why there is nothing to watch any more; null: there is */
  over: string | null;
  at: string;
}

export interface TrafficState {
  environment: string | null;
  percent: number;
  changedAt: string;
}

export interface HealthResult {
  healthyForMs: number;
  checks: number;
  /** when the new side first acknowledged a write made through the switch; null when the application does not say */
  firstAcceptedWriteAt: string | null;
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

// ---- data/<site>: dumps and verification -----------------------------------------------------------------------------

export type PlanDumpInput = SourceRef & { backup: string; epoch: number; why: string; requestedBy: string; /** only what changed since another base, of an engine that can; left out: all */ incremental?: true | undefined };

export interface DataActivities {
  /**
   * Opens the source, picks the instant, lists the collections, splits them into groups and writes the plan.
   * Twice: the first plan is adopted, so that groups already dumped stay valid.
   */
  planDump(input: PlanDumpInput): Promise<DumpPlanRef>;

  /**
   * Dumps one group; adopts parts of its own backup that an earlier attempt left whole. Takes a share of the source's
   * limits: one of `width` groups that run side by side.
   */
  dumpGroup(input: SourceRef & { plan: DumpPlanRef; epoch: number; group: string; width?: number }): Promise<GroupRef>;

  /** Reads every group's index back, then writes the signed manifest: from here on the backup exists. Twice: adopts the manifest. */
  sealBackup(input: SourceRef & { plan: DumpPlanRef; epoch: number; groups: GroupRef[] }): Promise<BackupSummary>;

  /**
   * Reads and authenticates every byte of one base, and of the log after it, without restoring. What is damaged is marked bad. Safe to repeat.
   * @param scope - log: not the base; base: not the log. @param run - what it came to is remembered in the store under this run; left out: it is not.
   */
  verifyRecoveryPoint(input: SourceRef & { backup?: string | undefined; scope?: 'newest' | 'base' | 'log' | undefined; run?: string | undefined }): Promise<VerifyResult>;

  /** Reads and authenticates a share of all that is kept, the one that was read longest ago; one share: everything. What is damaged is marked bad. Twice under one `run`: the same share. */
  verifyKept(input: SourceRef & Rotation & { run: string }): Promise<VerifyResult>;

  /** Whether every kept key is wrapped for every recipient of the system file, and opens with each whose private half is here. What came of it is in the store. Safe to repeat. */
  checkKeys(input: SourceRef & { run: string }): Promise<VerifyResult>;

  /**
   * Wraps kept keys for whoever of the system file has no wrapping of them that opens: a page of them. Nothing is rewritten. Twice: puts nothing.
   * @param after - `next` of the page before; null: from the beginning. @throws EpochSuperseded. BadSystemFile - the worker's file names others than the rotation began with. KeyRefused - nothing can be wrapped for a recipient.
   */
  wrapKeys(input: SourceRef & { epoch: number; after: string | null; dryRun: boolean; began: RotationKeys }): Promise<WrappedKeys>;

  /** Opens the newest base, a part of it and a slice of its log, with each recipient alone whose private half is here. Reads only. @throws WrongKey, KeyRefused, Tampered. */
  proveKeys(input: SourceRef & { began: RotationKeys }): Promise<KeyProof[]>;

  /**
   * Writes down, signed, that an offline key opened a base, once the worker has opened it too and found that `mac` was made with its key. Twice: another record, which says the same.
   * @throws NotPermitted - it was not. BadInput - there is no such recipient.
   */
  recordRecoveryProof(input: RecoveryClaim & { mac: string; run: string; by: string | null }): Promise<{ ref: ObjectRef; record: RecoveryProof }>;

  /**
   * Says of every base and every stretch of log whether it stays or goes, and why. Changes nothing of them.
   * @param run - is going to carry it out: then the plan is written into the store, and named. Left out: nobody is. @param limit - so many of each list.
   */
  planRetention(input: SourceRef & { run?: string | undefined; limit: number }): Promise<{ summary: RetentionSummary; plan: ObjectRef | null }>;

  /** Lets go what a plan let go, and is let go still. Twice, and after a kill anywhere: finishes what was begun. @param backupRuns - of the system: then nothing is taken that was never sealed. @throws EpochSuperseded. */
  expire(input: SourceRef & { epoch: number; plan: ObjectRef; run: string; backupRuns: boolean }): Promise<Expired>;

  /** What a disposal would destroy, and what stands against it. Changes nothing. @throws NoRecoveryPoint. */
  planDisposal(input: SourceRef & { point: string; evenTheLast: boolean }): Promise<DisposalPlan>;

  /** Every base and import of the sources, and what stands against the disposal of each, though it were the last. Changes nothing. @throws BadInput - there are more than a list holds. */
  planDisposals(input: { system: string; sources: readonly string[] }): Promise<DisposalList>;

  /**
   * Writes down what is going to be destroyed, and marks the point, so that nobody is given it any more. Twice under one `run`: once.
   * @throws NotPermitted - somebody holds it, a run reads it, or it is needed. EpochSuperseded.
   */
  orderDisposal(input: SourceRef & { epoch: number } & DisposalToOrder): Promise<OrderedDisposal>;

  /** Destroys what was ordered, as far as the store lets go of it now: its keys first. Twice, and after a kill anywhere: goes on. @throws EpochSuperseded. */
  destroyPoint(input: SourceRef & { epoch: number; point: string; timeline: string; run: string }): Promise<Destroyed>;

  /** Looks what is there, signs what was destroyed and what was not, and the audit names it. Twice: the same certificate. */
  certifyDisposal(input: SourceRef & { point: string; run: string; workflow: string; keysGoneAt: string | null; allGoneAt: string | null; left: DisposalCertificate['left'] }): Promise<CertifiedDisposal>;

  /**
   * Reads a dump of another program from end to end, and writes down what importing it will write. Only under the
   * directories that the system file allows. Twice: the first plan is adopted.
   * @throws BadInput - not allowed, no dump, or a damaged one: nothing is in the store.
   */
  planImport(input: SourceRef & { backup: string; epoch: number; path: string; why: string; requestedBy: string }): Promise<ImportPlanRef>;

  /** Writes the documents of a planned dump as parts, its log as slices; `sealBackup` makes it a recovery point. Twice: goes on from whole parts. */
  importGroup(input: SourceRef & { plan: DumpPlanRef; epoch: number; group: string }): Promise<GroupRef>;

  /** Writes a recovery point as a dump under a hidden name. Only under the directories that the system file allows. Twice: begins again. */
  writeExport(input: SourceRef & ExportTo & { point: RecoveryPoint }): Promise<WrittenExport>;

  /** Gives what `writeExport` wrote its name, where nothing is. Twice: it has it. @throws BadInput - something is there by now. */
  publishExport(input: SourceRef & ExportTo & { partial: string }): Promise<void>;

  /** Removes what the run's attempts left under hidden names. Safe to repeat. */
  discardExport(input: SourceRef & ExportTo): Promise<void>;
}

export type DisposalToOrder = Pick<DisposalOrder, 'point' | 'run' | 'workflowId' | 'by' | 'approvedBy' | 'reason' | 'evenTheLast'>;

export interface OrderedDisposal {
  timeline: string;
  order: ObjectRef;
  orderedAt: string;
  wrappings: number;
  inventory: Inventory;
}

/** What one pass of a disposal came to. */
export interface Destroyed {
  /** locked: the store lets go later; read: a run reads it; withdrawn: somebody holds it, or took the mark back; left: the store refuses, and tells of no lock */
  state: 'gone' | 'locked' | 'read' | 'withdrawn' | 'left';
  /** by the store's clock, as all times here */
  at: string;
  /** of locked, read and withdrawn, in words */
  why: string | null;
  /** the end of the last lock, and how long that is from `at` */
  until: string | null;
  waitMs: number | null;
  keysGone: boolean;
  objects: number;
  bytes: number;
  /** the first hundred */
  left: DisposalCertificate['left'];
  leftCount: number;
}

export interface CertifiedDisposal {
  ref: ObjectRef;
  certificate: DisposalCertificate;
}

export interface ImportPlanRef extends DumpPlanRef {
  /** `leftOut`: the first hundred of `leftOutCount` */
  origin: ImportOrigin & { leftOutCount: number };
}

/** Where an export goes, as the data workers see it. */
export interface ExportTo {
  path: string;
  form: 'archive' | 'folder';
  gzip: boolean;
  run: string;
}

export interface WrittenExport {
  /** its hidden file name, beside its own */
  partial: string;
  writtenBytes: number;
  collections: number;
  /** whoever restores it must replay the log in it: without, it is of no one moment */
  hasLog: boolean;
  restoreCommand: string;
}

export interface DumpPlanRef {
  backup: string;
  timeline: string;
  plan: ObjectRef;
  /** pieces: how many collections or ranges of one, for the time left; left out: not counted */
  groups: { group: string; estimatedBytes: number; pieces?: number }[];
  units: number;
  estimatedBytes: number;
  /** what one of the application's writes took while nothing was read, in microseconds; null: there were too few to tell */
  quietWriteUs?: number | null;
}

export interface GroupRef {
  group: string;
  index: ObjectRef;
  parts: number;
  documents: number;
  plainBytes: number;
  storedBytes: number;
}

export interface BackupSummary extends SourceRef {
  timeline: string;
  backup: string;
  manifest: ObjectRef;
  logFrom: LogPosition;
  end: LogPosition;
  endAt: string;
  units: number;
  documents: number;
  plainBytes: number;
  storedBytes: number;
  parts: number;
  /** the program whose standard output it is; left out: read by an engine that knows what is in it */
  program?: string | undefined;
  /** every byte of it, once it was sealed; left out: it could not be, or not yet */
  readBack?: { objects: number; bytes: number } | undefined;
  /** the base that it adds to, and without which it is nothing; left out: it is whole by itself */
  addsTo?: string | undefined;
  /** why it is a full one, though an incremental one was asked for */
  instead?: string | undefined;
  /** units without a proof at the base's own position, and why */
  unproved: { name: string; why: string }[];
}

export interface VerifyResult extends SourceRef {
  scope: VerifyScope;
  ok: boolean;
  backup: string | null;
  timeline: string | null;
  objects: number;
  bytes: number;
  parts: number;
  slices: number;
  entries: number;
  /** what is wrong: the object's key, what was found, and what can still be restored */
  problems: { key: string; problem: string }[];
  restorable: { from: string; to: string } | null;
  /** of a sample, and of everything: which share it was, and when the whole will have been read */
  sample?: SampleRead | undefined;
  /** something is damaged that no verification has told of: a new base is wanted at once. Left out: nothing is, or nobody asked for it to be remembered */
  newBaseWanted?: true | undefined;
}

// ---- archive/<site>: the log ------------------------------------------------------------------------------------------

export interface ArchiveActivities {
  /**
   * Holds the snapshot that a base is read at, for an engine whose snapshot dies with its session: until it is cancelled, which is its only good
   * end. `planDump` of the same backup finds it at the server. Never tried again: another session's snapshot is of another moment.
   * @throws SnapshotLost - the session ended: what was read is of a moment that nobody reads any more. What keeps it from being opened.
   */
  holdSnapshot(input: SourceRef & { backup: string }): Promise<void>;

  /**
   * Tails the log into slices for up to `forMs`, then returns. Goes on from the bucket's last slice, whoever wrote it.
   * Heartbeats `ArchiveHeartbeat`. Returns early on a gap, so that the workflow can ask for a new base.
   */
  archiveLog(input: SourceRef & { epoch: number; forMs: number }): Promise<ArchiveOutcome>;

  /** After the fence: archives what the fenced primary still holds. `drained` false: its log cannot be read any more. */
  drainLog(input: SourceRef & { epoch: number; timeline: string }): Promise<{ drained: boolean; to: LogPosition | null; note: string }>;

  /**
   * Reads what the fenced old primary took from `limit` on: from the server where it can be read, else from its data
   * directory. The whole entries go to the store, encrypted. Changes nothing; twice: another version of the same objects.
   * @throws SourceUnavailable - neither can be read; says why.
   */
  readDivergedWrites(input: SourceRef & Directed & { run: string; environment: string; timeline: string; limit: LogPosition; logReachable: boolean }): Promise<DivergedReport>;

  /** Starts the log of a recovered source: a new timeline whose parent is the old one. Twice: adopts the one it made. */
  startTimeline(input: SourceRef & { epoch: number; run: string; parent: { timeline: string; limit: LogPosition }; environment: string }): Promise<{ timeline: string }>;

  /** Writes a canary to the source, and waits until a slice that holds it was read back from the store. */
  proveArchive(input: SourceRef & { run: string; withinMs: number }): Promise<{ proved: boolean; position: LogPosition; tookMs: number }>;
}

export interface ArchiveHeartbeat {
  phase: string;
  timeline: string;
  archivedTo: LogPosition;
  archivedToAt: string;
  lagMs: number;
  /** until it is up to date, by how fast it came nearer of late; null: it does not come nearer */
  caughtUpInMs: number | null;
  slices: number;
  /** stored */
  bytes: number;
  entries: number;
}

export interface ArchiveOutcome {
  why: 'handover' | 'gap' | 'election' | 'superseded';
  timeline: string;
  archivedTo: LogPosition;
  slices: number;
  entries: number;
  gap: { from: LogPosition; to: LogPosition; why: string } | null;
}

// ---- recover/<site>: restore and replay -------------------------------------------------------------------------------

export interface RecoverActivities {
  /**
   * Moves aside what an earlier life of the source left at the target's place: a server that was fenced there, and that serves no more. Nothing is
   * deleted. What nobody fenced stays, and `provisionTarget` refuses it. Twice: it is aside already.
   * @throws TargetNotEmpty - the source lives there, or the fenced server does not stop.
   */
  makeRoom(input: TargetRef): Promise<{ summary: string }>;

  /** Undo of makeRoom, after removeTarget: what this run moved aside lies in its old place again, fenced as it was. Safe to repeat. */
  giveRoomBack(input: TargetRef): Promise<{ summary: string }>;

  /**
   * In place, once its directory is back and its fence is gone: starts the source's own server again, as it was configured, and waits until it takes
   * writes. Safe to repeat: one that runs is waited for.
   * @throws TargetUnavailable - nothing of it lies there, or it does not start.
   */
  startAgain(input: TargetRef): Promise<{ summary: string }>;

  /**
   * Whether makeRoom and provisionTarget would do, on the worker that would do it. Changes nothing.
   * @param movesAside - what a fence left there would be moved aside. @throws TargetNotEmpty, ToolMissing - as those would.
   */
  checkTarget(input: TargetRef & { movesAside: boolean }): Promise<{ summary: string }>;

  /** Makes an empty standalone server for the target on loopback, and claims it for the run. Twice: the same server. */
  provisionTarget(input: TargetRef): Promise<{ summary: string }>;

  /**
   * Undo of provisionTarget: stops the server and moves its directory aside. Only what this run made. `discard`: of a drill, whose copy nobody wants: its
   * directory is deleted, not kept. `kept`: what was there before the run keeps what was restored into it.
   */
  removeTarget(input: TargetRef & { discard?: boolean | undefined }): Promise<Removed>;

  /** Verifies manifest and indexes, then makes the collections with the source's own identities. Safe to repeat. */
  prepareRestore(input: { target: TargetRef; point: RecoveryPoint }): Promise<{ groups: { group: string; index: ObjectRef; plainBytes: number; pieces?: number }[]; plainBytes: number }>;

  restoreGroup(input: { target: TargetRef; point: RecoveryPoint; group: { group: string; index: ObjectRef } }): Promise<{ documents: number; plainBytes: number }>;

  /**
   * Replays the log before `limit`. Goes on from the checkpoint in the target.
   * @throws ChainBroken, Tampered, ReplayFailed - none of them is helped by another try.
   */
  replayLog(input: { target: TargetRef; point: RecoveryPoint; limit: LogPosition }): Promise<ReplayResult>;

  /** Builds the indexes that stood at the replayed position. Safe to repeat: builds only what is missing. */
  buildIndexes(input: { target: TargetRef; point: RecoveryPoint }): Promise<{ indexes: number; failed: { ns: string; index: string; why: string }[] }>;

  /** Runs one validator of the system file by its id. */
  validateTarget(input: { target: TargetRef; point: RecoveryPoint; limit: LogPosition; validator: string }): Promise<ValidationResult>;

  /**
   * Copies what a partial restore brought into the living source, under names that carry the run, and proves each copy. Twice: what is equal is
   * adopted, anything else under those names is made anew.
   * @throws ValidationFailed, ReplayFailed, Unsupported, EpochSuperseded.
   */
  copyBeside(input: Commanded & { target: TargetRef; point: RecoveryPoint }): Promise<{ copies: CopiedCollection[] }>;

  /** Undo of copyBeside: drops what carries the run's name; what was written into since is left, and named. Safe to repeat. */
  dropCopies(input: Commanded & { target: TargetRef; names: readonly string[]; copied: readonly CopiedCollection[] }): Promise<{ summary: string }>;

  /** What is to change places, and how much of it there is. Only looks. */
  planSwap(input: { target: TargetRef; copies: readonly CopiedCollection[] }): Promise<{ pairs: SwapPair[] }>;

  /** Puts the copies in the place of what is there, which is kept; writers wait meanwhile. Safe to repeat: goes on where it was stopped. */
  swapCollections(input: SwapInput): Promise<SwapResult>;

  /** Undo of swapCollections, wherever that was stopped. Safe to repeat. */
  swapBack(input: SwapInput): Promise<SwapResult>;

  /** Holds what was restored against what lives, by schema, counts and keys. Reads both, and changes nothing. @param tables - of these alone; left out: of all. @throws SourceUnavailable - the living one does not answer. */
  compareTarget(input: { target: TargetRef; tables?: readonly string[] | undefined }): Promise<Comparison>;

  /**
   * What putting the rows of chosen tables back into the living source would do: does it in a transaction, and rolls that back. Nothing is left of it.
   * @throws ValidationFailed - a foreign key would not hold; names table, key and what to choose beside. Unsupported - a table has no primary key.
   */
  planRows(input: { target: TargetRef; tables: readonly string[]; changed: ChangedRows }): Promise<RowsResult>;

  /**
   * Puts the rows back, in one transaction, with what was there before kept under the run's name. Twice: the second finds it done.
   * @throws as planRows; EpochSuperseded - nothing was done.
   */
  restoreRows(input: Commanded & { target: TargetRef; tables: readonly string[]; changed: ChangedRows }): Promise<RowsResult>;

  /** Undo of restoreRows, wherever that was stopped: rows that are still as it left them are as they were before; others are left, and named. Safe to repeat. */
  removeRows(input: Commanded & { target: TargetRef }): Promise<{ summary: string }>;

  /**
   * Masks what was restored by the system file's rules, then looks that no value is left unmasked. Safe to repeat.
   * @throws BadSystemFile - a rule names a column that is not there. ValidationFailed - something is left; names it. NotPermitted - the place is of production.
   */
  maskTarget(input: { target: TargetRef }): Promise<MaskResult>;

  /** Turns the proved standalone into a one-member replica set, which asks for authentication where its endpoint has credentials. Safe to repeat. */
  promoteTarget(input: { target: TargetRef }): Promise<{ summary: string; sourceIdentity: string }>;
}

export interface Removed {
  summary: string;
  /** what was restored is still in it, since it was there before the run */
  kept?: true;
}

export interface SwapInput extends Commanded {
  target: TargetRef;
  pairs: readonly SwapPair[];
}

export interface SwapResult {
  /** all that was written to what was there lies before this; exact where writers waited */
  before: LogPosition;
  /** made by others between two renames, and kept under these names */
  strays: string[];
  /** false: the server asks nobody's name, and could hold nobody up */
  writersWaited: boolean;
  heldMs: number;
}

export interface ReplayResult {
  /** the last entry really applied or passed over; null when the log was empty */
  appliedTo: LogPosition | null;
  /** its own wall clock, UTC ISO: what RPO is measured from */
  appliedToAt: string | null;
  entries: number;
  operations: number;
  slices: number;
  /** transactions that were not committed before the limit, and so left out */
  discardedTransactions: number;
}

export interface ValidationResult {
  id: string;
  ok: boolean;
  effect: 'gate' | 'warn';
  /** what this result claims, in words that do not claim more: "equal to base and log", "count within 1..5" */
  claim: string;
  problems: string[];
  /** at most 500; `collectionCount` is the whole number */
  collections: { ns: string; count: number; expectedCount: number | null; hashEqual: boolean | null; note: string | null }[];
  collectionCount: number;
}

/** Task queues by role. The control queue is the one that a person types into the UI. */
export const taskQueues = {
  control: 'holdfast',
  data: (site: string) => `data/${site}`,
  archive: (site: string) => `archive/${site}`,
  recover: (site: string) => `recover/${site}`,
} as const;
