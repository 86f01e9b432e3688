import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MongoClient } from 'mongodb';
import { runJob, type RunJobOptions } from '../../activities/data-plane/run-job.ts';
import type { JobName } from '../../activities/data-plane/jobs.ts';
import { openContext } from '../../activities/open-context.ts';
import { loadingEngineConfig } from '../../activities/provision/local.ts';
import type { SourceContext } from '../../activities/context.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { readEnvironment } from '../../workers/environment.ts';
import type { Owner } from '../harness/cleanup.ts';
import { freePort } from '../harness/free-port.ts';
import { startMongod, type Mongod, type MongodOptions } from '../harness/mongod.ts';
import { startObjectStore, type ObjectStore } from '../harness/object-store.ts';
import type { MemoryWatch } from './memory.ts';

export interface Options {
  /** plain bytes of data */
  bytes: number;
  /** entries of the log behind the base */
  entries: number;
  rounds: number;
  quick: boolean;
  say(line: string): void;
}

export const of = { system: 'bench', source: 'documents' };
export const bucket = 'bench';
/** The same for every server, ours and the peers'. */
const cacheGb = 1;

/**
 * A source, an S3 server with object lock, and a system file over both. What is ours runs as the worker runs it: each job in a
 * data plane process of its own, as many at a time as a worker has slots. Temporal itself does not run here.
 */
export class World {
  readonly owner: Owner;
  readonly options: Options;
  readonly source: Mongod;
  readonly store: ObjectStore;
  readonly directory: string;
  readonly slots = readEnvironment({}).slots.data;

  private constructor(owner: Owner, options: Options, source: Mongod, store: ObjectStore, directory: string) {
    this.owner = owner;
    this.options = options;
    this.source = source;
    this.store = store;
    this.directory = directory;
  }

  /** @param changes.door - what stands before the store, by its address; @param changes.source - of the source's server. */
  static async open(owner: Owner, options: Options, changes: { source?: MongodOptions; door?: (endpoint: string) => Promise<string> } = {}): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
    owner.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
    const source = await startMongod(owner, { replicaSet: 'rs0', cacheGb: options.quick ? 0.25 : cacheGb, oplogSizeMb: 2_000, ...changes.source });
    const store = await startObjectStore(owner);
    await store.createBucket(bucket, { lock: true });
    const world = new World(owner, options, source, store, directory);
    world.#writeSystemFile((await changes.door?.(store.endpoint)) ?? store.endpoint);
    return world;
  }

  #writeSystemFile(endpoint: string): void {
    const systems = join(this.directory, 'systems');
    mkdirSync(systems);
    writeFileSync(join(systems, 'bench.yaml'), JSON.stringify(systemFile(this.source.uri, this.directory)));
    setBenchEnvironment(systems, endpoint, this.store);
  }

  /** A server to restore to, fresh or with the data of another, as people start it. */
  async target(owner: Owner, kind: TargetKind, changes: MongodOptions = {}): Promise<Mongod> {
    return await startMongod(owner, {
      cacheGb: this.options.quick ? 0.25 : cacheGb,
      setParameter: { ttlMonitorEnabled: false },
      port: await freePort(),
      ...(kind === 'replica set' ? { replicaSet: 'rs7' } : {}),
      ...changes,
    });
  }

  /** What we restore to: a standalone is started as our provisioner starts it. A replica set is somebody's own, as everybody's. */
  async ourTarget(owner: Owner, kind: TargetKind, changes: MongodOptions = {}): Promise<Mongod> {
    const settings = kind === 'standalone' ? { args: ['--wiredTigerEngineConfigString', loadingEngineConfig] } : {};
    return await this.target(owner, kind, { ...settings, ...changes });
  }

  /** One job, in a process as a worker would give it. @param target - where it writes to, for those that do. */
  async job<T>(name: JobName, input: object, options: JobOptions = {}): Promise<T> {
    if (options.target) process.env['BENCH_TARGET_PORT'] = String(options.target.port);
    return await runOurs<T>(name, input, options);
  }

  /** Store and keys, opened in this process: for looking. */
  async context(): Promise<SourceContext> {
    return await openContext({ ...of, epoch: 1 }, { signal: new AbortController().signal, progress: () => undefined });
  }

  async withSource<T>(use: (client: MongoClient) => Promise<T>): Promise<T> {
    return await use(await this.source.connect());
  }
}

/** One job, in a process as a worker would give it. */
export async function runOurs<T>(name: JobName, input: object, options: Omit<JobOptions, 'target'> = {}): Promise<T> {
  return await runJob(name, input, {
    signal: options.signal ?? new AbortController().signal,
    progress: options.progress ?? (() => undefined),
    onStart: (pid) => {
      options.memory?.add(pid);
      options.onStart?.(pid);
    },
    onPeakRss: options.onPeakRss ?? (() => undefined),
  }) as T;
}

/** Keys made for this run, the store's address and its credentials: what the system files of the benches read from the environment. */
export function setBenchEnvironment(systems: string, endpoint: string, store: ObjectStore): void {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  Object.assign(process.env, {
    HOLDFAST_SYSTEMS: systems,
    BENCH_S3: endpoint,
    BENCH_S3_ID: store.accessKeyId,
    BENCH_S3_SECRET: store.secretAccessKey,
    BENCH_KEY: randomBytes(32).toString('hex'),
    BENCH_PRIVATE: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    BENCH_PUBLIC: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    BENCH_TARGET_PORT: '1',
  });
}

/** The key and the store of every bench's system file, from that environment. */
export const benchKey: SystemFile['key'] = { id: 'bench', aes256: '${BENCH_KEY}', signing: { privateKey: '${BENCH_PRIVATE}', publicKeys: ['${BENCH_PUBLIC}'] } };
export const benchStore: SystemFile['stores'][number] = {
  name: 'main', kind: 's3', endpoint: '${BENCH_S3}', bucket, lock: { retain: '1h' },
  credentials: { accessKeyId: '${BENCH_S3_ID}', secretAccessKey: '${BENCH_S3_SECRET}' },
};

export interface JobOptions extends Partial<Pick<RunJobOptions, 'signal' | 'progress' | 'onStart' | 'onPeakRss'>> {
  target?: Mongod;
  memory?: MemoryWatch;
}

export type TargetKind = 'standalone' | 'replica set';

function systemFile(uri: string, directory: string): SystemFile {
  return {
    system: of.system,
    title: 'A place for measuring',
    objectives: { rto: '1h', rpo: '5s' },
    environments: {
      production: { protection: 'production', endpoints: { documents: { uri } } },
      dr: { protection: 'production', endpoints: { documents: { uri: 'mongodb://127.0.0.1:${BENCH_TARGET_PORT}/?replicaSet=rs7' } } },
    },
    // Limits are left at their defaults: those are what a source is cared for by.
    sources: { documents: { engine: 'mongodb', environment: 'production', archive: { every: '1s' } } },
    stores: [benchStore],
    key: benchKey,
    standby: { environment: 'dr', provision: { documents: { uses: 'local', directory: join(directory, 'dr'), replicaSet: 'rs7' } } },
    fence: { documents: { uses: 'local', directory } },
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
    runbook: { steps: [{ id: 'restore', uses: 'restore' }] },
  };
}

/** Runs `use` with an owner of its own, and cleans up behind it. */
export async function owning<T>(use: (owner: Owner) => Promise<T>): Promise<T> {
  const cleanUps: (() => void | Promise<void>)[] = [];
  try {
    return await use({ after: (cleanUp) => void cleanUps.push(cleanUp) });
  } finally {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  }
}
