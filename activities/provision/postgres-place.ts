import { chmod, chown, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { gib, mib, seconds } from '../../workflows/domain/units.ts';
import { findPostgresProgram } from '../tool/find-postgres.ts';
import type { ToolName } from '../tool/find-tool.ts';
import { hostsOf } from '../tool/hosts-of.ts';
import { reachableProgram, requireReach, serverAccount, type Account } from '../tool/server-account.ts';
import { startTimeOf, within } from '../tool/process-group.ts';
import { readPidFile, startServer, stopByPidFile } from '../tool/start-server.ts';
import type { ProvisionContext } from './provisioner.ts';

/**
 * A directory that a PostgreSQL server of ours lives in. What it is started with stands in `server.conf` and `hba.conf` beside its data. All but data and socket is
 * ours, not the server's account's: as root we write nothing where that account could have laid a link.
 */
export interface PostgresPlace {
  directory: string;
  /** PGDATA: 0700, the account's */
  dataDirectory: string;
  /** 0700, the account's: our own way in, whoever else may */
  socketDirectory: string;
  host: string;
  port: number;
  /** the major version of a server that is made here; one whose files were restored keeps its own */
  version: number;
  /** that the endpoint's credentials are of; undefined: it names none, and lets in everybody from this machine */
  username: string | undefined;
  settings: Settings;
  cacheBytes: number | undefined;
  tls: { certificateKeyFile: string; caFile: string } | undefined;
  /** whom it runs as; undefined: as we do */
  account: Account | undefined;
  configFile: string;
  hbaFile: string;
  pidFile: string;
  logFile: string;
}

type Settings = Readonly<Record<string, string | number | boolean>>;

/** A clean shutdown writes what is in the cache. */
const stopWithinMs = 120_000;
/** What the kernel takes as the path of a socket, less `/.s.PGSQL.65535`. */
const maxSocketDirectory = process.platform === 'linux' ? 92 : 88;
const defaultVersion = 17;

/** @throws BadSystemFile - the standby's address is none of one PostgreSQL server, or its directory too long. */
export function postgresPlaceOf({ system, sourceName, address }: Pick<ProvisionContext, 'system' | 'sourceName' | 'address'>): PostgresPlace {
  const { environment } = system.standby;
  const settings = system.standby.provision[sourceName]!;
  if (settings.uses !== 'local') throw new HoldfastError('BadSystemFile', `standby.provision.${sourceName}: expected uses local, found ${settings.uses}`);
  const endpoint = system.environments[environment]!.endpoints[sourceName]!;
  const [first, ...others] = hostsOf(address(endpoint.uri));
  if (!first || others.length > 0) throw new HoldfastError('BadSystemFile', `environments.${environment}.endpoints.${sourceName}.uri: the local provisioner needs one postgresql://host:port/database`);
  const directory = address(settings.directory);
  const socketDirectory = join(directory, 'socket');
  if (Buffer.byteLength(socketDirectory) > maxSocketDirectory) {
    throw new HoldfastError('BadSystemFile', `standby.provision.${sourceName}.directory: ${directory} is too long for a socket below it (${maxSocketDirectory} bytes with /socket)`, { hint: 'name a shorter directory' });
  }
  const { tls } = settings;
  return {
    directory,
    dataDirectory: join(directory, 'data'),
    socketDirectory,
    host: first.host,
    port: Number(first.port || 5432),
    version: settings.version ?? defaultVersion,
    username: endpoint.credentials?.username,
    settings: settings.settings ?? {},
    cacheBytes: settings.cache,
    tls: tls && { certificateKeyFile: address(tls.certificateKeyFile), caFile: address(tls.caFile) },
    account: serverAccount(),
    configFile: join(directory, 'server.conf'),
    hbaFile: join(directory, 'hba.conf'),
    pidFile: join(directory, 'server.pid'),
    logFile: join(directory, 'postgres.log'),
  };
}

/** The directory, with owner and rights. Safe to repeat. @throws TargetUnavailable - the account does not get there. */
export async function makePlace(place: PostgresPlace): Promise<void> {
  requireReach(place.account, place.directory);
  await mkdir(place.directory, { recursive: true });
  await chmod(place.directory, place.account ? 0o711 : 0o700);
  await makeOwned(place, place.socketDirectory);
}

/** A directory of the account's alone. */
export async function makeOwned({ account }: PostgresPlace, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if (account) await chown(directory, account.uid, account.gid);
}

/** A program of the server's own version, which the account can run. @throws ToolMissing */
export async function serverProgram(place: PostgresPlace, name: ToolName): Promise<string> {
  const own = Number.parseInt(await readFile(join(place.dataDirectory, 'PG_VERSION'), 'utf8').catch(() => ''), 10);
  return reachableProgram(place.account, (await findPostgresProgram(name, own || place.version, 'same')).path, place.directory);
}

/** `loading`: rows are restored. `recovering`: files were, and their log is replayed. Both for the restore alone. `open`: for everybody with a password. */
export type Mode = 'loading' | 'recovering' | 'open';
const modes: readonly Mode[] = ['loading', 'recovering', 'open'];

/**
 * Starts the server of what lies in `data`. It outlives us. Safe to repeat: one that runs is asked whether it answers, and left as it is.
 * @throws TargetUnavailable - it does not serve; ToolMissing - no server of that version is here.
 */
export async function startPlace(place: PostgresPlace, mode: Mode, options: { readyWithinMs: number; signal?: AbortSignal }): Promise<void> {
  const fixed = await configure(place, mode);
  // What a server says may quote its data.
  await writeFile(place.logFile, '', { flag: 'a', mode: 0o600 });
  await startServer({
    name: `PostgreSQL of ${place.directory}`,
    program: await serverProgram(place, 'postgres'),
    // What restored files bring in postgresql.auto.conf wins over the configuration, but not over an argument.
    args: ['-c', `config_file=${place.configFile}`, ...Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${textOf(value)}`])],
    cwd: place.directory,
    account: place.account,
    logFile: place.logFile,
    pidFile: place.pidFile,
    readyWithinMs: options.readyWithinMs,
    ...(options.signal ? { signal: options.signal } : {}),
    ready: async () => await withPlace(place, async (client) => (await client.query<{ ready: boolean }>('SELECT NOT pg_is_in_recovery() AS ready')).rows[0]!.ready),
  });
}

/** In order: TERM would wait for its clients to leave. Safe to repeat. */
export async function stopPlace(place: PostgresPlace): Promise<void> {
  await endUnnamed(place);
  await stopByPidFile(place.pidFile, 'SIGINT', stopWithinMs);
}

/** A server that was started by a process which died before it wrote the pid file: known by the file it was started with. Linux only: elsewhere a person ends it. */
export async function endUnnamed(place: PostgresPlace): Promise<void> {
  if (process.platform !== 'linux' || readPidFile(place.pidFile)) return;
  const pid = Number.parseInt(await readFile(join(place.dataDirectory, 'postmaster.pid'), 'utf8').catch(() => ''), 10);
  const command = pid > 1 ? await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : '';
  if (!command.includes(`config_file=${place.configFile}\0`)) return;
  process.kill(pid, 'SIGINT');
  await within(stopWithinMs, () => startTimeOf(pid) === undefined);
}

/** How it was last configured; undefined: never. */
export async function modeOf(place: PostgresPlace): Promise<Mode | undefined> {
  const text = await readFile(place.configFile, 'utf8').catch(() => '');
  return modes.find((mode) => text.startsWith(`# ${mode}\n`));
}

/** Runs `use` as its superuser, by the socket. */
export async function withPlace<T>(place: PostgresPlace, use: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ host: place.socketDirectory, port: place.port, user: 'postgres', database: 'postgres', connectionTimeoutMillis: seconds(5), application_name: 'holdfast' });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await use(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

const isOnLoopback = ({ host }: PostgresPlace): boolean => ['127.0.0.1', 'localhost', '::1'].includes(host);

/**
 * What is loaded is loaded again after a crash of the machine, and its step of the run with it: no log is needed for that but its own, and no checkpoint that only
 * bounds the time to come back. What is COPYed into a table that the same transaction made or emptied is then not logged at all: its files are on the disk before
 * the commit is. What log there is grows once and is never used again, so that no file of it need be filled before.
 */
const loading: Settings = { wal_level: 'minimal', max_wal_senders: 0, archive_mode: false, checkpoint_timeout: '1h', max_wal_size: '8GB', wal_init_zero: false, wal_recycle: false, autovacuum: false };

/** While its log is replayed it need not have room for as many as its source had; it answers once it is promoted. */
const recovering: Settings = { hot_standby: false, archive_mode: false };

const textOf = (value: string | number | boolean): string => (typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value));

/** @returns what nothing else may decide. */
async function configure(place: PostgresPlace, mode: Mode): Promise<Settings> {
  const { directory, settings, cacheBytes, tls } = place;
  const memoryBytes = totalmem();
  const kilobytes = (of: number): string => `${Math.round(of / 1024)}kB`;
  const fixed: Settings = {
    hba_file: place.hbaFile,
    ident_file: join(directory, 'ident.conf'),
    unix_socket_directories: place.socketDirectory,
    unix_socket_permissions: '0700',
    port: place.port,
    listen_addresses: isOnLoopback(place) ? '127.0.0.1' : `127.0.0.1,${place.host}`,
    ...(mode === 'recovering' ? recovering : {}),
  };
  const lines: Settings = {
    shared_buffers: kilobytes(cacheBytes ?? Math.min(gib(4), Math.max(mib(128), memoryBytes / 8))),
    maintenance_work_mem: kilobytes(Math.min(gib(1), Math.max(mib(64), memoryBytes / 32))),
    ...settings,
    ...(mode === 'loading' ? loading : {}),
    data_directory: place.dataDirectory,
    ...fixed,
    ...(tls ? { ssl: true, ssl_cert_file: await copyOf(place, tls.certificateKeyFile, 'server.pem'), ssl_key_file: join(directory, 'server.pem'), ssl_ca_file: await copyOf(place, tls.caFile, 'ca.pem') } : { ssl: false }),
  };
  await write(place, place.hbaFile, ['local all all trust', ...clientsOf(place, mode)].map((line) => `${line}\n`).join(''));
  await write(place, join(directory, 'ident.conf'), '');
  await write(place, place.configFile, `# ${mode}\n${Object.entries(lines).map(([name, value]) => `${name} = '${textOf(value).replaceAll("'", "''")}'\n`).join('')}`);
  return fixed;
}

/**
 * Who comes in by the network. While it is loaded only the endpoint's own user, by its password. Then everybody by theirs: `md5` takes both kinds that may have
 * been restored, where scram-sha-256 would lock out whose password is an old one. Without credentials whoever is on this machine, as the source let them.
 */
function clientsOf(place: PostgresPlace, mode: Mode): string[] {
  const { username } = place;
  const here = ['127.0.0.1/32', '::1/128'];
  if (username === undefined) return here.flatMap((net) => [`host all all ${net} trust`, `host replication all ${net} trust`]);
  const nets = isOnLoopback(place) ? here : [...here, '0.0.0.0/0', '::/0'];
  if (mode !== 'open') return nets.map((net) => `host all "${username.replaceAll('"', '""')}" ${net} scram-sha-256`);
  return nets.flatMap((net) => [`host all all ${net} md5`, `host replication all ${net} md5`]);
}

/** A key must be nobody else's to read; the account reads it by its group. */
async function copyOf(place: PostgresPlace, file: string, name: string): Promise<string> {
  const copy = join(place.directory, name);
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new HoldfastError('BadSystemFile', `the certificate of the server in ${place.directory} cannot be read: ${(cause as Error).message}`, { cause });
  });
  await write(place, copy, text);
  return copy;
}

/** Renamed into place: a server that starts meanwhile reads the whole of the one or of the other. */
async function write({ account }: PostgresPlace, path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text, { mode: account ? 0o640 : 0o600 });
  if (account) await chown(`${path}.new`, 0, account.gid);
  await rename(`${path}.new`, path);
}
