import type { DisposalPlan } from '../domain/disposal/describe-disposal.ts';
import type { DisposalList } from '../domain/disposal/describe-list.ts';
import type { DisposalCertificate, DisposalOrder, Inventory } from '../domain/disposal/records.ts';
import type { KeyProof, RotationKeys, WrappedKeys } from '../domain/keys/describe.ts';
import type { RecoveryClaim, RecoveryProof } from '../domain/keys/records.ts';
import type { LogPosition } from '../domain/log-position.ts';
import type { ImportOrigin } from '../domain/manifest.ts';
import type { RecoveryPoint } from '../domain/recovery-point.ts';
import type { Expired, RetentionSummary } from '../domain/retention/describe-retention.ts';
import type { ObjectRef } from '../domain/stored-object.ts';
import type { Rotation, SampleRead, VerifyScope } from '../domain/verification.ts';
import type { SourceRef } from './refs.ts';

export type PlanDumpInput = SourceRef & { backup: string; epoch: number; why: string; requestedBy: string; /** only what changed since another base, of an engine that can; left out: all */ incremental?: true | undefined };

/** On `data/<site>`: dumps, imports and exports, verification, keys, retention, disposal. */
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
  /** found while it was read; left out: nothing */
  lacks?: Lack | undefined;
}

/** What is missing that people have to see to, and the way out. */
export interface Lack {
  what: string;
  hint: string;
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
  lacks?: Lack | undefined;
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
