import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { replayLog } from '../../../../activities/engines/mongodb/replay/replay-log.ts';
import { backUp, enginePlace } from '../../../harness/engine-place.ts';
import { archivedUpTo, pointAt, positionNow, readState, restoreBase, startArchive, withSlices } from './replay-place.ts';
import { nextLogPosition } from '../../../../workflows/domain/log-position.ts';

test('indexes that the drained tail drops, changes and makes anew are those of the source after another build', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const { target } = place;
  const context = withSlices(place.context, 100, 16 * 1024);
  const source = await place.source.connect();
  const letters = source.db('shop').collection('letters');
  await letters.createIndexes([
    { key: { number: 1 }, name: 'number', unique: true },
    { key: { at: 1 }, name: 'at', expireAfterSeconds: 1_000_000 },
    { key: { owner: 1 }, name: 'owner' },
    { key: { kept: 1, order: -1 }, name: 'kept' },
  ]);
  await letters.insertMany([{ number: 1, owner: 'a' }, { number: 2, owner: 'b' }]);
  const archive = startArchive(context);
  await backUp(context, 'b1');
  await letters.insertOne({ number: 3 });
  const fenced = await positionNow(source);
  await letters.dropIndex('number');
  await letters.insertMany([{ number: 1 }, { number: 1 }]);
  await source.db('shop').command({ collMod: 'letters', index: { name: 'at', expireAfterSeconds: 2_000_000 } });
  await letters.dropIndex('owner');
  await letters.createIndex({ owner: -1, number: 1 }, { name: 'owner' });
  const end = await positionNow(source);
  await archivedUpTo(context, end);
  await archive.stop();
  const held = await readState(source, context, end);

  const point = await pointAt(context, end);
  await restoreBase(place, point, context);
  await replayLog(context, { target, point, limit: nextLogPosition(fenced) });
  assert.deepEqual((await buildIndexes(context, { target, point })).failed, []);
  await replayLog(context, { target, point, limit: point.limit });
  assert.deepEqual(await buildIndexes(context, { target, point }), { indexes: 2, failed: [] });
  assert.deepEqual(await readState(await place.connectTarget(), context), held);
  assert.deepEqual(await buildIndexes(context, { target, point }), { indexes: 0, failed: [] }, 'a second build finds nothing to do');
});
