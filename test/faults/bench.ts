import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { readLogTail, readPidFile, startServer, stopByPidFile, type ServerProcess } from '../../activities/tool/start-server.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { writeMongodConfig, type MongodConfig } from '../../activities/provision/mongod-config.ts';
import { startPrimary } from '../../scripts/stack/primary.ts';
import { demoReplicaSet, directoryOf, ensureStackFile, pidFileOf, stackEnvironment } from '../../scripts/stack/stack-file.ts';
import type { BackupSummary } from '../../workflows/contract.ts';
import { SystemStack } from '../harness/system-stack.ts';
import { Clock } from './clock.ts';
import { mountDisks, type Disks } from './disks.ts';
import { Pages } from './pages.ts';
import { Scope } from './scope.ts';
import { SecondMember } from './second-member.ts';

export const source = 'dictionary';
export const scope = { system: 'demo', source, timeline: 't00000001' };

export interface BenchOptions {
  /** the source's log is as small as a server takes it, and nothing older is kept for reads */
  smallLog?: boolean;
  /** store and restore target lie on disks of their own, small enough to be filled */
  disks?: boolean;
  /** the workers' clock can be set */
  clock?: boolean;
  /** the source is a set of two members */
  secondMember?: boolean;
}

/** A small system on real parts: an embedded stack, a base of some parts, some slices of log behind it. */
export class Bench {
  readonly stack: SystemStack;
  readonly scope: Scope;
  readonly pages: Pages;
  base: BackupSummary | undefined;
  /** an instant behind the base with some slices before it: what a drill restores to */
  targetTime = '';
  /** extra environment of workers that are started from now on */
  workerEnv: Record<string, string> = {};
  /** production has moved: nothing more can be done here */
  spent = false;
  /** another control plane has the command, and keeps it: nothing more can be done here */
  superseded = false;
  disks: Disks | undefined;
  clock: Clock | undefined;
  secondMember: SecondMember | undefined;
  /** notes that production has said it took */
  readonly noted: { id: string; text: string }[] = [];

  private constructor(stack: SystemStack, owner: Scope, pages: Pages) {
    this.stack = stack;
    this.scope = owner;
    this.pages = pages;
  }

  static async start(options: BenchOptions = {}): Promise<Bench> {
    const owner = new Scope();
    const disks = options.disks ? await mountDisks() : undefined;
    let member: SecondMember | undefined;
    // Before the directory is removed under it.
    owner.after(async () => await member?.stop());
    try {
      const pages = await Pages.open(owner);
      const stack = await SystemStack.start(owner, async (home) => {
        disks?.layOut(home);
        writeSystem(home, pages);
        if (options.smallLog) await useSmallLog(home);
      });
      if (disks) owner.after(async () => await disks.unmount());
      const bench = new Bench(stack, owner, pages);
      bench.disks = disks;
      if (options.secondMember) bench.secondMember = member = await SecondMember.start(stack.file);
      if (options.clock) bench.clock = new Clock(stack.home);
      Object.assign(bench.workerEnv, bench.clock?.environment);
      await bench.startWorker();
      await fill(stack);
      await stack.startArchive();
      [bench.base] = (await (await stack.start('backUpSystem', 'demo')).result()) as BackupSummary[];
      await bench.writeLog(4);
      bench.targetTime = new Date().toISOString();
      await bench.writeLog(2);
      return bench;
    } catch (error) {
      await owner.end().catch(() => undefined);
      await disks?.unmount();
      throw error;
    }
  }

  async end(): Promise<void> {
    await this.scope.end();
  }

  async startWorker(env: Record<string, string> = {}): Promise<void> {
    await this.stack.startWorker({ ...this.workerEnv, ...env });
  }

  /** Another worker beside the first, with all roles too. The caller ends it. */
  async startSecondWorker(): Promise<ServerProcess> {
    const logFile = join(this.stack.home, 'second-worker', 'worker.log');
    return await startServer({
      name: 'second worker',
      program: findTool('node'),
      args: [join(import.meta.dirname, '..', '..', 'workers', 'main.ts')],
      env: { ...stackEnvironment(this.stack.file), HOLDFAST_DEMO_S3: this.stack.store.endpoint, HOLDFAST_REPORTS: this.stack.reports, ...this.workerEnv },
      logFile,
      pidFile: this.secondWorkerPidFile,
      readyWithinMs: 180_000,
      tiedToUs: true,
      ready: async () => await Promise.resolve(readLogTail(logFile, 1024 * 1024).includes('"worker polls"')),
    });
  }

  async stopSecondWorker(): Promise<void> {
    await stopByPidFile(this.secondWorkerPidFile, 'SIGTERM', 40_000);
    rmSync(join(this.stack.home, 'second-worker'), { recursive: true, force: true });
  }

  get secondWorkerPidFile(): string {
    return join(this.stack.home, 'second-worker', 'server.pid');
  }

  get standbyDirectory(): string {
    return join(this.stack.home, 'disk', 'standby');
  }

  /** Each write is in a slice of its own. */
  async writeLog(slices: number): Promise<void> {
    for (let n = 0; n < slices; n += 1) {
      // What a replay writes must not find room in what the target has already.
      await this.note(this.disks ? randomBytes(3 * 1024 * 1024).toString('base64') : `log ${n}`);
      await this.stack.archiveIsUpToDate();
    }
  }

  async note(text: string): Promise<void> {
    const { insertedId } = await (this.secondMember ?? this.stack).withApp(async (db) => await db.collection('notes').insertOne({ text }));
    this.noted.push({ id: String(insertedId), text });
  }

  get primaryPidFile(): string {
    return pidFileOf(this.stack.file, 'primary');
  }

  get standbyPidFile(): string {
    return join(this.standbyDirectory, 'server.pid');
  }

  async startSource(): Promise<void> {
    await startPrimary(this.stack.file, { tiedToUs: true });
  }

  /** As a service manager starts a server again that died: with the configuration that lies there. */
  async startStandby(): Promise<ServerProcess> {
    const logFile = join(this.standbyDirectory, 'mongod.log');
    return await startServer({
      name: 'standby',
      program: findTool('mongod'),
      args: ['--config', join(this.standbyDirectory, 'mongod.conf')],
      cwd: this.standbyDirectory,
      logFile,
      pidFile: this.standbyPidFile,
      readyWithinMs: 60_000,
      tiedToUs: true,
      ready: async () => await this.stack.withTarget(async (client) => (await client.db('admin').command({ hello: 1 })).ok === 1),
    });
  }
}

/** The pid that a pid file names. @throws when nothing runs. */
export function pidOf(pidFile: string): number {
  const server = readPidFile(pidFile);
  if (!server) throw new Error(`${pidFile}: nothing runs`);
  return server.pid;
}

interface File {
  title: string;
  standby: { provision: Record<string, { directory: string; cache: string }> };
  traffic: { health: { watch: string } };
  databaseReadyWithin?: string;
  validators: { id: string; min?: number }[];
  notify: Record<string, unknown>;
  approvals: Record<string, { description: string }>;
  runbook: { steps: { id: string; uses: string; needs?: string[] }[] };
}

/**
 * The shipped system, with data of a few documents, the standby on a disk of its own, and one gate more: a cell can look at a fenced
 * and drained system before traffic moves, and take it all back.
 */
function writeSystem(home: string, pages: Pages): void {
  const file = parse(readFileSync(join(import.meta.dirname, '..', '..', 'systems', 'demo.yaml'), 'utf8')) as File;
  if (!existsSync(join(home, 'disk'))) mkdirSync(join(home, 'disk'), { recursive: true });
  file.standby.provision[source] = { ...file.standby.provision[source]!, directory: '${HOLDFAST_DEMO_DIRECTORY}/disk/standby', cache: '256MiB' };
  // A file of its own for each bench: what is opened for one is kept by the file's digest, addresses and all.
  file.title = `Faults in ${home}`;
  file.traffic.health.watch = '2s';
  file.notify = pages.settings(home);
  // A server that hangs while it starts is told of before a cell has given up waiting for that.
  file.databaseReadyWithin = '30s';
  for (const validator of file.validators) if (validator.min !== undefined) validator.min = documents;
  file.approvals['approve-traffic'] = { description: 'Let traffic in to the standby.' };
  const { steps } = file.runbook;
  const at = steps.findIndex(({ id }) => id === 'switch-traffic');
  steps[at]!.needs = ['approve-traffic'];
  steps.splice(at, 0, { id: 'approve-traffic', uses: 'approval', needs: ['promote-standby'] });
  writeFileSync(join(home, 'systems', 'demo.yaml'), stringify(file));
}

/** What a checkpoint still needs is not overwritten, and one comes every 60 s otherwise. */
async function useSmallLog(home: string): Promise<void> {
  const stack = await ensureStackFile();
  const directory = directoryOf(stack, 'primary');
  mkdirSync(directory, { recursive: true });
  await writeMongodConfig(join(directory, 'mongod.conf'), {
    net: { port: stack.primary.port, bindIp: '127.0.0.1', unixDomainSocket: { enabled: false } },
    storage: { dbPath: join(directory, 'data'), syncPeriodSecs: 1, wiredTiger: { engineConfig: { cacheSizeGB: 0.5 } } } as MongodConfig['storage'],
    replication: { replSetName: demoReplicaSet, oplogSizeMB: 16 } as MongodConfig['replication'],
    security: { keyFile: join(home, 'secrets', 'mongodb-key-file'), authorization: 'enabled' },
    setParameter: { diagnosticDataCollectionEnabled: false, minSnapshotHistoryWindowInSeconds: 0 },
  }, 'A primary whose log rolls over soon.');
}

/** `senses` is three parts of a dump; the index of `tags` takes a server a second or two. */
const documents = 640;
const documentBytes = 64 * 1024;
/** Each is a part of its own, and comes before `senses`: a dump or a restore that began again from the beginning there would be seen by these. */
export const smallCollections = 20;

async function fill(stack: SystemStack): Promise<void> {
  const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(Math.ceil(documentBytes / 26)).slice(0, documentBytes);
  await stack.withApp(async (db) => {
    await db.createCollection('notes');
    for (let at = 0; at < smallCollections; at += 1) await db.collection<{ _id: string }>(`list-${String(at).padStart(2, '0')}`).insertOne({ _id: 'first' });
    const senses = db.collection<{ _id: number }>('senses');
    for (let at = 0; at < documents; at += 80) {
      await senses.insertMany(Array.from({ length: 80 }, (_, i) => ({ _id: at + i, lemma: `sense-${at + i}`, text })), { ordered: false, writeConcern: { w: 1 } });
    }
    await senses.createIndex({ lemma: 1 }, { unique: true });
    const tags = db.collection<{ _id: number }>('tags');
    for (let at = 0; at < 2_000; at += 500) {
      await tags.insertMany(Array.from({ length: 500 }, (_, i) => ({ _id: at + i, marks: Array.from({ length: 400 }, (_, n) => (at + i) * 7_919 + n * 104_729) })), { ordered: false, writeConcern: { w: 1 } });
    }
    await tags.createIndex({ marks: 1 });
  });
}
