import { lineOf, type BenchLine, type LineHead } from './line.ts';
import { replay, timed } from './ours.ts';
import { missing, restoreFolder, restoreTool } from './peers.ts';
import { race, type Contender, type Taken } from './race.ts';
import { requireEqual, type Log, type Stages } from './stages.ts';
import { owning, type TargetKind } from './world.ts';
import type { Mongod } from '../harness/mongod.ts';

/** The peer takes a minute for the whole log, and several onto a replica set, which is why it gets a fifth of the log there. */
const roundsAtMost = 2;

/**
 * The log behind a base, onto data files of that very base: entries that were applied before would be no work. Ours comes from slices in
 * S3, is decrypted and decompressed; mongorestore reads the same entries from a plain file on this machine.
 */
export async function measureReplay(stages: Stages): Promise<BenchLine[]> {
  const dataFrom = await stages.restored();
  const lines: BenchLine[] = [];
  lines.push(await measureOn(stages, await stages.log('whole'), 'standalone', dataFrom));
  lines.push(await measureOn(stages, await stages.log('short'), 'replica set', dataFrom));
  return lines;
}

async function measureOn(stages: Stages, log: Log, kind: TargetKind, dataFrom: string): Promise<BenchLine> {
  const { world } = stages;
  const { rounds, say } = world.options;
  const of = `onto a ${kind}`;
  say(`replay ${of}: ${log.entries} entries`);
  const onto = (name: string, work: (target: Mongod) => Promise<Taken>, place: 'target' | 'ourTarget' = 'target'): Contender => ({
    name,
    run: async () => await owning(async (owner) => {
      const target = await world[place](owner, kind, { dataFrom });
      const taken = await work(target);
      await requireEqual(await target.connect(), log.hash);
      return taken;
    }),
  });
  const ours = onto('ours', async (target) => await timed(async (memory) => await replay(world, log.point, target, memory)), 'ourTarget');
  const peer = onto('mongorestore --oplogReplay', async (target) => await restoreFolder(target, log.oplogFolder, ['--oplogReplay']));
  const there = restoreTool() !== undefined;
  const [taken, result] = await race(there ? [ours, peer] : [ours], Math.min(rounds, roundsAtMost), say);
  const head: LineHead = { bench: 'replay', of, bytes: log.bytes, entries: log.entries, atLeast: 8 };
  return there ? lineOf(head, taken!, { name: peer.name, result: result! }) : lineOf({ ...head, note: missing('mongorestore') }, taken!);
}
