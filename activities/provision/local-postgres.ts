import { rename, rm, stat } from 'node:fs/promises';
import pg from 'pg';
import type { TargetRef } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { findPostgresProgram } from '../tool/find-postgres.ts';
import { closesWithinMs } from '../tool/knock.ts';
import { runTool } from '../tool/run-tool.ts';
import { requireReach } from '../tool/server-account.ts';
import { readPidFile } from '../tool/start-server.ts';
import { readMark } from '../traffic/fenced-directory.ts';
import { claimDirectory, readClaim, refuseClaimed, requireClaim } from './claim.ts';
import { giveLeftBack, moveLeftAside } from './left-place.ts';
import { endUnnamed, makeOwned, makePlace, modeOf, postgresPlaceOf, serverProgram, startPlace, stopPlace, withPlace, type Mode, type PostgresPlace } from './postgres-place.ts';
import type { ProvisionContext, Provisioner } from './provisioner.ts';
import { refuseTakenPort } from './refuse-taken-port.ts';
import { removePlace } from './remove-place.ts';

/**
 * An empty PostgreSQL server on the worker's own machine, in a directory that the system file names, at the standby's address. While it is loaded the endpoint's user
 * alone comes in, as superuser; `openToClients` lets in the others. Where a server's files are restored the place alone is made, and nothing runs until they are.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | in initdb | `data.new`, half made | deletes it and begins again |
 * | after it | `data`, whole; nothing serves | starts it |
 * | between start and pid file | a server that nobody names | ends it, by what it was started with, and starts it anew |
 * | after the start | a server that the pid file names, perhaps without the endpoint's user | finds it, makes the user |
 * | in openToClients | a server that is stopped, or runs as it was configured last | stops and starts it as `server.conf` says |
 */
export const localPostgresProvisioner: Provisioner = {
  async check(context, { movesAside, run }) {
    const place = postgresPlaceOf(context);
    for (const program of makesServer(context) ? (['postgres', 'initdb'] as const) : []) await findPostgresProgram(program, place.version, 'same');
    requireReach(place.account, place.directory);
    if (context.inPlace) throw new HoldfastError('Unsupported', `${place.directory}: a PostgreSQL server is not restored in place`, { hint: 'recover to the standby, or restore beside what is there' });
    const mark = await readMark(place.directory);
    if (mark && movesAside) return { summary: `what run ${mark.run} fenced in ${place.directory} would be moved aside` };
    if (await refuseClaimed(place.directory, run)) return { summary: `${place.directory} is this run’s own` };
    await refuseTakenPort(place.port, 'the standby', 0);
    return { summary: `nothing lies in ${place.directory}, and nothing serves at 127.0.0.1:${place.port}` };
  },

  async makeRoom(context, target) {
    return { summary: await moveLeftAside(postgresPlaceOf(context).directory, target.run) };
  },

  async giveRoomBack(context, target) {
    return { summary: await giveLeftBack(postgresPlaceOf(context).directory, target.run) };
  },

  async startAgain(context) {
    return await Promise.reject(new HoldfastError('Unsupported', `${postgresPlaceOf(context).directory}: a PostgreSQL server is not restored in place`));
  },

  async provision(context, target) {
    const place = postgresPlaceOf(context);
    await claimDirectory(place.directory, { run: target.run, system: target.system, source: target.source });
    await endUnnamed(place);
    if (!readPidFile(place.pidFile)) await refuseTakenPort(place.port, 'the standby', closesWithinMs);
    await makePlace(place);
    if (!makesServer(context)) return { summary: `a place for a PostgreSQL server on 127.0.0.1:${place.port}, in ${place.directory}` };
    await makeCluster(place);
    const mode = (await modeOf(place)) ?? 'loading';
    await start(place, context, mode);
    if (mode === 'loading') await makeUser(place, context);
    return { summary: `PostgreSQL ${place.version} on 127.0.0.1:${place.port}, ${mode === 'loading' ? 'empty' : 'open already'}, data in ${place.dataDirectory}` };
  },

  async restartAsReplicaSet(context) {
    return await Promise.reject(new HoldfastError('Unsupported', `${postgresPlaceOf(context).directory} holds no MongoDB`));
  },

  async remove(context, target, { discard } = {}) {
    const place = postgresPlaceOf(context);
    return await removePlace(place.directory, target, { discard, stop: async () => await stopPlace(place) });
  },

  async describe(context) {
    const place = postgresPlaceOf(context);
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

/**
 * For the promotion, once all is restored: everybody comes in by password, and it logs, archives and tidies as any server does. Restarts it, once; safe to repeat.
 * @throws TargetNotEmpty - it is not this run's. @throws TargetUnavailable
 */
export async function openToClients(context: ProvisionContext, target: TargetRef): Promise<{ address: string; summary: string }> {
  const place = postgresPlaceOf(context);
  await requireClaim(place.directory, target.run);
  const address = `${place.host}:${place.port}`;
  // It is configured as open only once it is stopped, so one that runs so was started so.
  if ((await modeOf(place)) !== 'open' || !readPidFile(place.pidFile)) {
    await stopPlace(place);
    await start(place, context, 'open');
  }
  return { address, summary: `PostgreSQL at ${address}, ${place.username === undefined ? 'for everybody on this machine, as its endpoint names no credentials' : 'by password'}${place.tls ? ', with TLS' : ''}` };
}

/** Restored files are a server of their own. */
const makesServer = ({ system, sourceName }: ProvisionContext): boolean => system.sources[sourceName]!.engine === 'postgres';

const start = async (place: PostgresPlace, { system, signal }: Pick<ProvisionContext, 'system' | 'signal'>, mode: Mode): Promise<void> =>
  await startPlace(place, mode, { readyWithinMs: system.databaseReadyWithin, signal });

/** Visible last, by one rename. The databases that are restored bring their own encoding and locale: this has what every machine has. */
async function makeCluster(place: PostgresPlace): Promise<void> {
  const { account, directory, dataDirectory } = place;
  if (await stat(dataDirectory).then(() => true, () => false)) return;
  const draft = `${dataDirectory}.new`;
  await rm(draft, { recursive: true, force: true });
  await makeOwned(place, draft);
  await runTool({ path: await serverProgram(place, 'initdb') }, ['-D', draft, '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--auth=trust', '--no-instructions', '--data-checksums'], { account, cwd: directory });
  await rename(draft, dataDirectory);
}

/** The endpoint's user, as a superuser with its password: what restores roles may take both from it again. Safe to repeat; one that is there is left as it is. */
async function makeUser(place: PostgresPlace, { system, sourceName, secret }: ProvisionContext): Promise<void> {
  const { credentials } = system.environments[system.standby.environment]!.endpoints[sourceName]!;
  if (!credentials) return;
  const password = await secret(credentials.password);
  await withPlace(place, async (client) => {
    // A statement that fails is written into the server's log, and this one holds a password.
    await client.query("SET log_min_error_statement = panic; SET log_statement = none; SET log_min_duration_statement = -1; SET password_encryption = 'scram-sha-256'");
    const { rows: [role] } = await client.query<{ known: boolean }>('SELECT rolpassword IS NOT NULL AS known FROM pg_authid WHERE rolname = $1', [credentials.username]);
    if (role?.known) return;
    await client.query(`${role ? 'ALTER' : 'CREATE'} ROLE ${pg.escapeIdentifier(credentials.username)} SUPERUSER LOGIN PASSWORD ${pg.escapeLiteral(password)}`);
  });
}
