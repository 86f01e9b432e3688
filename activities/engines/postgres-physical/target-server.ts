import { existsSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import type { PhysicalPlace } from './place.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { giveTo, reachableProgram } from '../../tool/server-account.ts';
import { startServer } from '../../tool/start-server.ts';
import { endpointOf } from '../base/source-environment.ts';
import { configOf, targetPlace } from '../postgres/connect.ts';
import { commandedFrom, openFenced } from '../postgres/fence.ts';
import { accessOf, askSetting, configuredBy } from './configuration.ts';
import type { Stop } from './reached.ts';
import { noteName } from './segment-feeder.ts';

/** While it is restored: our own socket, which only its account and root reach, without a password; the application’s users, with theirs, from this machine. */
const hba = 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n';

/** What the source's own configuration must not decide while its copy is restored, and what it cannot know of this machine. */
const settingsOf = ({ port, socketDirectory, hbaFile }: PhysicalPlace): Record<string, string> => ({
  port: String(port),
  listen_addresses: '127.0.0.1',
  unix_socket_directories: socketDirectory,
  hba_file: hbaFile,
  ssl: 'off',
  logging_collector: 'off',
  log_destination: 'stderr',
  // It is no source yet, and of a drill it never will be: what it would push is not the source's log.
  archive_mode: 'off',
  hot_standby: 'on',
  primary_conninfo: '',
  primary_slot_name: '',
});

/**
 * Settings of a recovery that waits at its end: a standby is given what it asks for, and asks again. What it asked for in vain it notes beside.
 * The other targets are named as none first: the source may have been restored itself, and still have one in its settings.
 */
const recoverySettings = ({ spool }: PhysicalPlace, stop: Stop | null): Record<string, string> => ({
  restore_command: restoreCommand(spool),
  wal_retrieve_retry_interval: '50ms',
  recovery_target_timeline: 'current',
  recovery_target_action: 'pause',
  recovery_target: '',
  recovery_target_xid: '',
  recovery_target_inclusive: 'off',
  ...targetsOf(stop),
});

/**
 * Before it recovers, a server sends every file that it has to the disk, one after another, and waits for the disk each time: with a thousand small ones that takes longer than to unpack them. From 14 on it can
 * have their file systems sent at once. Linux tells of what the disk said to that since 5.8.
 * @source PostgreSQL manual, recovery_init_sync_method; syncfs(2)
 */
function sentToDisk(major: number): Record<string, string> {
  const [first = 0, second = 0] = release().split('.').map(Number);
  const tells = process.platform === 'linux' && (first > 5 || (first === 5 && second >= 8));
  return major >= 14 && tells ? { recovery_init_sync_method: 'syncfs' } : {};
}

/** An empty one first: two that are set at once are an error, even where the second is none. */
function targetsOf(stop: Stop | null): Record<string, string> {
  // Names of time zones are not known yet when this is read, not even Z.
  const set = Object.entries(stop ?? {}).map(([kind, value]) => [`recovery_target_${kind}`, kind === 'time' ? String(value).replace('T', ' ').replace('Z', '+00') : String(value)] as const);
  const none = ['recovery_target_time', 'recovery_target_lsn', 'recovery_target_name'].filter((name) => !set.some(([one]) => one === name));
  return { ...Object.fromEntries(none.map((name) => [name, ''])), ...Object.fromEntries(set) };
}

/** @source PostgreSQL manual, restore_command: `%f` and `%p` are filled in, `%%` is a percent sign. */
function restoreCommand(spool: string): string {
  const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''").replaceAll('%', '%%')}'`;
  const note = `${quoted(`${spool}/${noteName('')}`)}%f`;
  return `if mv ${quoted(`${spool}/`)}%f "%p" 2>/dev/null; then rm -f ${note}; else : > ${note}; exit 1; fi`;
}

/**
 * Starts what lies in the data directory as a standby that is given its log by us. It answers later: once it is consistent. Safe to repeat: one that runs is left
 * as it is.
 * @throws TargetUnavailable - retryable: it does not start; the tail of its log is in the message.
 */
export async function startRecovering(context: SourceContext, place: PhysicalPlace, { major, stop }: { major: number; stop: Stop | null }): Promise<void> {
  writeFileSync(place.hbaFile, hba, { mode: 0o600 });
  giveTo(place.account, place.hbaFile);
  await start(context, place, major, { ...(await configuredBy(place, major, { recovers: true })), ...settingsOf(place), ...sentToDisk(major), ...recoverySettings(place, stop) }, async () => await Promise.resolve(existsSync(join(place.dataDirectory, 'postmaster.pid'))));
}

/**
 * Starts the promoted server as its own configuration says, at the target's address. @param archives - it pushes its log as its source did; see `pushesToUs`.
 * @returns why nobody saw that it takes writes: whom it refuses, and how; undefined: it was seen.
 */
export async function startPromoted(context: SourceContext, place: PhysicalPlace, major: number, archives: boolean): Promise<string | undefined> {
  const { port, host } = place;
  const isLocal = host === 'localhost' || host === '127.0.0.1';
  const settings = { port: String(port), listen_addresses: isLocal ? '127.0.0.1' : `127.0.0.1,${host}`, unix_socket_directories: place.socketDirectory, ...(archives ? {} : { archive_mode: 'off' }), logging_collector: 'off', log_destination: 'stderr', primary_conninfo: '', ...(await accessOf(place, major)) };
  let refused: string | undefined;
  await start(context, place, major, { ...(await configuredBy(place, major, { recovers: false })), ...settings }, async () => {
    const seen = await seeWrites(context, place);
    refused = seen.refused;
    return seen.serves;
  });
  return refused;
}

/** By our socket, and where that is closed to the endpoint's user as everybody else comes: at its address, by password and TLS. @throws it does not answer yet. */
async function seeWrites(context: SourceContext, place: PhysicalPlace): Promise<{ serves: boolean; refused?: string }> {
  const endpoint = await targetPlace(context, { environment: context.system.standby.environment });
  const look = async (at: pg.ClientConfig): Promise<boolean> => {
    const client = new pg.Client({ ...at, connectionTimeoutMillis: seconds(2) });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return !(await client.query<{ recovers: boolean }>('SELECT pg_catalog.pg_is_in_recovery() AS recovers')).rows[0]!.recovers;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  const config = configOf(endpoint, { database: 'postgres' });
  try {
    return { serves: await look({ ...config, host: place.socketDirectory, ssl: false }) };
  } catch (error) {
    // It lets people in, and not this one: a server that is not that far says so first.
    if (!(error instanceof pg.DatabaseError) || !error.code?.startsWith('28')) throw error;
    return await look(config).then((serves) => ({ serves }), (reason: unknown) => ({ serves: true, refused: `by its socket: ${error.message}; at ${place.host}:${place.port}: ${(reason as Error).message}` }));
  }
}

/**
 * Whether the configuration that came with the base, or that people put there, pushes to Holdfast, which takes nothing of a server that is not the source: whatever else stands there
 * must not be run by a copy. Asked of a server that need not run.
 */
export async function pushesToUs(place: PhysicalPlace, major: number): Promise<boolean> {
  return /\bholdfast\b.*\bwal-push\b/s.test(await askSetting(place, major, 'archive_command'));
}

async function start(context: SourceContext, place: PhysicalPlace, major: number, settings: Record<string, string>, ready: () => Promise<boolean>): Promise<void> {
  const program = reachableProgram(place.account, (await findPostgresProgram('postgres', major, 'same')).path, place.directory);
  await startServer({
    name: `standby on 127.0.0.1:${place.port}`,
    program,
    args: ['-D', place.dataDirectory, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    cwd: place.dataDirectory,
    account: place.account,
    logFile: place.logFile,
    pidFile: place.pidFile,
    readyWithinMs: context.system.databaseReadyWithin,
    signal: context.signal,
    ready,
  });
}

/** Whom we log in as, on our own socket: a user of the source. */
export const userOf = (context: SourceContext): string => endpointOf(context, context.system.standby.environment).credentials?.username ?? 'postgres';

/** What a server says of its own recovery. */
export interface RecoveryState {
  recovering: boolean;
  /** it has reached its target, and waits */
  paused: boolean;
  lsn: string | null;
  /** of the last commit that was replayed, by the source's clock; null: there was none */
  committedAt: string | null;
}

/** Asks a server through our own socket, over and over: it may not answer yet, or be started anew in between. */
export class RecoveryWatch {
  readonly #place: PhysicalPlace;
  readonly #user: string;
  #client: pg.Client | undefined;

  constructor(context: SourceContext, place: PhysicalPlace) {
    this.#place = place;
    this.#user = userOf(context);
  }

  /** Undefined: it does not answer (yet). @throws NotPermitted - it does, and does not know our user. */
  async look(): Promise<RecoveryState | undefined> {
    try {
      const client = (this.#client ??= await this.#connect());
      const { rows: [row] } = await client.query<{ recovering: boolean; paused: boolean; lsn: string | null; at: Date | null }>(
        `SELECT pg_is_in_recovery() AS recovering, CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() = 'paused' ELSE false END AS paused,
          pg_last_wal_replay_lsn()::text AS lsn, pg_last_xact_replay_timestamp() AS at`,
      );
      const { recovering, paused, lsn, at } = row!;
      return { recovering, paused, lsn, committedAt: at?.toISOString() ?? null };
    } catch (error) {
      await this.end();
      if (error instanceof pg.DatabaseError && error.code === '28000') {
        throw new HoldfastError('NotPermitted', `the restored server has no user ${this.#user}: ${error.message}`, { hint: 'name a user of the source under credentials of the target’s endpoint' });
      }
      return undefined;
    }
  }

  async end(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  async #connect(): Promise<pg.Client> {
    return await logInByItsSocket(this.#place, this.#user);
  }
}

/** If no other is named by the one database that a fence leaves open: what its source's fence closed is closed here too, once the log has been replayed that far. */
export async function logInByItsSocket({ socketDirectory, port }: PhysicalPlace, user: string, { database = commandedFrom, withinMs = seconds(20) }: { database?: string; withinMs?: number } = {}): Promise<pg.Client> {
  const client = new pg.Client({ host: socketDirectory, port, user, database, connectionTimeoutMillis: seconds(5), query_timeout: withinMs, application_name: 'holdfast' });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Who closed them may open them: a copy has the same users, and our own socket asks for no password. */
function fencerOf(context: SourceContext): string {
  const fence = context.system.fence[context.sourceName];
  const own = fence && 'credentials' in fence ? fence.credentials : undefined;
  return (own ?? endpointOf(context, context.source.environment).credentials)?.username ?? userOf(context);
}

/** Of a server that takes writes by now, and is reached by our own socket. @returns databases that its source's fence had closed, and that let people in now. */
export async function openWhatWasFenced(context: SourceContext, place: PhysicalPlace): Promise<string[]> {
  // The one that recovery is watched by is known to be let in; the fence's may be younger than the base. Only where something was fenced does it matter.
  const [first, second] = [userOf(context), fencerOf(context)];
  try {
    return await openAs(place, first);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'NotPermitted' || first === second) throw error;
    return await openAs(place, second);
  }
}

/** @throws NotPermitted - something is closed, and this user may not open it, or is not known there. */
async function openAs(place: PhysicalPlace, user: string): Promise<string[]> {
  let client: pg.Client | undefined;
  try {
    client = await logInByItsSocket(place, user);
    return await openFenced(client);
  } catch (error) {
    if (error instanceof pg.DatabaseError && /^(42501|28000)$/.test(error.code ?? '')) {
      throw new HoldfastError('NotPermitted', `what the fence of its source had closed cannot be opened on the copy by ${user}: ${error.message}`, { hint: 'name a user that owns the databases, or a superuser, under fence.<source>.credentials', cause: error });
    }
    throw new HoldfastError('TargetUnavailable', `the restored server went away before its databases were opened: ${(error as Error).message}`, { cause: error });
  } finally {
    await client?.end().catch(() => undefined);
  }
}
