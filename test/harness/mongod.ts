import { MongoClient } from 'mongodb';
import { randomBytes } from 'node:crypto';
import { constants, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, stopByPidFile } from '../../activities/tool/start-server.ts';
import type { Owner } from './cleanup.ts';
import { freePort } from './free-port.ts';

export interface MongodOptions {
  /** Name of a replica set of one member; left out: a standalone. */
  replicaSet?: string;
  /** false: a member that waits to be added to a set. */
  initiate?: boolean;
  oplogSizeMb?: number;
  /** Asks for authentication; makes the user `root`. */
  auth?: boolean;
  setParameter?: Record<string, string | number | boolean>;
  port?: number;
  /** of the storage engine; small by default, since many tests run side by side */
  cacheGb?: number;
  /** Data files that are there already, of a server that was stopped in order: the server's own from now on. */
  dataFrom?: string;
  /** Further arguments of mongod. */
  args?: readonly string[];
}

export interface Mongod {
  /** Without user and password; `credentials` holds those. */
  uri: string;
  port: number;
  pid: number;
  directory: string;
  pidFile: string;
  logFile: string;
  credentials: { username: string; password: string; authSource: string } | null;
  /** A client with the credentials, closed when the owner is over. */
  connect(options?: { retryWrites?: boolean; appName?: string }): Promise<MongoClient>;
  /** Ends it at once, as a crash would; returns when it is gone. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
  /** Starts it again on its port and data. */
  start(): Promise<void>;
}

/** A real mongod of the owner's own on loopback; a replica set's only member is primary when this returns. */
export async function startMongod(owner: Owner, options: MongodOptions = {}): Promise<Mongod> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-mongod-'));
  const port = options.port ?? (await freePort());
  const pidFile = join(directory, 'server.pid');
  const logFile = join(directory, 'mongod.log');
  const keyFile = join(directory, 'key-file');
  if (options.dataFrom) cpSync(options.dataFrom, join(directory, 'data'), { recursive: true, mode: constants.COPYFILE_FICLONE, filter: (path) => !path.endsWith('mongod.lock') });
  else mkdirSync(join(directory, 'data'));
  if (options.auth) writeFileSync(keyFile, randomBytes(96).toString('base64'), { mode: 0o600 });
  const credentials = options.auth ? { username: 'root', password: randomBytes(12).toString('hex'), authSource: 'admin' } : null;

  const clients: MongoClient[] = [];

  const mongod: Mongod = {
    uri: `mongodb://127.0.0.1:${port}/?${options.replicaSet ? `replicaSet=${options.replicaSet}` : 'directConnection=true'}`,
    port,
    pid: -1,
    directory,
    pidFile,
    logFile,
    credentials,
    connect: async (clientOptions) => {
      const client = clientOf(mongod.uri, credentials, clientOptions);
      clients.push(client);
      return await client.connect();
    },
    kill: async (signal = 'SIGKILL') => void (await stopByPidFile(pidFile, signal)),
    stop: async () => void (await stopByPidFile(pidFile)),
    start: async () => {
      const server = await startServer({
        name: `mongod on ${port}`,
        program: findTool('mongod'),
        args: mongodArguments(directory, port, options, keyFile),
        logFile,
        pidFile,
        tiedToUs: true,
        ready: async () => await withDirectClient(port, async (client) => {
          const hello = await client.db('admin').command({ hello: 1 });
          // A restarted member elects itself; a fresh one has no configuration yet and is ready to get it.
          return hello.isWritablePrimary === true || (options.replicaSet !== undefined && hello.setName === undefined && hello.isreplicaset === true);
        }),
      });
      mongod.pid = server.pid;
    },
  };
  // One hook, because hooks run in the order in which they were given: clients, then the server, then its files.
  owner.after(async () => {
    await Promise.all(clients.map(async (client) => await client.close()));
    await stopByPidFile(pidFile, 'SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  await mongod.start();
  if (options.replicaSet && options.initiate !== false) await initiate(port, options.replicaSet);
  if (credentials) await createRoot(port, credentials);
  return mongod;
}

function mongodArguments(directory: string, port: number, options: MongodOptions, keyFile: string): string[] {
  const parameters = { diagnosticDataCollectionEnabled: false, ...options.setParameter };
  return [
    ...['--dbpath', join(directory, 'data'), '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket'],
    ...['--wiredTigerCacheSizeGB', String(options.cacheGb ?? 0.25)],
    ...(options.replicaSet ? ['--replSet', options.replicaSet] : []),
    ...(options.oplogSizeMb ? ['--oplogSize', String(options.oplogSizeMb)] : []),
    ...(options.auth ? (options.replicaSet ? ['--keyFile', keyFile] : ['--auth']) : []),
    ...Object.entries(parameters).flatMap(([name, value]) => ['--setParameter', `${name}=${String(value)}`]),
    ...(options.args ?? []),
  ];
}

async function initiate(port: number, replicaSet: string): Promise<void> {
  await withDirectClient(port, async (client) => {
    const admin = client.db('admin');
    await admin.command({ replSetInitiate: { _id: replicaSet, members: [{ _id: 0, host: `127.0.0.1:${port}` }] } });
    while ((await admin.command({ hello: 1 })).isWritablePrimary !== true) await new Promise((resolve) => setTimeout(resolve, 20));
  });
}

/** The first user may be made without authentication from loopback, and only that one. */
async function createRoot(port: number, credentials: { username: string; password: string }): Promise<void> {
  await withDirectClient(port, async (client) => {
    await client.db('admin').command({ createUser: credentials.username, pwd: credentials.password, roles: ['root'] });
  });
}

async function withDirectClient<T>(port: number, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 1_000 });
  try {
    return await use(await client.connect());
  } finally {
    await client.close();
  }
}

export function clientOf(
  uri: string,
  credentials: { username: string; password: string; authSource: string } | null,
  options: { retryWrites?: boolean; appName?: string } = {},
): MongoClient {
  return new MongoClient(uri, {
    ...options,
    ...(credentials ? { auth: { username: credentials.username, password: credentials.password }, authSource: credentials.authSource } : {}),
    serverSelectionTimeoutMS: 10_000,
  });
}
