import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mib } from '../../../../../workflows/domain/units.ts';
import { expectedCollections } from '../../../../../activities/engines/mongodb/equality/expected-collections.ts';
import { readManifest } from '../../../../../activities/engines/base/read-base.ts';
import type { Store } from '../../../../../activities/store/store.ts';
import { altered } from '../../../../harness/altered-store.ts';
import { backUp, enginePlace } from '../../../../harness/engine-place.ts';
import { archivedUpTo, pointAt, positionNow, readState, startArchive, withSlices } from '../replay-place.ts';

/** The store, and how often each of its objects was read. */
function counting(store: Store): { store: Store; reads: Map<string, number> } {
  const reads = new Map<string, number>();
  const note = <T extends { key: string }>(of: T): T => {
    reads.set(of.key, (reads.get(of.key) ?? 0) + 1);
    return of;
  };
  const counted = altered(store, {
    get: (ref, options) => store.get(note(ref), options),
    getVersion: (version, options) => store.getVersion(note(version), options),
  });
  return { store: counted, reads };
}

test('what base and log make of each collection is found with one read of each part and slice, however long the log is', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 16 * 1024);
  const source = await place.source.connect();
  const db = source.db('shop');
  for (const name of ['a', 'b', 'c']) {
    await db.collection<{ _id: number }>(name).insertMany(Array.from({ length: 2_000 }, (_, _id) => ({ _id, n: 0, text: 'x'.repeat(200) })));
  }
  const archive = startArchive(context);
  t.after(() => archive.stop());
  await backUp(context, 'b1');
  await db.collection('a').updateMany({}, { $inc: { n: 1 } });
  await db.collection<{ _id: number }>('a').deleteMany({ _id: { $lt: 10 } });
  await db.collection<{ _id: number }>('b').insertMany(Array.from({ length: 500 }, (_, n) => ({ _id: 10_000 + n })));
  await db.collection('new').insertOne({ n: 1 });
  const position = await positionNow(source);
  await archivedUpTo(context, position);
  await archive.stop();
  const point = await pointAt(context, position);
  const manifest = await readManifest(context, point);

  const { store, reads } = counting(context.store);
  // As if there were ten times as much log as one partition takes: into so many it is cut.
  const long = { ...point, log: { ...point.log, storedBytes: mib(64) } };
  const expected = await expectedCollections({ ...context, store }, { point: long, limit: point.limit, manifest, selection: null });

  const held = await readState(source, context, position);
  for (const [uuid, { ns, count, hashSum }] of held) assert.deepEqual({ ns, count: expected.get(uuid)?.count, hashSum: expected.get(uuid)?.hashSum }, { ns, count, hashSum });
  assert.equal(expected.size, held.size);
  const slices = [...reads].filter(([key]) => key.includes('/slices/'));
  const parts = [...reads].filter(([key]) => key.includes('/parts/'));
  assert.ok(slices.length >= 3, `${slices.length} slices`);
  assert.deepEqual([...slices, ...parts].filter(([, times]) => times !== 1), [], 'read more than once');
  // The log touched a and b; of c not one part has to be read.
  assert.equal(parts.length, 2);
});
