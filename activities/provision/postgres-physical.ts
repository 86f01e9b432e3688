import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { hostsOf } from '../tool/hosts-of.ts';
import { closesWithinMs, knockUntilClosed } from '../tool/knock.ts';
import { within } from '../tool/process-group.ts';
import { requireReach, serverAccount, giveTo, type Account } from '../tool/server-account.ts';
import { readPidFile, stopByPidFile } from '../tool/start-server.ts';
import { claimDirectory, readClaim, refuseClaimed } from './claim.ts';
import type { ProvisionContext, Provisioner } from './provisioner.ts';

/** A shutdown in order writes what is in memory; a KILL before that costs the next start a recovery. */
const stopWithinMs = 120_000;

/** Where a PostgreSQL server is restored to as files, and runs. */
export interface PhysicalPlace {
  /** the run's, with its notes; what the server's account reaches is below it */
  directory: string;
  /** the data directory; made by the restore of a base */
  data: string;
  /** of the server's account alone: its socket, and the WAL that it is given */
  socket: string;
  spool: string;
  hbaFile: string;
  pidFile: string;
  logFile: string;
  host: string;
  port: number;
  account: Account | undefined;
}

/**
 * A directory on the worker's own machine for a PostgreSQL server that is restored as files: `data` comes out of a base, so nothing runs until its log is
 * replayed (engines/postgres-physical/target-server.ts). The server outlives the worker.
 */
export const postgresPhysicalProvisioner: Provisioner = {
  async check(context) {
    const place = physicalPlace(context);
    requireReach(place.account, place.directory);
    await refuseClaimed(place.directory);
    await refuseTakenPort(place, 0);
    return { summary: `nothing lies in ${place.directory}, and nothing serves at 127.0.0.1:${place.port}` };
  },

  async makeRoom(context) {
    return await Promise.resolve({ summary: `nothing is moved aside at ${physicalPlace(context).directory}` });
  },

  async giveRoomBack(context) {
    return await Promise.resolve({ summary: `nothing of ${physicalPlace(context).directory} was moved` });
  },

  async startAgain(context) {
    return await Promise.reject(new HoldfastError('Unsupported', `${physicalPlace(context).directory}: a PostgreSQL source is not restored in place`));
  },

  async provision(context, target) {
    const place = physicalPlace(context);
    requireReach(place.account, place.directory);
    await claimDirectory(place.directory, { run: target.run, system: target.system, source: target.source });
    if (!readPidFile(place.pidFile)) await refuseTakenPort(place, closesWithinMs);
    for (const path of [place.socket, place.spool]) {
      await mkdir(path, { recursive: true, mode: 0o700 });
      giveTo(place.account, path);
    }
    return { summary: `a place for PostgreSQL on 127.0.0.1:${place.port}, in ${place.directory}` };
  },

  async restartAsReplicaSet(context) {
    return await Promise.reject(new HoldfastError('Unsupported', `${physicalPlace(context).directory} holds no MongoDB`));
  },

  /** Killed while a drill's copy is deleted, it lies under a name that says whose it was, and the next try deletes the rest. */
  async remove(context, target, { discard } = {}) {
    const place = physicalPlace(context);
    const discarded = `${place.directory}.discarded-${target.run}`;
    const rest = async (): Promise<void> => await rm(discarded, { recursive: true, force: true, maxRetries: 5 });
    if (discard) await rest();
    const claim = await readClaim(place.directory);
    if (!claim) return { summary: `nothing of this run in ${place.directory}` };
    if (claim.run !== target.run) return { summary: `left alone: ${place.directory} belongs to run ${claim.run}` };
    await stopPostgres(place);
    if (discard) {
      await rename(place.directory, discarded);
      await rest();
      return { summary: `stopped, and what was restored in ${place.directory} deleted` };
    }
    const aside = `${place.directory}.removed-${new Date().toISOString().replace(/[:.]/g, '-')}`;
    await rename(place.directory, aside);
    return { summary: `stopped, and moved to ${aside}` };
  },

  async describe(context) {
    const place = physicalPlace(context);
    const running = readPidFile(place.pidFile);
    const exists = await stat(place.directory).then(() => true, () => false);
    return {
      state: running ? 'standalone' : exists ? 'stopped' : 'absent',
      claimedBy: (await readClaim(place.directory))?.run ?? null,
      directory: place.directory,
      address: `${place.host}:${place.port}`,
      replicaSet: '',
      pid: running?.pid ?? null,
    };
  },
};

/** @throws BadSystemFile - the standby's address is none of one PostgreSQL server. */
export function physicalPlace({ system, sourceName, address }: Pick<ProvisionContext, 'system' | 'sourceName' | 'address'>): PhysicalPlace {
  const directory = address(system.standby.provision[sourceName]!.directory);
  const [first, ...others] = hostsOf(address(system.environments[system.standby.environment]!.endpoints[sourceName]!.uri));
  if (!first || others.length > 0) {
    throw new HoldfastError('BadSystemFile', `environments.${system.standby.environment}.endpoints.${sourceName}.uri: expected one postgresql://host:port/database`);
  }
  return {
    directory,
    data: join(directory, 'data'),
    socket: join(directory, 'socket'),
    spool: join(directory, 'wal'),
    hbaFile: join(directory, 'recovery_hba.conf'),
    pidFile: join(directory, 'server.pid'),
    logFile: join(directory, 'postgres.log'),
    host: first.host,
    port: Number(first.port),
    account: serverAccount(),
  };
}

/** TERM would wait for its clients to leave; INT sends them away and writes everything. Safe to repeat. */
export async function stopPostgres({ pidFile }: Pick<PhysicalPlace, 'pidFile'>): Promise<void> {
  const server = readPidFile(pidFile);
  if (server) {
    process.kill(server.pid, 'SIGINT');
    await within(stopWithinMs, () => readPidFile(pidFile) === undefined);
  }
  await stopByPidFile(pidFile, 'SIGKILL');
}

/** Somebody else's server at our port would be taken for the target. @param withinMs - how long one of ours may take to be gone. */
async function refuseTakenPort({ port }: PhysicalPlace, withinMs: number): Promise<void> {
  if ((await knockUntilClosed('127.0.0.1', port, withinMs)) !== 'open') return;
  throw new HoldfastError('TargetNotEmpty', `something that no run started serves at 127.0.0.1:${port}`, { hint: 'stop it, or give the standby another port' });
}
