import type { Removed, TargetRef } from '../../workflows/contract.ts';
import type { Source } from '../../workflows/domain/system.ts';
import type { SourceContext } from '../context.ts';

/** What a provisioner is given; every SourceContext is one. */
export type ProvisionContext = Pick<SourceContext, 'system' | 'inPlace' | 'sourceName' | 'address' | 'secret' | 'signal'>;

export interface TargetDescription {
  /** absent: nothing there; stopped: made, not running */
  state: 'absent' | 'stopped' | 'standalone' | 'replica-set';
  /** the run that claimed it, and may change or remove it */
  claimedBy: string | null;
  directory: string;
  /** host:port that it serves at, on loopback as a standalone */
  address: string;
  /** the name of the replica set that it is, or will become */
  replicaSet: string;
  pid: number | null;
}

/**
 * Makes the place that a run restores to. A target belongs to the run that claimed it, until that run is told to
 * remove it: nothing here touches a server or a directory of somebody else, and nothing deletes data but what a drill restored.
 *
 * Every call may run twice: the second finds what the first made.
 *
 * @throws TargetNotEmpty - there is something at the target that this run did not make; names it.
 * @throws TargetUnavailable - retryable: the server did not start; the tail of its log is in the message.
 */
export interface Provisioner {
  /** Whether a run's target could be made; changes nothing. @param options.run - what it has made itself is not in its way; without it, a new run. @throws TargetNotEmpty, ToolMissing - as `provision` would. */
  check(context: ProvisionContext, options: { movesAside: boolean; run?: string }): Promise<{ summary: string }>;
  /** Moves aside what an earlier life of the source left at the target's place. Nothing is deleted; what nobody fenced stays. */
  makeRoom(context: ProvisionContext, target: TargetRef): Promise<{ summary: string }>;
  /** Undo of makeRoom, once the target is removed. */
  giveRoomBack(context: ProvisionContext, target: TargetRef): Promise<{ summary: string }>;
  /** In place, once its fence is gone: the source's own server again, as it was configured, taking writes. @throws TargetUnavailable */
  startAgain(context: ProvisionContext, target: TargetRef): Promise<{ summary: string }>;
  /** An empty standalone on loopback without authentication, that deletes nothing by itself (no TTL); or what is there already, claimed. */
  provision(context: ProvisionContext, target: TargetRef): Promise<{ summary: string }>;
  /** The same data as a member of a replica set that asks for authentication, TTL on again. Not yet initiated. */
  restartAsReplicaSet(context: ProvisionContext, target: TargetRef): Promise<{ summary: string; replicaSet: string; address: string }>;
  /** Stops the server and moves its directory aside; `discard` deletes it then. What was there already keeps what was restored into it. */
  remove(context: ProvisionContext, target: TargetRef, options?: { discard?: boolean | undefined }): Promise<Removed>;
  describe(context: ProvisionContext): Promise<TargetDescription>;
}

/** Only the one that is asked for is loaded, with its driver. */
const provisioners = {
  existing: async () => (await import('./existing.ts')).existingProvisioner,
  database: async () => (await import('./database.ts')).databaseProvisioner,
  'local-mongod': async () => (await import('./local.ts')).localProvisioner,
  'local-postgres': async () => (await import('./local-postgres.ts')).localPostgresProvisioner,
} as const satisfies Record<string, () => Promise<Provisioner>>;

/** What `local` makes is a server of the source's own kind: a mongod, also for a program that restores into one. */
const localOf = ({ engine, tool }: Source): keyof typeof provisioners =>
  engine === 'postgres' || engine === 'postgres-physical' || tool?.uses === 'pgbackrest' ? 'local-postgres' : 'local-mongod';

/** The provisioner that the system file names for this source. */
export async function openProvisioner({ system, sourceName }: ProvisionContext): Promise<Provisioner> {
  const { uses } = system.standby.provision[sourceName]!;
  return await provisioners[uses === 'local' ? localOf(system.sources[sourceName]!) : uses]();
}
