import type {
  ArchiveActivities,
  ArchiveStatus,
  ControlActivities,
  DataActivities,
  Lack,
  RecoverActivities,
  TargetRef,
} from '../../workflows/contract.ts';
import type { AccessRole, EngineGrant, RightsFound } from '../../workflows/domain/access-roles.ts';
import type { DivergedReport } from '../../workflows/domain/diverged.ts';
import type { Abilities, EngineKind } from '../../workflows/domain/engines.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import type { CatalogBase, RecoveryPoint, RecoveryTarget } from '../../workflows/domain/recovery-point.ts';
import type { Endpoint, Source, System } from '../../workflows/domain/system.ts';
import type { SourceContext } from '../context.ts';

type Job<F> = F extends (input: infer I) => Promise<infer O> ? (context: SourceContext, input: I) => Promise<O> : never;
type Jobs<T> = { [K in keyof T]: Job<T[K]> };

/** One entry of an old primary's log that the recovered data does not hold. */
export interface DivergedEntry {
  position: LogPosition;
  /** wall clock of the source, UTC ISO */
  at: string;
  op: string;
  ns: string;
  /** the server's own books, a no-op or our canary: nobody's data */
  own: boolean;
  /** whole, as it lay in the log */
  raw: Uint8Array;
  /** the same as text: canonical Extended JSON for MongoDB */
  json(): string;
}

/** A place in the log that the source names in its own words. */
export interface MarkedPlace {
  target: Pick<RecoveryTarget, 'targetPosition' | 'timeline'>;
  stop: NonNullable<RecoveryPoint['stop']>;
  /** whether it lies before the end of this base, which is whole no earlier: positions are coarser than such places */
  isBefore(base: CatalogBase): Promise<boolean>;
}

/**
 * What a kind of source must be able to do: the contract's activities, with system, store and keys opened for it.
 * Every job may run twice, and may be killed at every line: the contract says what a second run does.
 */
export interface Engine
  extends Jobs<Pick<DataActivities, 'planDump' | 'dumpGroup' | 'sealBackup' | 'planImport' | 'importGroup' | 'writeExport'>>,
    Jobs<Pick<ControlActivities, 'countDiscarded'>>,
    Jobs<Pick<ArchiveActivities, 'holdSnapshot' | 'archiveLog' | 'drainLog' | 'readDivergedWrites' | 'startTimeline' | 'proveArchive'>>,
    Jobs<Pick<RecoverActivities, 'prepareRestore' | 'restoreGroup' | 'replayLog' | 'buildIndexes' | 'validateTarget' | 'promoteTarget' | 'copyBeside' | 'dropCopies' | 'planSwap' | 'swapCollections' | 'swapBack'>> {
  readonly kind: EngineKind;
  /** what it can do beyond a base that is restored whole; the jobs of what it cannot refuse by name */
  readonly can: Abilities;
  /** The entries of a diverged-writes report, in order, from the store alone. @throws Tampered, WrongKey, ObjectMissing. */
  openDivergedEntries(context: SourceContext, report: DivergedReport): AsyncGenerator<DivergedEntry>;
  /**
   * The point, narrowed to chosen namespaces: what a partial restore brings back. @throws BadInput - a name that it does not have.
   * @param input.copies - they are to be copied into the living source by this run. @throws Unsupported, TargetNotEmpty, NotPermitted - they could not be.
   */
  narrowPoint(context: SourceContext, input: { point: RecoveryPoint; only: readonly string[]; copies?: { run: string; mode: 'beside' | 'swap' } | undefined }): Promise<RecoveryPoint>;
  /**
   * Of an engine that brings whole databases into the living source: those of a point that this run is to bring.
   * @throws Unsupported, TargetNotEmpty, NotPermitted, SourceUnavailable - they could not be, by name.
   */
  nameCopies?(context: SourceContext, input: { point: RecoveryPoint; run: string; mode: 'beside' | 'swap' }): Promise<string[]>;
  /** Of an engine that knows its rows by their keys; others refuse by name. */
  readonly rows?: Jobs<Pick<RecoverActivities, 'compareTarget' | 'planRows' | 'restoreRows' | 'removeRows' | 'maskTarget'>>;
  /** How far `archivedTo` is behind the source; never throws because the source is gone: it says so. */
  readArchiveStatus(context: SourceContext, archived: Pick<ArchiveStatus, 'timeline' | 'archivedTo' | 'archivedToAt'>): Promise<ArchiveStatus>;
  /** Refuses a place that a restore may not write to, before anything of it is made; left out: the provisioner alone decides. @throws TargetNotEmpty. */
  checkTarget?(context: SourceContext, target: Pick<TargetRef, 'system' | 'source' | 'environment'>): Promise<void>;
  /** What a base lacks that whoever restores it has to see to, and the way out; null: nothing. Reads the store alone. Left out: it lacks nothing. @throws Tampered, WrongKey, ObjectMissing. */
  checkPoint?(context: SourceContext, point: RecoveryPoint): Promise<Lack | null>;
  /** What of its server as it is set up stands against what a schedule asks, or against a recovery, and the way out. Left out: there is no such thing. @throws SourceUnavailable. */
  checkServer?(context: SourceContext): Promise<Lack[]>;
  /**
   * Whether an endpoint may be spoken to, as far as its settings say; connects to nothing.
   * @returns a sentence on what nobody can look at; null: there is nothing of the sort. @throws WeakTransport - off this machine, and not by TLS 1.3.
   */
  checkTransport(of: { name: string; uri: string; endpoint: Endpoint; source: Source }): Promise<string | null>;
  /** What a user of the source must be given for one role, in the server's own language. */
  grants(role: AccessRole, source: Source, system: System): EngineGrant;
  /** What the user that the system file names may do beside what the role is for; asks the source, changes nothing. @throws SourceUnavailable. */
  checkRights(context: SourceContext, role: AccessRole): Promise<RightsFound>;
  /**
   * Whether what a base stands for, which another program keeps in a repository of its own, is there and whole, as that program says; left out: all that this engine
   * backs up is in the store.
   * @returns what is wrong; null: nothing.
   */
  verifyForeign?(context: SourceContext, base: CatalogBase): Promise<string | null>;
  /**
   * Where in the archive a place is that the source names in its own words (`isMark`), and where the replay is to stop; left out: its log has no such names.
   * @throws NoRecoveryPoint - the archive does not hold it.
   */
  findMark?(context: SourceContext, mark: string): Promise<MarkedPlace>;
  /** Reads one stored slice to its end, authenticating it; returns how many entries it holds. */
  verifySlice(context: SourceContext, slice: { key: string; versionId: string }): Promise<{ entries: number; bytes: number }>;
}
