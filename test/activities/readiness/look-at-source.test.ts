import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { lookAtSource, type LookAsked } from '../../../activities/readiness/look-at-source.ts';
import { hours, minutes } from '../../../workflows/domain/units.ts';
import { startJob } from '../../harness/engine-place.ts';
import { written } from '../engines/mongodb/replay-place.ts';

type Looked = Awaited<ReturnType<typeof lookAtSource>>;

test('a wrong clock is told and changes no answer; a slice that is gone, and then a whole store, are found by what was seen before', { timeout: 120_000 }, async (t) => {
  const { place, context, source, position } = await written(t, async (client) => void (await client.db('shop').collection('things').insertMany([{ n: 1 }, { n: 2 }])));
  const look = async (seen: LookAsked['seen']): Promise<Looked> => await lookAtSource(context, { nowMs: Date.now(), seen, accept: false });
  const first = await look(null);
  assert.deepEqual([first.source.newest!.base, first.source.newest!.to >= position, first.source.rpoMs, first.source.lost], ['b1', true, 0, []]);
  // Nobody archives any more: this write would be lost.
  await source.db('shop').collection('things').insertOne({ n: 3 });
  for (const aheadMs of [hours(6), -hours(6)]) {
    const { result } = await startJob(place, 'lookAtSource', { nowMs: Date.now(), seen: first.seen, accept: false }, aheadMs).done;
    const { source: looked, clocks } = result as Looked;
    assert.ok(looked.rpoMs! > 0 && looked.rpoMs! < minutes(2), `${aheadMs}: ${looked.rpoMs} ms would be lost`);
    assert.ok(Math.abs(clocks[0]!.aheadMs - aheadMs) < minutes(1), `${aheadMs}: ${JSON.stringify(clocks)}`);
    assert.ok(looked.base!.ageMs < minutes(2), `${aheadMs}: a base of ${looked.base!.ageMs} ms`);
    assert.deepEqual(looked.lost, []);
  }
  const all = await readdir(place.storePath, { recursive: true, withFileTypes: true });
  const slice = all.filter((entry) => entry.isDirectory() && /slices$/.test(entry.parentPath)).sort((a, b) => a.name.localeCompare(b.name))[0]!;
  await rm(join(slice.parentPath, slice.name), { recursive: true });
  const holed = await look(first.seen);
  assert.match(holed.source.lost.join('\n'), /^the log of t00000001 was whole from .*, and is not/);
  const root = join(place.storePath, 'holdfast');
  for (const entry of await readdir(root)) await rm(join(root, entry), { recursive: true });
  const emptied = await look(holed.seen);
  assert.equal(emptied.source.newest, null);
  assert.match(emptied.source.lost.join('\n'), /base b1 was there, and its manifest is gone/);
  assert.deepEqual((await look(emptied.seen)).source.lost, emptied.source.lost, 'a second look forgets nothing');
});
