import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { ulid } from 'ulid';
import type { ToolName } from '../../../activities/tool/find-tool.ts';
import { openContext } from '../../../activities/open-context.ts';
import { openProvisioner } from '../../../activities/provision/provisioner.ts';
import { closedTo, giveTo } from '../../../activities/tool/server-account.ts';
import { runTool } from '../../../activities/tool/run-tool.ts';
import type { BackupSummary, DumpPlanRef, GroupRef } from '../../../workflows/contract.ts';
import { formatBytes } from '../../../workflows/domain/units.ts';
import type { Owner } from '../../harness/cleanup.ts';
import { startPostgres } from '../../harness/postgres.ts';
import { lineOf, type BenchLine } from '../line.ts';
import type { MemoryWatch } from '../memory.ts';
import { timed } from '../ours.ts';
import { run } from '../peers.ts';
import { processorMs } from '../processor-time-of.ts';
import { race, type Contender, type Taken } from '../race.ts';
import { owning, runOurs, type Options } from '../world.ts';
import { database, hashOf } from './data.ts';
import { major, of, PhysicalWorld, target } from './physical-world.ts';
import { pointOf, requireEqual } from './restored.ts';

const holdfast = join(import.meta.dirname, '../../../holdfast');
const peer = 'pgBackRest';
export const physicalPrograms: readonly ToolName[] = ['postgres', 'pgbackrest'];

/**
 * A whole server of PostgreSQL 15 to a folder on the same disk and back, and single WAL segments, against pgBackRest. A restore ends when the restored server answers:
 * its files are checked and its log is replayed to where it is consistent.
 */
export async function measurePhysical(owner: Owner, options: Options): Promise<BenchLine[]> {
  options.say(`a server of PostgreSQL ${major}, loading ${formatBytes(options.bytes)} of rows`);
  const world = await PhysicalWorld.open(owner, options);
  const { line, summary, repository } = await measureBackup(world);
  return [line, await measureRestore(world, summary, repository), await measurePush(world, { behind: false }), await measurePush(world, { behind: true })];
}

type Repository = Awaited<ReturnType<PhysicalWorld['pgBackRest']>>;

/** As the server's account, whose archive_command writes into the same repository. */
const pgBackRest = async (world: PhysicalWorld, { path, args }: Repository, command: readonly string[], { data, background = false }: { data?: string; background?: boolean } = {}): Promise<Taken> =>
  await run(path, [...args(data), ...command], {}, world.source.account, { background });

/** With the processor time of all that took part: on a machine that does other work too it says more than the time. */
async function spending<T extends Taken>(work: () => Promise<T>): Promise<T> {
  const mark = `HOLDFAST_SYSTEMS=${process.env['HOLDFAST_SYSTEMS']!}`;
  const before = processorMs(mark);
  const taken = await work();
  return { ...taken, processorMs: processorMs(mark) - before };
}

async function measureBackup(world: PhysicalWorld): Promise<{ line: BenchLine; summary: BackupSummary; repository: Repository }> {
  const { rounds, say } = world.options;
  let summary: BackupSummary | undefined;
  let repository: Repository | undefined;
  const ours: Contender = {
    name: 'ours',
    run: async () => {
      await world.archiveBy('true');
      return await spending(async () => await timed(async (memory) => (summary = await backUp(memory))));
    },
  };
  const theirs: Contender = {
    name: peer,
    run: async () => {
      repository = await world.pgBackRest('theirs-repository');
      await pgBackRest(world, repository, ['stanza-create']);
      await world.archiveBy(`${repository.path} ${repository.args().join(' ')} archive-push %p`);
      const { path, args } = repository;
      // Ours runs below everything else of its machine, so this does.
      return await spending(async () => await pgBackRest(world, { path, args }, ['--type=full', 'backup'], { background: true }));
    },
  };
  await ours.run(-1);
  const [taken, peers] = await race([ours, theirs], rounds, say);
  const note = `PostgreSQL ${major}, ${formatBytes(world.diskBytes)} on disk; each compresses by zstd at level 1 and encrypts, into a folder on the same disk`;
  return { line: lineOf({ bench: 'postgres physical backup', of: 'a full base', bytes: summary!.plainBytes, entries: 0, atLeast: 1, note }, taken!, { name: peer, result: peers! }), summary: summary!, repository: repository! };
}

async function backUp(memory: MemoryWatch): Promise<BackupSummary> {
  const plan = await runOurs<DumpPlanRef>('planDump', { ...of, backup: ulid(), epoch: 1, why: 'bench', requestedBy: 'bench' }, { memory });
  const groups: GroupRef[] = [];
  for (const { group } of plan.groups) groups.push(await runOurs<GroupRef>('dumpGroup', { ...of, plan, epoch: 1, group, width: 1 }, { memory }));
  return await runOurs<BackupSummary>('sealBackup', { ...of, plan, epoch: 1, groups }, { memory });
}

async function measureRestore(world: PhysicalWorld, summary: BackupSummary, repository: Repository): Promise<BenchLine> {
  const { rounds, say } = world.options;
  const hash = await hashOf(await world.source.connect(database));
  const point = pointOf(of, summary);
  const ours: Contender = {
    name: 'ours',
    run: async () => await owning(async (owner) => {
      const context = await openContext({ ...of, epoch: 1 }, { signal: new AbortController().signal, progress: () => undefined });
      const provisioner = await openProvisioner(context);
      owner.after(async () => void (await provisioner.remove(context, target, { discard: true })));
      await provisioner.provision(context, target);
      const taken = await spending(async () => await timed(async (memory) => {
        const { groups } = await runOurs<{ groups: { group: string; index: unknown }[] }>('prepareRestore', { target, point }, { memory });
        for (const { group, index } of groups) await runOurs('restoreGroup', { target, point, group: { group, index } }, { memory });
        await runOurs('replayLog', { target, point, limit: point.limit }, { memory });
      }));
      await requireEqual({ host: join(process.env['BENCH_TARGET']!, 'socket'), port: world.targetPort }, hash, 'ours');
      return taken;
    }),
  };
  const theirs: Contender = {
    name: peer,
    run: async () => await owning(async (owner) => {
      const data = world.emptyData(owner);
      // Made ready beside the clock: it is started in it.
      const server = await startPostgres(owner, { version: major, dataDirectory: data, restoresInto: true, durable: true, start: false, readyWithinMs: 300_000 });
      const taken = await spending(async () => await timed(async () => {
        await pgBackRest(world, repository, ['--type=immediate', '--target-action=promote', '--archive-mode=off', 'restore'], { data });
        await server.start();
      }));
      await requireEqual({ host: '127.0.0.1', port: server.port }, hash, peer);
      return { ...taken, peakRssBytes: null };
    }),
  };
  const [taken, peers] = await race([ours, theirs], rounds, say);
  return lineOf({ bench: 'postgres physical restore', of: 'until the server answers', bytes: summary.plainBytes, entries: 0, atLeast: 1 }, taken!, { name: peer, result: peers! });
}

/**
 * One after another, each by a process of its own, run as the server runs its archive_command: in its data directory, as its account, behind the `.ready` that it marks a segment by. The time is that of one, from that mark to
 * the end of the command. The first one is pushed beside the clock: it starts our resident.
 * @param behind - all are marked at the beginning, as in a server that is behind; else each right before it is pushed.
 */
async function measurePush(world: PhysicalWorld, { behind }: { behind: boolean }): Promise<BenchLine> {
  const { rounds, say } = world.options;
  const [first, ...segments] = world.segments;
  const marked = (path: string, state: 'ready' | 'done'): string => join(dirname(path), 'archive_status', `${basename(path)}.${state}`);
  const mark = (path: string): void => writeFileSync(marked(path, 'ready'), '');
  const each = async (push: (path: string) => Promise<unknown>): Promise<Taken> => {
    rmSync(join(dirname(first!), 'archive_status'), { recursive: true, force: true });
    mkdirSync(join(dirname(first!), 'archive_status'));
    giveTo(world.source.account, dirname(first!));
    const one = async (path: string, isMarked = false): Promise<void> => {
      if (!isMarked) mark(path);
      await push(path);
      renameSync(marked(path, 'ready'), marked(path, 'done'));
    };
    await one(first!);
    if (behind) segments.forEach(mark);
    const taken = await spending(async () => await timed(async () => {
      for (const path of segments) await one(path, behind);
    }));
    return { ms: taken.ms / segments.length, processorMs: taken.processorMs! / segments.length, peakRssBytes: null };
  };
  const account = closedTo(world.source.account, join(holdfast, 'x')) === undefined ? world.source.account : undefined;
  const ours: Contender = {
    name: 'ours',
    run: async (round) => {
      const repository = join(world.directory, `pushed-ours-${behind}-${round}`);
      mkdirSync(repository);
      giveTo(account, repository);
      try {
        return await each(async (path) => await runTool({ path: holdfast }, ['wal-push', path], { env: { BENCH_REPOSITORY: repository }, cwd: world.source.dataDirectory, account }));
      } finally {
        rmSync(repository, { recursive: true, force: true });
      }
    },
  };
  const theirs: Contender = {
    name: peer,
    run: async (round) => {
      const repository = await world.pgBackRest(`pushed-theirs-${behind}-${round}`);
      await pgBackRest(world, repository, ['stanza-create']);
      return await each(async (path) => await pgBackRest(world, repository, ['archive-push', path]));
    },
  };
  const [taken, peers] = await race([ours, theirs], rounds, say);
  const bytes = segments.length * 16 * 1024 * 1024;
  const note = `the time of one of ${segments.length} segments, pushed one after another as archive_command does; pgBackRest without archive-async`;
  return lineOf({ bench: 'postgres WAL push', of: `a segment of 16 MiB, ${behind ? 'of a server that is behind' : 'the only one that waits'}`, bytes, entries: segments.length, atLeast: 1, note }, taken!, { name: peer, result: peers! });
}
