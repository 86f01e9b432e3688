import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection, type WorkflowHandle } from '@temporalio/client';
import { MongoClient, type Db } from 'mongodb';
import { parse, stringify } from 'yaml';
import { openSources } from '../../scripts/bucket/open-sources.ts';
import { LedgerReader } from '../../scripts/demo/ledger-file.ts';
import type { LedgerLine } from '../../scripts/demo/ledger.ts';
import { ledgerPath, startWriter, stopWriter } from '../../scripts/demo/demo-stack.ts';
import { waitForArchive } from '../../scripts/demo/inspect.ts';
import { withClient } from '../../scripts/stack/primary.ts';
import { demoBucket, demoDatabase, pidFileOf, stackEnvironment, type StackFile } from '../../scripts/stack/stack-file.ts';
import { startStack, stopStack } from '../../scripts/stack/stack.ts';
import { startWorker, stopWorker } from '../../scripts/stack/worker.ts';
import { readRun, type RunStatusView } from '../../scripts/status/read-run.ts';
import type { SourceContext } from '../../activities/context.ts';
import { readPidFile } from '../../activities/tool/start-server.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { writeHistory, type History } from '../replay/history.ts';
import type { Owner } from './cleanup.ts';
import { processesWith, type RunningProcess } from './running.ts';
import { StoreProxy, type Held } from './store-proxy.ts';
import { until } from './until.ts';

/**
 * The embedded stack in a directory of the test's own, with the shipped file of demo in its `systems/`, whose addresses come from the
 * environment. Workers reach the store through a proxy; the test itself reaches it directly.
 */
export class SystemStack {
  readonly home: string;
  readonly file: StackFile;
  readonly store: StoreProxy;
  readonly client: Client;
  readonly reports: string;
  #entries = 0;

  private constructor(home: string, file: StackFile, store: StoreProxy, connection: Connection) {
    this.home = home;
    this.file = file;
    this.store = store;
    this.reports = join(home, 'reports');
    this.client = new Client({ connection });
  }

  /** @param prepare - called with the directory before anything is started: to plant secrets. */
  static async start(owner: Owner, prepare?: (home: string) => void | Promise<void>): Promise<SystemStack> {
    const home = mkdtempSync(join(tmpdir(), 'holdfast-system-'));
    Object.assign(process.env, { HOLDFAST_HOME: home, HOLDFAST_SYSTEMS: layOutSystem(home) });
    await prepare?.(home);
    const cleanUps: (() => Promise<unknown>)[] = [];
    // One hook: the directory is not removed under what still runs in it.
    owner.after(async () => {
      for (const cleanUp of cleanUps.reverse()) await cleanUp();
      await stopStack();
      delete process.env['HOLDFAST_SYSTEMS'];
      rmSync(home, { recursive: true, force: true, maxRetries: 5 });
    });
    const file = await startStack({ tiedToUs: true });
    Object.assign(process.env, stackEnvironment(file));
    const store = await StoreProxy.start(owner, file.objectStore.endpoint, `${demoBucket}/holdfast/`);
    const connection = await Connection.connect({ address: file.temporal.address });
    cleanUps.push(async () => await connection.close());
    cleanUps.push(async () => await stopWorker(file, 'SIGKILL'));
    cleanUps.push(async () => await stopWriter(file));
    return new SystemStack(home, file, store, connection);
  }

  /** What the stack's `systems/demo.yaml` says, from now on. */
  changeSystem(change: (file: SystemFile) => void): void {
    const path = join(this.home, 'systems', 'demo.yaml');
    const file = parse(readFileSync(path, 'utf8')) as SystemFile;
    change(file);
    writeFileSync(path, stringify(file));
  }

  /** A real worker process with all roles. @param env - over what the stack says. */
  async startWorker(env: Record<string, string> = {}): Promise<void> {
    await startWorker(this.file, { tiedToUs: true, env: { HOLDFAST_DEMO_S3: this.store.endpoint, HOLDFAST_REPORTS: this.reports, ...env } });
  }

  /** As a lost machine: -9, and its children are to be gone soon after, by themselves. */
  async killWorker(): Promise<void> {
    const worker = readPidFile(pidFileOf(this.file, 'worker'));
    if (!worker) throw new Error('no worker runs');
    process.kill(worker.pid, 'SIGKILL');
    await until('the worker is gone', () => readPidFile(pidFileOf(this.file, 'worker')) === undefined);
    await until('its data planes are gone too', () => this.dataPlanes().length === 0, 5_000);
    await stopWorker(this.file, 'SIGKILL');
  }

  /** The worker dies in what waits for a held request; another one takes its place. @param env - as `startWorker` */
  async killWorkerAt(held: Held, env?: Record<string, string>): Promise<void> {
    await held.reached;
    await this.killWorker();
    held.release();
    await this.startWorker(env);
  }

  /** A job's next read of the store that matches waits. */
  holdRead(job: string, matches: (key: string) => boolean): Held {
    return this.store.hold(({ method, key }) => method === 'GET' && matches(key) && this.isDoing(job));
  }

  async stopWorker(): Promise<void> {
    await stopWorker(this.file, 'SIGTERM');
  }

  running(): RunningProcess[] {
    return processesWith('HOLDFAST_DEMO_DIRECTORY', this.home);
  }

  /** Those that have a job: one that waits for another is named so, and ends soon. */
  dataPlanes(): RunningProcess[] {
    return this.running().filter(({ argv }) => argv.some((argument) => argument.includes('data-plane/main.ts') && !argument.endsWith(' idle')));
  }

  /** Whether a data plane does this job now: its title says which. */
  isDoing(job: string): boolean {
    return this.dataPlanes().some(({ argv }) => argv.some((argument) => argument.endsWith(` ${job}`)));
  }

  async start(type: string, input: unknown): Promise<WorkflowHandle> {
    this.#entries += 1;
    const args = input === undefined ? [] : [input];
    return await this.client.workflow.start(type, { taskQueue: taskQueues.control, workflowId: `test/${type}/${this.#entries}`, args });
  }

  handle(workflowId: string): WorkflowHandle {
    return this.client.workflow.getHandle(workflowId);
  }

  /** The run of a recovery, as `holdfast status` reads it. */
  async run(system = 'demo'): Promise<RunStatusView> {
    return (await readRun(this.client, system))!;
  }

  async runIs(what: string, is: (view: RunStatusView) => boolean, withinMs = 60_000, system = 'demo'): Promise<RunStatusView> {
    let last: RunStatusView | undefined;
    try {
      return await until(what, async () => (is((last = await this.run(system))) ? last : undefined), withinMs, 200);
    } catch (error) {
      const steps = last?.state.steps.map(({ id, state, error: failure }) => `${id} ${state}${failure ? ` (${failure.type}: ${failure.message})` : ''}`).join(', ');
      throw new Error(`${(error as Error).message.slice(0, 300)}\nsteps: ${steps}\nactivities: ${JSON.stringify(last?.activities)}`, { cause: error });
    }
  }

  async stepIs(step: string, state: string, withinMs?: number): Promise<RunStatusView> {
    return await this.runIs(`step ${step} is ${state}`, ({ state: run }) => run.steps.some(({ id, state: is }) => id === step && is === state), withinMs);
  }

  async archiveIsUpToDate(withinMs = 60_000): Promise<void> {
    const { upToDate, last } = await waitForArchive(withinMs, new AbortController().signal);
    if (!upToDate) throw new Error(`the archive does not keep up: ${last}; its activity: ${await this.#archiveActivity()}`);
  }

  async #archiveActivity(): Promise<string> {
    const { raw } = await this.handle(lockIds.archive('demo', 'dictionary')).describe();
    return JSON.stringify(raw.pendingActivities?.map(({ activityType, attempt, lastFailure }) => ({ activityType, attempt, lastFailure: lastFailure?.message })));
  }

  async startWriter(rate: number): Promise<() => LedgerLine[]> {
    await startWriter(this.file, rate);
    const lines: LedgerLine[] = [];
    const reader = new LedgerReader(ledgerPath(this.file));
    return () => {
      lines.push(...reader.readNew());
      return lines;
    };
  }

  async stopWriter(): Promise<void> {
    await stopWriter(this.file);
  }

  async withApp<T>(use: (db: Db) => Promise<T>): Promise<T> {
    return await withClient(this.file, 'app', async (client) => await use(client.db(demoDatabase)));
  }

  /** The restore target while it is a standalone on loopback, without users. */
  async withTarget<T>(use: (client: MongoClient) => Promise<T>): Promise<T> {
    const client = new MongoClient(`mongodb://127.0.0.1:${this.file.standby.port}/?directConnection=true`, { serverSelectionTimeoutMS: 2_000 });
    try {
      return await use(client);
    } finally {
      await client.close();
    }
  }

  /** Store and keys of the one source, for looking into the bucket. */
  async source(): Promise<SourceContext> {
    return (await openSources('demo'))[0]!;
  }

  /** Keys of all versions under a prefix that holds the source's objects. */
  async keys(prefix: string): Promise<string[]> {
    const { store } = await this.source();
    const keys: string[] = [];
    for await (const version of store.list(prefix)) if (!version.isDeleteMarker) keys.push(version.key);
    return keys;
  }

  /** Ids of workflows that are open now. */
  async open(): Promise<string[]> {
    const ids: string[] = [];
    for await (const { workflowId } of this.client.workflow.list({ query: 'ExecutionStatus = "Running"' })) ids.push(workflowId);
    return ids.sort();
  }

  /** Keeps the longest history of each workflow type, gzipped JSON, in `directory`. */
  async recordHistories(directory: string): Promise<void> {
    const longest = new Map<string, History>();
    for await (const { type, workflowId, runId } of this.client.workflow.list()) {
      const history = await this.client.workflow.getHandle(workflowId, runId).fetchHistory();
      if ((history.events?.length ?? 0) > (longest.get(type)?.events?.length ?? 0)) longest.set(type, history);
    }
    mkdirSync(directory, { recursive: true });
    for (const [type, history] of longest) writeHistory(join(directory, `${type}.json.gz`), history);
  }

  /** Every history of the stack as text, payloads decoded. */
  async histories(): Promise<{ type: string; text: string }[]> {
    const histories: { type: string; text: string }[] = [];
    for await (const { type, workflowId, runId } of this.client.workflow.list()) {
      const history = await this.client.workflow.getHandle(workflowId, runId).fetchHistory();
      histories.push({ type, text: JSON.stringify(history, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : value)) });
    }
    return histories;
  }

  async startArchive(): Promise<void> {
    await (await this.start('archiveLog', 'demo')).result();
    await this.archiveIsUpToDate();
  }

  get runHandle(): WorkflowHandle {
    return this.handle(lockIds.recover('demo'));
  }
}

/** In each collection: enough for several batches of everything. */
const documentsEach = 10_040;

/**
 * The shipped file of demo, and no other: every process that starts would read them all. Where it asks how much there has to be, it asks for what these tests fill in, which is a tenth: they are
 * not about how much there is.
 */
function layOutSystem(home: string): string {
  const [shipped, directory] = [join(import.meta.dirname, '..', '..', 'systems'), join(home, 'systems')];
  mkdirSync(directory);
  cpSync(join(shipped, 'system.schema.json'), join(directory, 'system.schema.json'));
  const text = readFileSync(join(shipped, 'demo.yaml'), 'utf8');
  // As text: another test looks for places in it.
  const changed = text.replace('min: 100000', `min: ${documentsEach}`);
  if (changed === text) throw new Error('systems/demo.yaml is not what it was when this was written');
  writeFileSync(join(directory, 'demo.yaml'), changed);
  return directory;
}

/** A stack with a worker and some data: its log archived, and a base backed up. */
export async function startProtectedStack(owner: Owner): Promise<SystemStack> {
  const stack = await SystemStack.start(owner);
  await fillDictionary(stack, 4);
  await stack.startWorker();
  await stack.startArchive();
  await (await stack.start('backUpSystem', 'demo')).result();
  await stack.archiveIsUpToDate();
  return stack;
}

/** Data that the shipped file's validators ask for, in two collections of about `mibEach`, indexed: two groups of a dump from 34 on. */
export async function fillDictionary(stack: SystemStack, mibEach: number, documents = documentsEach): Promise<void> {
  const filler = 'abcdefghijklmnopqrstuvwxyz'.repeat(1024).slice(0, Math.max(8, Math.round((mibEach * 1024 * 1024) / documents) - 90));
  await stack.withApp(async (db) => {
    await db.createCollection('notes');
    for (const name of ['senses', 'words']) {
      const collection = db.collection<{ _id: number }>(name);
      for (let at = 0; at < documents; at += documentsEach) {
        const batch = Array.from({ length: documentsEach }, (_, i) => ({ _id: at + i, lemma: `${name}-${at + i}`, weight: (at + i) / 7, note: filler }));
        await collection.insertMany(batch, { ordered: false, writeConcern: { w: 1 } });
      }
      await collection.createIndex({ lemma: 1 }, { unique: true });
      await collection.createIndex({ weight: -1 });
    }
  });
}
