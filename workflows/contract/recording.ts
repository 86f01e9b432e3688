import type { AuditRecord } from '../domain/act-records.ts';
import type { DecisionSaid, Proof, ShownGate } from '../domain/approval.ts';
import type { AuditChoice, AuditPage, SealedDays } from '../domain/audit.ts';
import type { Deployment } from '../domain/deployment.ts';
import type { RotationKeys } from '../domain/keys/describe.ts';
import type { KeyRotation } from '../domain/keys/records.ts';
import type { ApplyPlan } from '../domain/schedules/apply-plan.ts';
import type { Mark } from '../domain/source-records.ts';
import type { ObjectRef } from '../domain/stored-object.ts';
import type { SourceRef } from './refs.ts';

/** What people say and decide, written down for good; and what Temporal is to start by itself. */
export interface RecordingActivities {
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

  /**
   * Whether a code or a signature proves that a decision is this person's. `wrong`: it does not, as against what could not be checked.
   * A code that counts is noted as used in the store under `check`, so a second try of the same check answers the same, and no other check takes it again.
   * @throws BadSystemFile - the person's secret or key cannot be read on this worker, or is none.
   */
  checkProof(input: ProofToCheck): Promise<{ ok: boolean; wrong: boolean; why: string }>;
}

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
