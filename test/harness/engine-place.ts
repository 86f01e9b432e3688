import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import type { BackupSummary, TargetRef } from '../../workflows/contract.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import { systemSchema, type SystemFile } from '../../workflows/domain/system.ts';
import type { JobReading, SourceContext } from '../../activities/context.ts';
import { buildIndexes } from '../../activities/engines/mongodb/build-indexes.ts';
import { dumpGroup } from '../../activities/engines/mongodb/dump-group.ts';
import { planDump } from '../../activities/engines/mongodb/plan-dump.ts';
import { prepareRestore } from '../../activities/engines/mongodb/prepare-restore.ts';
import { restoreGroup } from '../../activities/engines/mongodb/restore-group.ts';
import { allRoles, createRoleCommand, sourceUserRoles } from '../../activities/engines/mongodb/rights.ts';
import { sealBackup } from '../../activities/engines/mongodb/seal-backup.ts';
import { openProvisioner } from '../../activities/provision/provisioner.ts';
import { openStore } from '../../activities/store/open-store.ts';
import { openKeys } from '../../activities/stream/open-keys.ts';
import { startTool } from '../../activities/tool/run-tool.ts';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import { nextLogPosition } from '../../workflows/domain/log-position.ts';
import { freePort } from './free-port.ts';
import { startMongod, type Mongod, type MongodOptions } from './mongod.ts';
import { tempDir } from './temp-dir.ts';

export interface EnginePlace {
  context: SourceContext;
  /** what the context is made of: another process makes its own of it */
  file: SystemFile;
  secrets: Record<string, string>;
  source: Mongod;
  target: TargetRef;
  directory: string;
  storePath: string;
  /** everything that `context.progress` was told */
  progress: JobReading[];
  /** A client of the restore target as a standalone, closed when the test is over. */
  connectTarget(): Promise<MongoClient>;
  /** The same place with another signal and other limits: an attempt of its own. */
  attempt(changes?: { signal?: AbortSignal; limits?: Record<string, unknown>; exclude?: string[] }): SourceContext;
}

/** A source, a store in a directory and a place for the target, as one system that the engine's jobs can be run on. */
export async function enginePlace(t: TestContext, options: { mongod?: MongodOptions } = {}): Promise<EnginePlace> {
  const source = await startMongod(t, { replicaSet: 'rs0', ...options.mongod });
  // Before the directory's own: hooks run in their order, and without its pid file the target would not be found.
  t.after(async () => await stopByPidFile(join(directory, 'dr', 'server.pid'), 'SIGKILL'));
  const directory = tempDir(t, 'holdfast-engine-');
  const targetPort = await freePort();
  const secrets = newSecrets();
  if (source.credentials) {
    const client = await source.connect();
    for (const role of allRoles) await client.db('admin').command(createRoleCommand(role));
    await client.db('admin').command({ createUser: 'holdfast', pwd: secrets['${PASSWORD}'], roles: [...sourceUserRoles] });
  }
  // The standby has the users of the source, once it is promoted.
  const credentials = source.credentials ? { username: 'holdfast', password: '${PASSWORD}' } : undefined;
  const storePath = join(directory, 'store');
  const file = systemFile({ directory, storePath, sourceUri: source.uri, sourceDirectory: source.directory, targetUri: `mongodb://127.0.0.1:${targetPort}/?replicaSet=rs7`, credentials });
  const progress: JobReading[] = [];
  const context = await openContext(file, secrets, (report) => void progress.push(report));
  return {
    context,
    file,
    secrets,
    source,
    target: { system: 'place', source: 'documents', environment: 'dr', run: 'run-1' },
    directory,
    storePath,
    progress,
    connectTarget: async () => {
      const client = new MongoClient(`mongodb://127.0.0.1:${targetPort}/?directConnection=true`, { serverSelectionTimeoutMS: 5_000 });
      t.after(async () => await client.close());
      return await client.connect();
    },
    attempt: ({ signal = context.signal, limits = {}, exclude = [] } = {}) => ({
      ...context,
      signal,
      source: { ...context.source, limits: { ...context.source.limits, ...limits }, namespaces: { exclude } },
    }),
  };
}

function newSecrets(): Record<string, string> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return {
    '${KEY}': randomBytes(32).toString('hex'),
    '${PRIVATE}': privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    '${PUBLIC}': publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    '${PASSWORD}': randomBytes(12).toString('hex'),
  };
}

interface Places {
  directory: string;
  storePath: string;
  sourceUri: string;
  sourceDirectory: string;
  targetUri: string;
  credentials: { username: string; password: string } | undefined;
}

const systemFile = ({ directory, storePath, sourceUri, sourceDirectory, targetUri, credentials }: Places): SystemFile => ({
  system: 'place',
  title: 'A place for tests',
  objectives: { rto: '1h', rpo: '5m' },
  environments: {
    production: { protection: 'production', endpoints: { documents: { uri: sourceUri, credentials } } },
    dr: { protection: 'production', endpoints: { documents: { uri: targetUri, credentials } } },
  },
  sources: { documents: { engine: 'mongodb', environment: 'production' } },
  stores: [{ name: 'main', kind: 'local', path: storePath, lock: { retain: '1h' } }],
  key: { id: 'place', aes256: '${KEY}', signing: { privateKey: '${PRIVATE}', publicKeys: ['${PUBLIC}'] } },
  standby: { environment: 'dr', provision: { documents: { uses: 'local', directory: join(directory, 'dr'), replicaSet: 'rs7', cache: '256MiB' } } },
  fence: { documents: { uses: 'local', directory: sourceDirectory } },
  traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2' } },
  runbook: { steps: [{ id: 'restore', uses: 'restore' }] },
  exchange: { directories: [join(import.meta.dirname, '..', 'fixtures', 'mongodump'), tmpdir()] },
});

export type StorePlace = Pick<EnginePlace, 'context' | 'file' | 'secrets' | 'directory' | 'storePath' | 'progress'>;

/** A place for jobs that ask no server: a store and keys, and a source that nothing answers for. */
export async function storePlace(t: TestContext): Promise<StorePlace> {
  const directory = tempDir(t, 'holdfast-store-');
  const storePath = join(directory, 'store');
  const secrets = newSecrets();
  const nowhere = 'mongodb://127.0.0.1:1/?replicaSet=rs0';
  const file = systemFile({ directory, storePath, sourceUri: nowhere, sourceDirectory: directory, targetUri: nowhere, credentials: undefined });
  const progress: JobReading[] = [];
  return { context: await openContext(file, secrets, (report) => void progress.push(report)), file, secrets, directory, storePath, progress };
}

/** A context of the jobs, from a system file's content and its secrets. */
export async function openContext(file: SystemFile, secrets: Record<string, string>, progress: SourceContext['progress']): Promise<SourceContext> {
  const system = systemSchema.parse(file);
  const secret = async (ref: string): Promise<string> => await Promise.resolve(secrets[ref]!);
  return {
    system,
    sourceName: 'documents',
    source: system.sources['documents']!,
    store: await openStore(system.stores[0]!, { secret }),
    keys: await openKeys(system.key, secret),
    epoch: 1,
    secret,
    address: (text) => text,
    signal: new AbortController().signal,
    progress,
  };
}

/** As the data plane's own processes run: see run-job.ts. */
const dataPlaneFlags = ['--max-old-space-size=256', '--max-semi-space-size=16'];

export interface JobResult {
  result: unknown;
  maxRssBytes: number;
  tookMs: number;
}

/** One job in a process of its own, as the data plane runs it; `pid` is there to be killed. @param clockAheadMs - its clock is wrong by so much. */
export function startJob(place: Pick<EnginePlace, 'file' | 'secrets'>, job: string, input: unknown, clockAheadMs = 0): { pid: number; done: Promise<JobResult> } {
  const order = JSON.stringify({ file: place.file, secrets: place.secrets, job, input });
  const tool = startTool({ path: process.execPath }, [...dataPlaneFlags, ...(clockAheadMs === 0 ? [] : ['--import', wrongClock(clockAheadMs)]), join(import.meta.dirname, 'engine-job.ts')], { input: order, collectStdout: true, env: { MALLOC_ARENA_MAX: '2' } });
  return { pid: tool.pid, done: tool.done.then(({ stdout }) => JSON.parse(stdout) as JobResult) };
}

/** A module that a process imports first: whatever asks what time it is gets the wrong answer. */
function wrongClock(aheadMs: number): string {
  const code = `const Real = Date; globalThis.Date = class extends Real { constructor(...at) { if (at.length === 0) super(Real.now() + ${aheadMs}); else super(...at); } static now() { return Real.now() + ${aheadMs}; } };`;
  return `data:text/javascript,${encodeURIComponent(code)}`;
}

export const backupInput = (backup: string) => ({ system: 'place', source: 'documents', backup, epoch: 1, why: 'test', requestedBy: 'test' });
export const ref = { system: 'place', source: 'documents' };

/** Plan, all groups, seal: what the workflow does. */
export async function backUp(context: SourceContext, backup: string): Promise<BackupSummary> {
  const plan = await planDump(context, backupInput(backup));
  const groups = [];
  for (const { group } of plan.groups) groups.push(await dumpGroup(context, { ...ref, plan, epoch: 1, group }));
  return await sealBackup(context, { ...ref, plan, epoch: 1, groups });
}

/** The recovery point at a base's own end, without any log. */
export function pointOf(summary: BackupSummary): RecoveryPoint {
  const limit = nextLogPosition(summary.end);
  return {
    ...ref,
    timeline: summary.timeline,
    base: {
      timeline: summary.timeline,
      backup: summary.backup,
      manifest: summary.manifest,
      logFrom: summary.logFrom,
      start: summary.end,
      end: summary.end,
      finishedAt: summary.endAt,
      documents: summary.documents,
      plainBytes: summary.plainBytes,
      storedBytes: summary.storedBytes,
      exact: summary.unproved.length === 0,
      why: 'test',
    },
    limit,
    reaches: summary.end,
    reachesAt: summary.endAt,
    log: { from: summary.logFrom, slices: 0, storedBytes: 0 },
  };
}

/** Provision, prepare, all groups, indexes: a restore without replay. */
export async function restore(place: EnginePlace, summary: BackupSummary, context: SourceContext = place.context) {
  const point = pointOf(summary);
  const { target } = place;
  await (await openProvisioner(context)).provision(context, target);
  const { groups } = await prepareRestore(context, { target, point });
  for (const group of groups) await restoreGroup(context, { target, point, group });
  return await buildIndexes(context, { target, point });
}
