import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MongoClient, type Db, type Document } from 'mongodb';
import { freePort } from '../../activities/tool/free-port.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startServer, stopByPidFile } from '../../activities/tool/start-server.ts';
import { writeMongodConfig, type MongodConfig } from '../../activities/provision/mongod-config.ts';
import { withClient } from '../../scripts/stack/primary.ts';
import { demoDatabase, demoReplicaSet, secretsDirectory, type StackFile } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import { until } from '../harness/until.ts';

const pidFileIn = (directory: string): string => join(directory, 'server.pid');

/** A member with data and a vote beside the demo's primary: when that steps down, this one is elected. */
export class SecondMember {
  readonly #stack: StackFile;
  readonly #directory: string;
  readonly host: string;

  private constructor(stack: StackFile, directory: string, host: string) {
    this.#stack = stack;
    this.#directory = directory;
    this.host = host;
  }

  /** In step with the primary when this returns. */
  static async start(stack: StackFile): Promise<SecondMember> {
    const directory = join(stack.directory, 'second-member');
    const port = await freePort();
    const host = `127.0.0.1:${port}`;
    mkdirSync(join(directory, 'data'), { recursive: true });
    await writeMongodConfig(join(directory, 'mongod.conf'), {
      net: { port, bindIp: '127.0.0.1', unixDomainSocket: { enabled: false } },
      storage: { dbPath: join(directory, 'data'), wiredTiger: { engineConfig: { cacheSizeGB: 0.25 } } },
      replication: { replSetName: demoReplicaSet },
      security: { keyFile: join(secretsDirectory(stack), 'mongodb-key-file'), authorization: 'enabled' },
      setParameter: { diagnosticDataCollectionEnabled: false },
    } satisfies MongodConfig, 'A second member of the demo’s replica set.');
    const member = new SecondMember(stack, directory, host);
    const logFile = join(directory, 'mongod.log');
    await startServer({
      name: 'second member',
      program: findTool('mongod'),
      args: ['--config', join(directory, 'mongod.conf')],
      cwd: directory,
      logFile,
      pidFile: pidFileIn(directory),
      readyWithinMs: 60_000,
      tiedToUs: true,
      ready: async () => await member.#direct(undefined, async (client) => (await client.db('admin').command({ hello: 1 })).ok === 1),
    });
    await withClient(stack, 'root', async (client) => {
      const admin = client.db('admin');
      const { config } = await admin.command({ replSetGetConfig: 1 }) as { config: { version: number; members: Document[] } };
      await admin.command({ replSetReconfig: { ...config, version: config.version + 1, members: [...config.members, { _id: 1, host }] } });
    });
    await until('the second member to be in step', async () => await withClient(stack, 'root', async (client) => {
      const { members } = await client.db('admin').command({ replSetGetStatus: 1 }) as { members: Document[] };
      return members.find(({ name }) => name === host)?.['stateStr'] === 'SECONDARY';
    }));
    return member;
  }

  /** Who takes writes, and since which election. */
  async primary(): Promise<{ host: string; term: number }> {
    return await this.#set('root', async (client) => {
      const { me } = await client.db('admin').command({ hello: 1 });
      const { term } = await client.db('admin').command({ replSetGetStatus: 1 });
      return { host: String(me), term: Number(term) };
    });
  }

  /** The primary steps down, and the other member is elected. @returns the new primary, in a later term. */
  async elect(): Promise<{ host: string; term: number }> {
    const before = await this.primary();
    // One that stepped down before stands for election again.
    const other = before.host === this.host ? `127.0.0.1:${this.#stack.primary.port}` : this.host;
    await this.#client(`mongodb://${other}/?directConnection=true`, 'root', async (client) => await client.db('admin').command({ replSetFreeze: 0 }));
    await this.#set('root', async (client) => await client.db('admin').command({ replSetStepDown: 60, secondaryCatchUpPeriodSecs: 30 }));
    return await until('another primary, of a later term', async () => {
      const now = await this.primary();
      return now.host === other && now.term > before.term ? now : undefined;
    });
  }

  /** Whoever is primary. */
  async withApp<T>(use: (db: Db) => Promise<T>): Promise<T> {
    return await this.#set('app', async (client) => await use(client.db(demoDatabase)));
  }

  async stop(): Promise<void> {
    await stopByPidFile(pidFileIn(this.#directory), 'SIGKILL');
  }

  async #set<T>(user: 'root' | 'app', use: (client: MongoClient) => Promise<T>): Promise<T> {
    return await this.#client(`mongodb://127.0.0.1:${this.#stack.primary.port},${this.host}/?replicaSet=${demoReplicaSet}`, user, use);
  }

  async #direct<T>(user: 'root' | undefined, use: (client: MongoClient) => Promise<T>): Promise<T> {
    return await this.#client(`mongodb://${this.host}/?directConnection=true`, user, use);
  }

  async #client<T>(uri: string, user: 'root' | 'app' | undefined, use: (client: MongoClient) => Promise<T>): Promise<T> {
    const client = new MongoClient(uri, {
      serverSelectionTimeoutMS: 10_000,
      ...(user ? { auth: { username: user, password: readSecret(this.#stack, `${user}-password`) }, authSource: 'admin' } : {}),
    });
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  }
}
