import { randomBytes } from 'node:crypto';
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { findPostgresProgram, postgresPrograms } from '../../activities/tool/find-postgres.ts';
import type { ToolName } from '../../activities/tool/find-tool.ts';
import { within } from '../../activities/tool/process-group.ts';
import { runTool, type ToolResult } from '../../activities/tool/run-tool.ts';
import { giveTo, reachableProgram, serverAccount, type Account } from '../../activities/tool/server-account.ts';
import { startServer, stopByPidFile } from '../../activities/tool/start-server.ts';
import type { Owner } from './cleanup.ts';
import { freePort } from './free-port.ts';
import { bringPostgres14 } from './postgres-14.ts';
import { skipWithout } from './required-parts.ts';

export type PostgresSettings = Record<string, string | number | boolean>;

export interface PostgresOptions {
  /** The major version, 17 by default. Ask `postgresMissing` first. */
  version?: number;
  /** Lines of postgresql.conf: archive_mode, archive_command, wal_level, max_wal_size … */
  settings?: PostgresSettings;
  /** Lines of pg_hba.conf in place of those that let everybody in from loopback. */
  hba?: readonly string[];
  /** Asks for a password (SCRAM); makes one up for the user `postgres`. */
  auth?: boolean;
  /** PEM texts; serves TLS beside plain connections, unless `hba` says otherwise. */
  tls?: { certificate: string; key: string; ca?: string };
  /** fsync on: for tests that kill the machine's power in thought. A killed server needs none: the kernel keeps what was written. */
  durable?: boolean;
  /** Further arguments of initdb: --data-checksums, --wal-segsize=1 … */
  initdb?: readonly string[];
  /** A data directory that is there already, as a restore made it: served in place, and not removed at the end. */
  dataDirectory?: string;
  /** that data directory is empty still: what fills it brings its configuration */
  restoresInto?: boolean;
  /** Its configuration lies beside its data, as Debian has it: a base does not hold it. */
  configuredOutside?: boolean;
  port?: number;
  /** What its directory is made in; the machine's temporary one by default. */
  within?: string;
  /** How long it may take until it answers queries: recovery is part of it. */
  readyWithinMs?: number;
  /** false: the caller starts it. */
  start?: boolean;
}

export interface Postgres {
  /** `postgresql://postgres@127.0.0.1:PORT/postgres`, without the password; `credentials` holds that. */
  uri: string;
  host: '127.0.0.1';
  port: number;
  major: number;
  pid: number;
  directory: string;
  dataDirectory: string;
  /** with postgresql.conf and pg_hba.conf */
  configDirectory: string;
  /** of the server's account: for programs that do not connect by the network */
  socketDirectory: string;
  pidFile: string;
  logFile: string;
  credentials: { username: string; password: string } | null;
  /** whom it runs as when we are root: what it is to read must be readable to that account */
  account: Account | undefined;
  /** PGHOST, PGPORT, PGUSER, PGDATABASE, PGPASSWORD: for every client program */
  env: Record<string, string>;
  /** Rows of one statement or, without values, of the last of several. */
  query<Row extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[], database?: string): Promise<Row[]>;
  /** A client of the owner's own, closed when the owner is over. */
  connect(database?: string): Promise<pg.Client>;
  /** A client program of the server's own version or newer, connected by its environment. */
  run(program: ToolName, args: readonly string[], options?: { input?: string; signal?: AbortSignal }): Promise<ToolResult>;
  /** pgbench: `['-i', '-s', '10']` fills, `['-c', '4', '-T', '5']` runs. */
  pgbench(args: readonly string[], database?: string): Promise<ToolResult>;
  /** Writes settings over earlier ones and has them read; `start` again for those that need it. */
  configure(settings: PostgresSettings): Promise<void>;
  /** As a crash: the postmaster and all its children at once. Returns when they are gone. */
  kill(): Promise<void>;
  /** In order, as `pg_ctl stop -m fast`. */
  stop(): Promise<void>;
  /** Starts it again on its port and data. */
  start(): Promise<void>;
}

/** Why there is no server of this version here, for `{ skip }`; false where there is one. */
export async function postgresMissing(version = 17): Promise<string | false> {
  const there = async (): Promise<boolean> => (await postgresPrograms('postgres')).some(({ major }) => major === version);
  if (await there()) return false;
  const why = version === 14 ? await bringPostgres14() : undefined;
  if (await there()) return false;
  const missing = `no PostgreSQL ${version} here (${why ?? `Debian: postgresql-${version}`})`;
  return version === 14 || version === 15 ? skipWithout(`postgresql-${version}`, missing) : missing;
}

/** A real server of the owner's own on loopback, which lets in everybody from there; takes queries when this returns. */
export async function startPostgres(owner: Owner, options: PostgresOptions = {}): Promise<Postgres> {
  const major = options.version ?? 17;
  const account = serverAccount();
  const directory = mkdtempSync(join(options.within ?? tmpdir(), 'holdfast-postgres-'));
  // mkdtemp makes it root's alone.
  chmodSync(directory, 0o755);
  const port = options.port ?? (await freePort());
  const dataDirectory = options.dataDirectory ?? join(directory, 'data');
  const configDirectory = options.configuredOutside ? join(directory, 'etc') : dataDirectory;
  const socketDirectory = join(directory, 'socket');
  mkdirSync(socketDirectory, { mode: 0o700 });
  giveTo(account, socketDirectory);
  const pidFile = join(directory, 'server.pid');
  const logFile = join(directory, 'postgres.log');
  const credentials = options.auth ? { username: 'postgres', password: randomBytes(12).toString('hex') } : null;
  const program = async (name: ToolName): Promise<string> => reachableProgram(account, (await findPostgresProgram(name, major, 'same')).path, directory);
  const clients: pg.Client[] = [];
  const clientOf = (database = 'postgres'): pg.Client => {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database, ...(credentials ? { password: credentials.password } : {}) });
    // A server that is killed under an idle client is told by an event, which nobody awaits.
    client.on('error', () => undefined);
    return client;
  };
  const query = async <Row extends pg.QueryResultRow>(sql: string, values?: unknown[], database?: string): Promise<Row[]> => {
    const client = clientOf(database);
    await client.connect();
    try {
      const result = (await client.query(sql, values)) as pg.QueryResult<Row> | pg.QueryResult<Row>[];
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      await client.end();
    }
  };

  const postgres: Postgres = {
    uri: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    host: '127.0.0.1',
    port,
    major,
    pid: -1,
    directory,
    dataDirectory,
    configDirectory,
    socketDirectory,
    pidFile,
    logFile,
    credentials,
    account,
    env: { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'postgres', PGDATABASE: 'postgres', ...(credentials ? { PGPASSWORD: credentials.password } : {}) },
    query,
    connect: async (database) => {
      const client = clientOf(database);
      clients.push(client);
      await client.connect();
      return client;
    },
    run: async (name, args, runOptions) => await runTool({ path: (await findPostgresProgram(name, major)).path }, args, { env: postgres.env, ...runOptions }),
    pgbench: async (args, database = 'postgres') => await postgres.run('pgbench', [...args, database]),
    configure: async (settings) => {
      writeSettings(configDirectory, settings);
      giveTo(account, join(configDirectory, settingsFile));
      if (postgres.pid !== -1) await query('SELECT pg_reload_conf()');
    },
    kill: async () => {
      const children = childrenOf(postgres.pid);
      // Left to themselves the idle ones go first: what waited for them, a rename of their database, would still be done and committed.
      for (const child of children) signalAlone(child, 'SIGSTOP');
      await stopByPidFile(pidFile, 'SIGKILL');
      // They would go too, a moment later, and a server that is started meanwhile is refused.
      for (const child of children) signalAlone(child, 'SIGKILL');
      await within(10_000, () => children.every((child) => !existsSync(`/proc/${child}`)));
      postgres.pid = -1;
    },
    stop: async () => {
      // TERM would wait for its clients to leave.
      await stopByPidFile(pidFile, 'SIGINT');
      postgres.pid = -1;
    },
    start: async () => {
      const server = await startServer({
        name: `PostgreSQL ${major} on ${port}`,
        program: await program('postgres'),
        args: ['-D', dataDirectory, '-p', String(port), '-k', socketDirectory, '-c', 'listen_addresses=127.0.0.1', ...(options.configuredOutside ? ['-c', `config_file=${join(configDirectory, 'postgresql.conf')}`] : [])],
        cwd: directory,
        account,
        logFile,
        pidFile,
        tiedToUs: true,
        readyWithinMs: options.readyWithinMs ?? 30_000,
        ready: async () => (await query('SELECT 1')).length === 1,
      });
      postgres.pid = server.pid;
    },
  };
  // One hook, because hooks run in the order in which they were given: clients, then the server, then its files.
  owner.after(async () => {
    await Promise.all(clients.map(async (client) => await client.end().catch(() => undefined)));
    if (postgres.pid !== -1) await postgres.kill();
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  if (!options.dataDirectory) await makeCluster(await program('initdb'), postgres, options);
  if (!options.restoresInto) configureFirst(postgres, options);
  if (options.configuredOutside) moveConfiguration(postgres);
  if (options.start !== false) await postgres.start();
  return postgres;
}

const settingsFile = 'harness.conf';

async function makeCluster(initdb: string, { dataDirectory, account, credentials, directory }: Postgres, options: PostgresOptions): Promise<void> {
  mkdirSync(dataDirectory, { mode: 0o700 });
  giveTo(account, dataDirectory);
  const passwordFile = join(directory, 'password');
  if (credentials) {
    writeFileSync(passwordFile, `${credentials.password}\n`, { mode: 0o600 });
    giveTo(account, passwordFile);
  }
  const auth = credentials ? ['--auth=scram-sha-256', `--pwfile=${passwordFile}`] : ['--auth=trust'];
  await runTool({ path: initdb }, ['-D', dataDirectory, '-U', 'postgres', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync', '--no-instructions', ...auth, ...(options.initdb ?? [])], { account, cwd: directory });
}

function configureFirst({ dataDirectory, account }: Postgres, { settings, hba, tls, durable }: PostgresOptions): void {
  const main = join(dataDirectory, 'postgresql.conf');
  // A base backup of a server of ours brings the line, and the file, with it.
  if (!readFileSync(main, 'utf8').includes(settingsFile)) appendFileSync(main, `\ninclude_if_exists = '${settingsFile}'\n`);
  const certificates = { 'harness.crt': tls?.certificate, 'harness.key': tls?.key, 'harness.ca': tls?.ca };
  for (const [name, text] of Object.entries(certificates)) if (text !== undefined) writeFileSync(join(dataDirectory, name), text, { mode: 0o600 });
  writeSettings(dataDirectory, {
    shared_buffers: '32MB',
    ...(durable ? {} : { fsync: false }),
    ...(tls ? { ssl: true, ssl_cert_file: 'harness.crt', ssl_key_file: 'harness.key', ...(tls.ca ? { ssl_ca_file: 'harness.ca' } : {}) } : {}),
    ...settings,
  });
  if (hba) writeFileSync(join(dataDirectory, 'pg_hba.conf'), `${hba.join('\n')}\n`);
  giveTo(account, dataDirectory);
}

function moveConfiguration({ dataDirectory, configDirectory, account }: Postgres): void {
  mkdirSync(configDirectory);
  for (const name of ['postgresql.conf', 'pg_hba.conf', 'pg_ident.conf', settingsFile]) renameSync(join(dataDirectory, name), join(configDirectory, name));
  appendFileSync(join(configDirectory, 'postgresql.conf'), `data_directory = '${dataDirectory}'\nhba_file = '${configDirectory}/pg_hba.conf'\nident_file = '${configDirectory}/pg_ident.conf'\n`);
  giveTo(account, configDirectory);
}

/** The last line of a name counts. */
function writeSettings(dataDirectory: string, settings: PostgresSettings): void {
  const text = (value: string | number | boolean): string => (typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value).replaceAll("'", "''"));
  appendFileSync(join(dataDirectory, settingsFile), Object.entries(settings).map(([name, value]) => `${name} = '${text(value)}'\n`).join(''));
}

/** Each child of a postmaster is the leader of a group of its own, so its group's signal does not reach them. Linux only: elsewhere they go by themselves. */
function childrenOf(pid: number): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((child) => {
    try {
      return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${child}/stat`, 'utf8'))?.[1]) === pid;
    } catch {
      return false;
    }
  });
}

function signalAlone(pid: number, signal: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
