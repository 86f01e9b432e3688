import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import type { JobReading } from '../../../../activities/context.ts';
import { backUp, enginePlace, pointOf } from '../../../harness/engine-place.ts';
import { restoreBase } from './replay-place.ts';

test('a build says how far it is while it runs, as the server says it', async (t) => {
  const place = await enginePlace(t);
  const tags = (await place.source.connect()).db('d').collection<{ _id: number }>('tags');
  // One index of over two million keys: a server needs some seconds for it, and is asked once a second.
  for (let at = 0; at < 60_000; at += 5_000) {
    await tags.insertMany(Array.from({ length: 5_000 }, (_, i) => ({ _id: at + i, marks: Array.from({ length: 40 }, (_, n) => (at + i) * 7_919 + n * 104_729) })));
  }
  await tags.createIndex({ marks: 1 });
  const point = pointOf(await backUp(place.context, 'b1'));
  await restoreBase(place, point);
  const readings: JobReading[] = [];
  await buildIndexes({ ...place.context, progress: (reading) => void readings.push(reading) }, { target: place.target, point });
  const of = readings[0]!.of;
  assert.ok(of > 0 && readings.every((reading) => reading.of === of && reading.unit === 'bytes' && reading.phase === 'build indexes'), JSON.stringify(readings));
  const done = readings.map((reading) => reading.done);
  assert.deepEqual(done, [...done].sort((a, b) => a - b), 'never less than before');
  assert.deepEqual([done[0], done.at(-1)], [0, of]);
  assert.ok(done.some((one) => one > 0 && one < of), `in between: ${done.join(', ')} of ${of}`);
});
