import type { CopiedCollection, SwapPair } from '../domain/beside.ts';
import type { Comparison } from '../domain/comparison.ts';
import type { LogPosition } from '../domain/log-position.ts';
import type { MaskResult } from '../domain/mask.ts';
import type { RecoveryPoint } from '../domain/recovery-point.ts';
import type { ChangedRows, RowsResult } from '../domain/rows.ts';
import type { ObjectRef } from '../domain/stored-object.ts';
import type { Lack } from './data.ts';
import type { Commanded, TargetRef } from './refs.ts';

/** On `recover/<site>`: the target, restore, replay, proof. */
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
   * Whether makeRoom and provisionTarget would do, on the worker that would do it. Changes nothing; what the run has made itself is not in its way.
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
  prepareRestore(input: { target: TargetRef; point: RecoveryPoint }): Promise<{ groups: { group: string; index: ObjectRef; plainBytes: number; pieces?: number }[]; plainBytes: number; lacks?: Lack }>;

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
