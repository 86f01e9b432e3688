import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Document } from 'mongodb';
import { keptName, strayName, type CopiedCollection, type SwapPair } from '../../../../workflows/domain/beside.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { copyBeside, dropCopies } from '../../../../activities/engines/mongodb/beside/copy-beside.ts';
import { planSwap, swapBack, swapCollections } from '../../../../activities/engines/mongodb/beside/swap-collections.ts';
import { setWriteBlock, writeBlockIsOn } from '../../../../activities/engines/mongodb/beside/write-block.ts';
import { countDiscarded } from '../../../../activities/engines/mongodb/count-discarded.ts';
import { besideRole, createRoleCommand } from '../../../../activities/engines/mongodb/rights.ts';
import { narrowPoint } from '../../../../activities/engines/mongodb/selection/find-selection.ts';
import { ref, startJob } from '../../../harness/engine-place.ts';
import { until } from '../../../harness/until.ts';
import { fill, listed, makeKinds, numbered, refusal, restored, run, sumOf, swapOf } from './beside-place.ts';
import { archivedUpTo, positionNow } from './replay-place.ts';

test('swap: writers wait for both renames, what is there is kept with all that was written until then, its writes are counted, and an undo puts it back', { timeout: 180_000 }, async (t) => {
  const world = await restored(t, {
    before: async (client) => {
      await makeKinds(client);
      await fill(client.db('shop'), 'gone', 7);
    },
    after: async (client) => {
      await numbered(client.db('shop'), 'orders').deleteMany({ _id: { $lt: 1_000 } });
      await fill(client.db('shop'), 'orders', 10, 90_000);
      await fill(client.db('shop'), 'other', 5);
      await client.db('shop').dropCollection('gone');
    },
    only: ['shop.orders', 'shop.gone', 'shop.sessions'],
  });
  const { place, context, root, app, point, archive } = world;
  const { copies } = await copyBeside(context, { target: place.target, point });
  const { pairs } = await planSwap(context, { target: place.target, copies });
  assert.deepEqual(pairs.map(({ ns, livingDocuments, restoredDocuments }) => [ns, livingDocuments, restoredDocuments]), [['shop.gone', null, 7], ['shop.orders', 2_010, 3_000], ['shop.sessions', 1, 1]]);

  // Somebody writes all the time: each write that was acknowledged is in what was kept, or in what took its place.
  let acknowledged = 0;
  let refusedWrites = 0;
  let stopped = false;
  const writer = (async () => {
    while (!stopped) {
      try {
        await numbered(app.db('shop'), 'orders').insertOne({ _id: 100_000 + acknowledged, n: 0 });
        acknowledged += 1;
      } catch (error) {
        if (!/block/i.test((error as Error).message)) throw error;
        refusedWrites += 1;
      }
    }
  })();
  await until('the writer to write', () => acknowledged > 20);
  const before = await sumOf(root, 'shop.sessions');
  const { before: position, strays, writersWaited, heldMs } = await swapCollections(context, swapOf(world, pairs));
  t.diagnostic(`writers waited ${heldMs} ms, and ${refusedWrites} of their writes were refused`);
  assert.deepEqual([strays, writersWaited], [[], true]);
  const atSwap = acknowledged;
  await until('the writer to go on', () => acknowledged > atSwap + 20);
  stopped = true;
  await writer;
  const kept = numbered(root.db('shop'), `orders.replaced-${run}`);
  const written = { _id: { $gte: 100_000 } };
  const inKept = await kept.countDocuments(written);
  assert.equal(inKept + (await numbered(root.db('shop'), 'orders').countDocuments(written)), acknowledged, 'no acknowledged write is lost');
  assert.deepEqual([await kept.countDocuments(), await numbered(root.db('shop'), 'orders').countDocuments({ _id: { $lt: 100_000 } }), await root.db('shop').collection('gone').countDocuments()], [2_010 + inKept, 3_000, 7]);
  await archivedUpTo(context, await positionNow(root));
  const counted = await countDiscarded(context, { ...ref, point, forMs: 30_000, of: { namespaces: pairs.map(({ ns }) => ns), before: position } });
  assert.deepEqual(counted.namespaces, [{ ns: 'shop.orders', writes: 1_010 + inKept }]);
  await archive.stop();
  const after = await listed(root);
  assert.deepEqual(after.get('shop.sessions')!.indexes.map(({ expireAfterSeconds }) => Number(expireAfterSeconds)), [1_000_000]);
  assert.deepEqual(await sumOf(root, `shop.sessions.replaced-${run}`), before);

  // Twice: the same. Then all the way back, twice.
  await swapCollections(context, swapOf(world, pairs));
  assert.deepEqual((await listed(root)).get('shop.orders')!.uuid, pairs.find(({ ns }) => ns === 'shop.orders')!.restored);
  for (const _time of [1, 2]) {
    await swapBack(context, swapOf(world, pairs));
    const back = await listed(root);
    for (const { ns, as, living, restored: copy } of pairs) assert.deepEqual([back.get(ns)?.uuid ?? null, back.get(as)?.uuid], [living, copy], ns);
    assert.ok(![...back.keys()].some((ns) => ns.includes('.replaced-')));
  }
  assert.equal(await writeBlockIsOn(root), false);
  const { summary } = await dropCopies(context, { target: place.target, names: point.only!.copies!, copied: copies });
  assert.match(summary, /2 copies .* left, as somebody has written into them: shop\.orders\.restored-run-1/);
});

test('swap: stopped at every one of its lines, with writers waiting, the next attempt ends where an undisturbed one does, and so does an undo from there', { timeout: 180_000 }, async (t) => {
  const world = await restored(t, { before: async (client) => {
    await fill(client.db('shop'), 'a', 5);
    await fill(client.db('shop'), 'b', 6);
  }, after: async (client) => {
    await fill(client.db('shop'), 'a', 1, 50);
    await fill(client.db('shop'), 'b', 1, 50);
  }, only: ['shop.a', 'shop.b'] });
  const { place, context, root, point } = world;
  const { copies } = await copyBeside(context, { target: place.target, point });
  const { pairs } = await planSwap(context, { target: place.target, copies });
  const rename = async (from: string, to: string): Promise<void> => void (await root.db('admin').command({ renameCollection: from, to }));
  /** What an attempt has done when it dies, one line more each time; the block is on from the first. */
  const acts = [async () => await setWriteBlock(root, true), ...pairs.flatMap(({ ns, as, kept }) => [async () => await rename(ns, kept), async () => await rename(as, ns)])];
  const names = async (): Promise<(string | null)[]> => {
    const now = await listed(root);
    return pairs.flatMap(({ ns, as, kept }) => [ns, as, kept].map((name) => now.get(name)?.uuid ?? null));
  };
  const whole = pairs.flatMap(({ living, restored: copy }) => [copy, null, living]);
  const untouched = pairs.flatMap(({ living, restored: copy }) => [living, copy, null]);
  for (let line = 0; line <= acts.length; line += 1) {
    for (const end of ['swap', 'back'] as const) {
      for (const act of acts.slice(0, line)) await act();
      await (end === 'swap' ? swapCollections : swapBack)(context, swapOf(world, pairs));
      assert.deepEqual(await names(), end === 'swap' ? whole : untouched, `line ${line}, ${end}`);
      assert.equal(await writeBlockIsOn(root), false, `line ${line}, ${end}`);
      await swapBack(context, swapOf(world, pairs));
      assert.deepEqual(await names(), untouched, `line ${line}, ${end}, back`);
    }
  }

  // Another collection than people saw: nothing is replaced, and nobody waits.
  await root.db('shop').dropCollection('b');
  await fill(root.db('shop'), 'b', 1);
  const other = await refusal(swapCollections(context, swapOf(world, pairs)));
  assert.match(`${other.type} ${other.message}`, /TargetNotEmpty shop\.b is another collection than when people approved/);
  assert.equal(await writeBlockIsOn(root), false);
  assert.equal((await listed(root)).get('shop.a')!.uuid, pairs[0]!.restored, 'the one before it has changed places, and an undo brings it back');
});

test('swap: its process is killed among the renames of many collections, with writers waiting; the next attempt does the rest, and lets them go on', { timeout: 180_000 }, async (t) => {
  const count = 30;
  const world = await restored(t, { before: async (client) => {
    for (let n = 0; n < count; n += 1) await fill(client.db('many'), `c${n}`, 2);
  }, only: ['many.*'] });
  const { place, context, root, app, point } = world;
  const { copies } = await copyBeside(context, { target: place.target, point });
  const { pairs } = await planSwap(context, { target: place.target, copies });
  const replaced = async (): Promise<number> => (await root.db('many').listCollections({ name: /replaced-/ }, { nameOnly: true }).toArray()).length;
  const job = startJob(place, 'swapCollections', swapOf(world, pairs));
  const ended = job.done.then(() => 'whole', () => 'killed');
  await until('the first renames', async () => (await replaced()) > 0);
  process.kill(-job.pid, 'SIGKILL');
  assert.equal(await ended, 'killed');
  const done = await replaced();
  t.diagnostic(`killed after ${done} of ${count}`);
  assert.equal(await writeBlockIsOn(root), true);
  await assert.rejects(numbered(app.db('many'), 'c0').insertOne({ _id: 9, n: 9 }), /block/i);
  await swapCollections(context, swapOf(world, pairs));
  const now = await listed(root);
  assert.deepEqual(pairs.flatMap(({ ns, kept }) => [now.get(ns)?.uuid, now.get(kept)?.uuid]), pairs.flatMap(({ living, restored: copy }) => [copy, living]));
  await numbered(app.db('many'), 'c0').insertOne({ _id: 9, n: 9 });
});

test('swap on a server that asks nobody’s name: what is written between two renames is kept under a name of its own', { timeout: 120_000 }, async (t) => {
  const world = await restored(t, { before: async (client) => await fill(client.db('shop'), 'orders', 5), only: ['shop.orders'], auth: false });
  const { place, context, root, point } = world;
  const { copies } = await copyBeside(context, { target: place.target, point });
  const { pairs } = await planSwap(context, { target: place.target, copies });
  await root.db('admin').command({ renameCollection: 'shop.orders', to: keptName('shop.orders', run) });
  await numbered(root.db('shop'), 'orders').insertOne({ _id: 1, n: 77 });
  const { strays, writersWaited } = await swapCollections(context, swapOf(world, pairs));
  assert.deepEqual([strays, writersWaited], [[strayName('shop.orders', run)], false]);
  assert.deepEqual(await numbered(root.db('shop'), `orders.between-${run}`).find().toArray(), [{ _id: 1, n: 77 }]);
  assert.equal(await root.db('shop').collection('orders').countDocuments(), 5);
});

test('without any one action of the role for beside and swap, they are refused by name', { timeout: 120_000 }, async (t) => {
  const world = await restored(t, { before: async (client) => {
    await makeKinds(client);
  }, only: ['shop.odd', 'shop.strict', 'shop.sessions', 'shop.ring'] });
  const { place, context, root, point } = world;
  const admin = root.db('admin');
  const { privileges } = createRoleCommand(besideRole) as { privileges: { resource: Document; actions: string[] }[] };
  let copied: CopiedCollection[] = [];
  let pairs: SwapPair[] = [];
  const all = async (): Promise<void> => {
    copied = [];
    ({ copies: copied } = await copyBeside(context, { target: place.target, point }));
    ({ pairs } = await planSwap(context, { target: place.target, copies: copied }));
    await swapCollections(context, swapOf(world, pairs));
    await swapBack(context, swapOf(world, pairs));
    await dropCopies(context, { target: place.target, names: point.only!.copies!, copied });
  };
  for (const [at, { actions }] of privileges.entries()) {
    for (const action of actions) {
      await admin.command({ updateRole: besideRole.name, privileges: privileges.map(({ resource, actions: of }, here) => ({ resource, actions: of.filter((one) => here !== at || one !== action) })).filter((privilege) => privilege.actions.length > 0) });
      const { type } = await refusal(narrowPoint(context, { point: { ...point, only: undefined } as unknown as RecoveryPoint, only: ['shop.odd'], copies: { run: 'run-2', mode: 'swap' } }));
      assert.equal(type, 'NotPermitted', action);
      await assert.rejects(all(), /not authorized|block|NotPermitted/i, action);
      await admin.command({ updateRole: besideRole.name, privileges });
      // With all of them, whatever the try before left is undone, and all of it can be had.
      await swapBack(context, swapOf(world, pairs));
      pairs = [];
      await all();
      pairs = [];
    }
  }
  assert.deepEqual([...(await listed(root)).keys()].filter((ns) => ns.includes('run-1')), []);
});
