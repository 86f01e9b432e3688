import { ulid } from 'ulid';
import { lineOf, type BenchLine } from './line.ts';
import { backUp, timed } from './ours.ts';
import { dumpTool, dumpToStore, missing } from './peers.ts';
import { spending } from './processor-time.ts';
import { race, type Contender } from './race.ts';
import type { Stages } from './stages.ts';

/** A whole backup to S3: plan, parts, index and signed manifest, against one gzipped stream, encrypted and uploaded. */
export async function measureBackup(stages: Stages): Promise<BenchLine[]> {
  const { world } = stages;
  const { rounds, say } = world.options;
  const { bytes } = await stages.data();
  const servers = [world.source.pid, world.store.pid];
  const ours: Contender = { name: 'ours', run: async () => await spending(servers, async () => await timed(async (memory) => await backUp(world, memory))) };
  const peer: Contender = { name: 'mongodump --gzip | openssl | S3', run: async () => await spending(servers, async () => await dumpToStore(world.source, `peer/${ulid()}`)) };
  const contenders = dumpTool() ? [ours, peer] : [ours];
  // Once, unmeasured: the source's cache is as warm for the first as for the last.
  await contenders.at(-1)!.run(-1);
  const [taken, peers] = await race(contenders, rounds, say);
  const head = { bench: 'backup', of: 'to S3', bytes, entries: 0, atLeast: 2 };
  const note = [taken, peers].flatMap((result) => result?.spent ?? []).join('; ');
  return [peers ? lineOf({ ...head, note }, taken!, { name: peer.name, result: peers }) : lineOf({ ...head, note: missing('mongodump') }, taken!)];
}
