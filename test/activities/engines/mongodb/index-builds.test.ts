import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { IndexBuilds } from '../../../../activities/engines/mongodb/index-builds.ts';
import type { JobReading } from '../../../../activities/context.ts';
import { backUp, enginePlace, pointOf } from '../../../harness/engine-place.ts';
import { startMongod } from '../../../harness/mongod.ts';
import { restoreBase } from './replay-place.ts';

test('how far builds are is what the server says of them, and never less than before', async (t) => {
  const mongod = await startMongod(t);
  const client = await mongod.connect();
  const tags = client.db('d').collection<{ _id: number }>('tags');
  // A scan of many documents, and then over a million keys.
  for (let at = 0; at < 40_000; at += 5_000) {
    await tags.insertMany(Array.from({ length: 5_000 }, (_, i) => ({ _id: at + i, n: (at + i) * 7_919, marks: Array.from({ length: 30 }, (_, n) => (at + i) * 7_919 + n * 104_729) })));
  }
  const shares: number[] = [];
  const builds = new IndexBuilds(await mongod.connect(), () => void shares.push(builds.shares.get('d.tags') ?? 1), 10);
  builds.begin('d.tags', 2);
  await tags.createIndexes([{ key: { marks: 1 } }, { key: { n: 1 } }]);
  builds.end('d.tags');
  assert.deepEqual(shares, [...shares].sort((a, b) => a - b));
  assert.ok(shares.some((share) => share > 0 && share < 0.5) && shares.some((share) => share >= 0.5 && share < 1), `in the scan and among the keys: ${shares.join(', ')}`);
  assert.equal(builds.shares.size, 0);
});

test('a restore’s index build goes from nothing to all of the bytes that it is built over', async (t) => {
  const place = await enginePlace(t);
  const things = (await place.source.connect()).db('d').collection<{ _id: number }>('things');
  await things.insertMany(Array.from({ length: 500 }, (_, _id) => ({ _id, n: _id, m: -_id })));
  await things.createIndexes([{ key: { n: 1 } }, { key: { m: 1 } }]);
  const point = pointOf(await backUp(place.context, 'b1'));
  await restoreBase(place, point);
  const readings: JobReading[] = [];
  await buildIndexes({ ...place.context, progress: (reading) => void readings.push(reading) }, { target: place.target, point });
  const of = readings[0]!.of;
  assert.ok(of > 0 && readings.every((reading) => reading.of === of && reading.unit === 'bytes' && reading.phase === 'build indexes'), JSON.stringify(readings));
  assert.deepEqual([readings[0]!.done, readings.at(-1)!.done], [0, of]);
});
