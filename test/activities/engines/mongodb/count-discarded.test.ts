import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countDiscarded } from '../../../../activities/engines/mongodb/count-discarded.ts';
import { listTimelines, createTimeline } from '../../../../activities/store/timelines.ts';
import { listSlices } from '../../../../activities/store/list-slices.ts';
import type { Store } from '../../../../activities/store/store.ts';
import { describeDiscarded } from '../../../../workflows/domain/discarded-writes.ts';
import { nextLogPosition } from '../../../../workflows/domain/log-position.ts';
import { minutes } from '../../../../workflows/domain/units.ts';
import { backUp, enginePlace, ref } from '../../../harness/engine-place.ts';
import { archivedUpTo, positionNow, startArchive, withSlices } from './replay-place.ts';

test('what a recovery to an earlier moment leaves out is counted from the log: transactions unwrapped, nothing of the server’s own, not what an earlier recovery left out', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 4 * 1024);
  const client = await place.source.connect();
  const orders = client.db('shop').collection<{ _id: number; n: number }>('orders');
  await client.db('shop').createCollection('notes');
  await orders.insertMany(Array.from({ length: 50 }, (_, _id) => ({ _id, n: 0 })));
  const archive = startArchive(context);
  await backUp(context, 'b1');
  await orders.insertOne({ _id: 100, n: 1 });
  const moment = nextLogPosition(await positionNow(client));
  const point = { timeline: 't00000001', limit: moment };

  await orders.insertMany(Array.from({ length: 300 }, (_, n) => ({ _id: 1_000 + n, n })));
  await orders.updateMany({ _id: { $lt: 20 } }, { $set: { n: 7 } });
  const first = nextLogPosition(await positionNow(client));
  await client.withSession(async (session) => await session.withTransaction(async () => {
    await orders.deleteMany({ _id: { $gte: 20, $lt: 30 } }, { session });
    await client.db('shop').collection<{ _id: number }>('notes').insertOne({ _id: 1 }, { session });
  }));
  await client.withSession(async (session) => {
    session.startTransaction();
    await orders.deleteMany({ _id: { $gte: 30 } }, { session });
    await session.abortTransaction();
  });
  await client.db('shop').collection('scratch').insertOne({ n: 1 });
  await client.db('shop').dropCollection('scratch');
  const end = await positionNow(client);
  await archivedUpTo(context, end);
  await archive.stop();

  const counted = await countDiscarded(context, { ...ref, point, forMs: minutes(1) });
  assert.deepEqual({ ...counted, firstAt: null, lastAt: null, countedTo: null }, {
    inserts: 302, updates: 20, deletes: 10, commands: 2, firstAt: null, lastAt: null, countedTo: null,
    namespaces: [{ ns: 'shop.orders', writes: 330 }, { ns: 'shop.notes', writes: 1 }, { ns: 'shop.scratch', writes: 1 }], namespaceCount: 3, atLeast: [],
  });
  assert.ok(counted.countedTo! >= end && counted.firstAt! <= counted.lastAt!);
  assert.match(describeDiscarded('documents', counted), /^documents: 332 writes \(302 inserts, 20 updates, 10 deletes\) and 2 changes of collections or indexes in shop\.orders 330, shop\.notes 1, shop\.scratch 1, made from .* will be DISCARDED/);

  // There was no time for more than a slice.
  const hurried = await countDiscarded(context, { ...ref, point, forMs: 0 });
  assert.ok(hurried.inserts < 302 && hurried.atLeast.length === 2, JSON.stringify(hurried));
  assert.match(describeDiscarded('documents', hurried), /(AT LEAST .* Not counted:|DISCARDED, and is not counted:) the log of t00000001 after .*; reading ended after 0/);

  // A slice that is gone: nothing behind the hole is counted, and nobody is told that this was all.
  const slices = [];
  for await (const slice of listSlices(context, { ...ref, timeline: 't00000001' }, { after: moment })) slices.push(slice);
  assert.ok(slices.length > 2, `${slices.length} slices`);
  const holed = { ...context, store: withoutKey(context.store, slices[1]!.key) };
  const beforeHole = await countDiscarded(holed, { ...ref, point, forMs: minutes(1) });
  assert.match(beforeHole.atLeast.join(), /after .*chain broken/);
  assert.ok(beforeHole.inserts < 302);

  // A recovery left that life of the source behind: what it left out then was discarded then.
  const timeline = (await listTimelines(context.store, context.keys, ref))[0]!.body;
  await createTimeline(context.store, context.keys, { ...ref, epoch: 1, startedAt: new Date().toISOString(), why: 'test', sourceIdentity: `${timeline.sourceIdentity}-2`, environment: 'dr', parent: { timeline: 't00000001', limit: first } });
  const since = await countDiscarded(context, { ...ref, point, forMs: minutes(1) });
  assert.deepEqual([since.inserts, since.updates, since.deletes, since.commands, since.atLeast], [300, 20, 0, 0, []]);
  assert.match((await countDiscarded(context, { ...ref, point: { timeline: 'imported-x', limit: moment }, forMs: 1 })).atLeast.join(), /an import is of no timeline/);
  await client.close();
});

/** The store as it is when one object is gone. */
const withoutKey = (store: Store, key: string): Store =>
  new Proxy(store, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown;
      if (name === 'list') return async function* (...args: Parameters<Store['list']>) {
        for await (const version of target.list(...args)) if (version.key !== key) yield version;
      };
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
