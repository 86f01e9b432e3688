import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lineOf, type BenchLine, type LineHead } from './line.ts';
import { buildIndexes, replay, restore, timed } from './ours.ts';
import { missing, restoreFolder, restoreTool, tuned } from './peers.ts';
import { race, type Contender, type Taken } from './race.ts';
import { requireEqual, type Stages } from './stages.ts';
import { owning } from './world.ts';
import type { Mongod } from '../harness/mongod.ts';

/** A whole restore to a point in time: base, log and indexes into an empty standalone. */
export async function measurePitr(stages: Stages): Promise<BenchLine[]> {
  const { world } = stages;
  const [base, log] = [await stages.base(), await stages.log()];
  const onto = (name: string, work: (target: Mongod) => Promise<Taken>, place: 'target' | 'ourTarget' = 'target'): Contender => ({
    name,
    run: async () => await owning(async (owner) => {
      const target = await world[place](owner, 'standalone');
      const taken = await work(target);
      await requireEqual(await target.connect(), log.hash!);
      return taken;
    }),
  });
  const ours = onto('ours', async (target) => await timed(async (memory) => {
    await restore(world, log.point, target, memory);
    await replay(world, log.point, target, memory);
    await buildIndexes(world, log.point, target, memory);
  }), 'ourTarget');
  const { say } = world.options;
  // The peer takes a minute and more.
  const rounds = Math.min(world.options.rounds, 2);
  const head: LineHead = { bench: 'pitr', of: 'onto a standalone', bytes: base.summary.plainBytes + log.bytes, entries: log.entries };
  if (!base.folder || !restoreTool()) {
    const [alone] = await race([ours], rounds, say);
    return [lineOf({ ...head, note: missing('mongorestore') }, alone!)];
  }
  const { folder } = base;
  await copyFile(join(log.oplogFolder, 'oplog.bson'), join(folder, 'oplog.bson'));
  const peer = onto('mongorestore tuned --oplogReplay', async (target) => await restoreFolder(target, folder, ['--oplogReplay', ...tuned]));
  const [taken, result] = await race([ours, peer], rounds, say);
  return [lineOf(head, taken!, { name: peer.name, result: result! })];
}
