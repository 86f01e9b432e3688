import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient, MongoServerError, type Db, type Document } from 'mongodb';
import { allRoles, besideRole, createRoleCommand, sourceUserRoles } from '../../activities/engines/mongodb/rights.ts';
import { writeMongodConfig, type MongodConfig } from '../../activities/provision/mongod-config.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { readLogTail, startServer, stopByPidFile, type ServerProcess } from '../../activities/tool/start-server.ts';
import { demoDatabase, demoReplicaSet, directoryOf, pidFileOf, secretsDirectory, type StackFile } from './stack-file.ts';
import { readSecret } from './stack-secrets.ts';

/** The demo's production database: one mongod, replica set `rs0`, authentication on, users made. Safe to repeat. */
export async function startPrimary(stack: StackFile, options: { tiedToUs?: boolean } = {}): Promise<ServerProcess> {
  const directory = directoryOf(stack, 'primary');
  mkdirSync(join(directory, 'data'), { recursive: true });
  const configFile = join(directory, 'mongod.conf');
  if (!existsSync(configFile)) await writeMongodConfig(configFile, configOf(stack, directory), 'The demo’s primary.');
  const server = await startServer({
    name: 'primary',
    program: findTool('mongod'),
    args: ['--config', configFile],
    cwd: directory,
    logFile: join(directory, 'mongod.log'),
    pidFile: pidFileOf(stack, 'primary'),
    readyWithinMs: 60_000,
    tiedToUs: options.tiedToUs ?? false,
    ready: async () => await withClient(stack, undefined, async (client) => (await client.db('admin').command({ hello: 1 })).ok === 1),
  });
  await becomePrimary(stack);
  await ensureUsers(stack);
  return server;
}

/** Kills it -9 and deletes its data, as a lost machine would; its configuration stays. @returns the moment of the kill. */
export async function destroyPrimary(stack: StackFile): Promise<{ killedAt: string }> {
  const killedAt = new Date().toISOString();
  await stopByPidFile(pidFileOf(stack, 'primary'), 'SIGKILL');
  rmSync(join(directoryOf(stack, 'primary'), 'data'), { recursive: true, force: true });
  return { killedAt };
}

/**
 * Starts the old primary again on its port, as a person or a service manager would after the machine came back.
 *
 * @param configuration - `left`: the mongod.conf that lies there now, which a fence has changed; `original`: what it was
 *   started with before, as someone would who has it under version control.
 */
export async function startOldPrimaryAgain(stack: StackFile, configuration: 'left' | 'original', options: { tiedToUs?: boolean } = {}): Promise<ServerProcess> {
  const directory = directoryOf(stack, 'primary');
  mkdirSync(join(directory, 'data'), { recursive: true });
  const configFile = join(directory, configuration === 'left' ? 'mongod.conf' : 'mongod.conf.original');
  if (configuration === 'original') await writeMongodConfig(configFile, configOf(stack, directory), 'The demo’s primary, as it was before any fence.');
  const logFile = join(directory, 'mongod.log');
  const linesBefore = countStarts(logFile);
  return await startServer({
    name: 'old primary',
    program: findTool('mongod'),
    args: ['--config', configFile],
    cwd: directory,
    logFile,
    pidFile: pidFileOf(stack, 'primary'),
    readyWithinMs: 60_000,
    tiedToUs: options.tiedToUs ?? false,
    // Fenced, it may listen nowhere that we can ask, so its own log says when it is up.
    ready: async () => await Promise.resolve(countStarts(logFile) > linesBefore),
  });
}

const countStarts = (logFile: string): number => readLogTail(logFile, 64 * 1024 * 1024).split('"Waiting for connections"').length - 1;

/** A client of the demo's primary. @param user - undefined: no user at all. */
export async function withClient<T>(stack: StackFile, user: 'root' | 'holdfast' | 'app' | undefined, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${stack.primary.port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 2_000,
    ...(user ? { auth: { username: user, password: readSecret(stack, `${user}-password`) }, authSource: 'admin' } : {}),
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function configOf(stack: StackFile, directory: string): MongodConfig {
  return {
    net: { port: stack.primary.port, bindIp: '127.0.0.1', unixDomainSocket: { enabled: false } },
    storage: { dbPath: join(directory, 'data'), wiredTiger: { engineConfig: { cacheSizeGB: 0.5 } } },
    replication: { replSetName: demoReplicaSet },
    security: { keyFile: join(secretsDirectory(stack), 'mongodb-key-file'), authorization: 'enabled' },
    setParameter: { diagnosticDataCollectionEnabled: false },
  };
}

async function becomePrimary(stack: StackFile): Promise<void> {
  await withClient(stack, undefined, async (client) => {
    const admin = client.db('admin');
    const hello = async () => await admin.command({ hello: 1 });
    if ((await hello()).setName === undefined) {
      const config = { _id: demoReplicaSet, members: [{ _id: 0, host: `127.0.0.1:${stack.primary.port}` }] };
      // Without users yet, loopback may do this unauthenticated, once.
      await admin.command({ replSetInitiate: config }).catch((error: unknown) => {
        if (!(error instanceof MongoServerError && error.codeName === 'AlreadyInitialized')) throw error;
      });
    }
    const endsAt = Date.now() + 60_000;
    while ((await hello()).isWritablePrimary !== true) {
      if (Date.now() > endsAt) throw new Error(`the primary on port ${stack.primary.port} was not elected within 60 s`);
      await sleep(20);
    }
  });
}

async function ensureUsers(stack: StackFile): Promise<void> {
  try {
    await withClient(stack, undefined, async (client) => {
      // Allowed to a stranger on loopback only while there is no user at all.
      await client.db('admin').command({ createUser: 'root', pwd: readSecret(stack, 'root-password'), roles: ['root'] });
    });
  } catch (error) {
    if (!(error instanceof MongoServerError && ['Unauthorized', 'Location51003'].includes(String(error.codeName)))) throw error;
  }
  await withClient(stack, 'root', async (client) => {
    const admin = client.db('admin');
    for (const role of allRoles) await ensureRole(admin, createRoleCommand(role));
    await ensureUser(admin, 'holdfast', readSecret(stack, 'holdfast-password'), [...sourceUserRoles, { role: besideRole.name, db: 'admin' }]);
    await ensureUser(admin, 'app', readSecret(stack, 'app-password'), [{ role: 'readWrite', db: demoDatabase }]);
  });
}

async function ensureRole(admin: Db, { createRole, ...role }: Document): Promise<void> {
  const known = ((await admin.command({ rolesInfo: createRole })) as unknown as { roles: unknown[] }).roles.length > 0;
  await admin.command(known ? { updateRole: createRole, ...role } : { createRole, ...role });
}

async function ensureUser(admin: Db, user: string, pwd: string, roles: readonly { role: string; db: string }[]): Promise<void> {
  const known = ((await admin.command({ usersInfo: user })) as unknown as { users: unknown[] }).users.length > 0;
  await admin.command(known ? { updateUser: user, roles } : { createUser: user, pwd, roles });
}
