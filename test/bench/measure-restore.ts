import { lineOf, type BenchLine } from './line.ts';
import { buildIndexes, restore, timed } from './ours.ts';
import { missing, restoreFolder, restoreFromStore, restoreTool, tuned } from './peers.ts';
import { spending } from './processor-time.ts';
import { race, type Contender, type Taken } from './race.ts';
import { requireEqual, type Base, type Stages } from './stages.ts';
import { owning, type TargetKind, type World } from './world.ts';
import type { Mongod } from '../harness/mongod.ts';

/**
 * A base into an empty server, with its indexes and without. Ours comes from S3, is decrypted and decompressed; mongorestore reads a
 * plain folder on this machine, and, the way back of what the backup is measured against, an archive from the same S3 that is decrypted
 * and unpacked on the way. All targets are the same server; ours is started as our provisioner starts it.
 */
export async function measureRestore(stages: Stages): Promise<BenchLine[]> {
  const base = await stages.base();
  const lines: BenchLine[] = [];
  for (const kind of ['standalone', 'replica set'] as const) {
    lines.push(...await measureOn(stages.world, base, kind, true));
    if (kind === 'standalone') lines.push(...await measureOn(stages.world, base, kind, false));
  }
  return lines;
}

async function measureOn(world: World, base: Base, kind: TargetKind, indexes: boolean): Promise<BenchLine[]> {
  const { rounds, say } = world.options;
  const { folder, archive, point, summary } = base;
  const of = `onto a ${kind}${indexes ? ', indexes included' : ', before indexes'}`;
  say(`restore ${of}`);
  const head = { bench: 'restore', of, bytes: summary.plainBytes, entries: 0 };
  const onto = (name: string, work: (target: Mongod) => Promise<Taken>, place: 'target' | 'ourTarget' = 'target'): Contender => ({
    name,
    run: async () => await owning(async (owner) => {
      const target = await world[place](owner, kind);
      const taken = await spending([target.pid, world.store.pid], async () => await work(target));
      await requireEqual(await target.connect(), base.hash);
      return taken;
    }),
  });
  const ours = onto('ours', async (target) => await timed(async (memory) => {
    await restore(world, point, target, memory);
    if (indexes) await buildIndexes(world, point, target, memory);
  }), 'ourTarget');
  if (!folder || !archive || !restoreTool()) {
    const [alone] = await race([ours], rounds, say);
    return [lineOf({ ...head, note: missing('mongorestore') }, alone!)];
  }
  const extra = indexes ? [] : ['--noIndexRestore'];
  const plain = onto('mongorestore', async (target) => await restoreFolder(target, folder, extra));
  const fast = onto('mongorestore tuned', async (target) => await restoreFolder(target, folder, [...tuned, ...extra]));
  const whole = onto('S3 | openssl | mongorestore --gzip, tuned', async (target) => await restoreFromStore(target, archive, [...tuned, ...extra]));
  const peers = indexes ? [plain, fast, whole] : [fast, whole];
  const [taken, ...results] = await race([ours, ...peers], rounds, say);
  const note = [taken!, ...results].flatMap(({ spent }) => spent ?? []).join('; ');
  return peers.map(({ name }, index) => lineOf({ ...head, note, atLeast: name === fast.name ? 2 : null }, taken!, { name, result: results[index]! }));
}
