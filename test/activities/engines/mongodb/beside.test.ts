import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Document } from 'mongodb';
import { copyName } from '../../../../workflows/domain/beside.ts';
import { copyBeside, dropCopies } from '../../../../activities/engines/mongodb/beside/copy-beside.ts';
import { setWriteBlock } from '../../../../activities/engines/mongodb/beside/write-block.ts';
import { besideRole } from '../../../../activities/engines/mongodb/rights.ts';
import { narrowPoint } from '../../../../activities/engines/mongodb/selection/find-selection.ts';
import { backUp, enginePlace, startJob } from '../../../harness/engine-place.ts';
import { until } from '../../../harness/until.ts';
import { fill, listed, makeKinds, numbered, refusal, restored, run, sumOf } from './beside-place.ts';
import { archivedUpTo, pointAt, positionNow, startArchive, withSlices } from './replay-place.ts';

test('beside: every kind of collection, document and index is copied into the living source as it was, the living ones are as they are, and an undo leaves nothing', { timeout: 180_000 }, async (t) => {
  const only = ['orders', 'strict', 'ring', 'clustered', 'images', 'sessions', 'odd', 'none'].map((name) => `shop.${name}`);
  const world = await restored(t, {
    before: makeKinds,
    only,
    mode: 'beside',
    after: async (client) => {
      await numbered(client.db('shop'), 'orders').deleteMany({ _id: { $lt: 1000 } });
      await client.db('shop').dropCollection('strict');
    },
  });
  const { place, context, root, point } = world;
  assert.deepEqual(point.only!.copies, only.toSorted());
  const living = await listed(root);
  const sums = new Map<string, unknown>();
  for (const ns of only.filter((name) => living.has(name))) sums.set(ns, await sumOf(root, ns));
  const { copies } = await copyBeside(context, { target: place.target, point });
  const target = await place.connectTarget();
  const [held, now] = [await listed(target), await listed(root)];
  for (const { ns, as, documents, hashSum } of copies) {
    assert.equal(as, `${ns}.restored-${run}`);
    assert.deepEqual(await sumOf(root, as), { count: documents, hashSum }, ns);
    assert.deepEqual(await sumOf(target, ns), { count: documents, hashSum }, ns);
    const [of, copy] = [held.get(ns)!, now.get(as)!];
    assert.deepEqual(copy.options, of.options, ns);
    assert.deepEqual(copy.idIndex, of.idIndex, ns);
    const sorted = (indexes: Document[], age: boolean) => indexes.map(({ expireAfterSeconds, ...spec }) => ({ ...spec, ...(age && expireAfterSeconds !== undefined ? { expireAfterSeconds } : {}) })).sort((a, b) => (String((a as Document)['name']) < String((b as Document)['name']) ? -1 : 1));
    assert.deepEqual(sorted(copy.indexes, true), sorted(of.indexes, false), ns);
    assert.deepEqual(Object.keys(copy.indexes[1]?.['key'] as object ?? {}), Object.keys(of.indexes[1]?.['key'] as object ?? {}), 'keys in their order');
  }
  assert.deepEqual(copies.map(({ ns, documents }) => [ns, documents]).toSorted(), [['shop.clustered', 10], ['shop.images', 0], ['shop.none', 0], ['shop.odd', 2], ['shop.orders', 3_000], ['shop.ring', 50], ['shop.sessions', 1], ['shop.strict', 20]]);
  assert.deepEqual(copies.find(({ ns }) => ns === 'shop.sessions')!.expiries, [{ index: 'age', afterSeconds: 1_000_000 }]);
  // Nothing else has changed.
  for (const [ns, one] of living) if (!ns.startsWith('local.') && !ns.startsWith('config.')) assert.deepEqual(now.get(ns), one, ns);
  for (const [ns, sum] of sums) assert.deepEqual(await sumOf(root, ns), sum, ns);

  // What is equal is adopted; what is not is made anew.
  const uuids = async (): Promise<string[]> => [...(await listed(root)).values()].filter(({ ns }) => ns.includes('.restored-')).map(({ ns, uuid }) => `${ns} ${uuid}`).sort();
  const first = await uuids();
  await numbered(root.db('shop'), `orders.restored-${run}`).deleteOne({ _id: 5 });
  assert.deepEqual(await copyBeside(context, { target: place.target, point }), { copies });
  assert.deepEqual((await uuids()).map((now_, at) => now_ === first[at]), first.map((one) => !one.startsWith('shop.orders.')));

  await numbered(root.db('shop'), `clustered.restored-${run}`).insertOne({ _id: 99, n: 1 });
  const { summary } = await dropCopies(context, { target: place.target, names: point.only!.copies!, copied: copies });
  assert.match(summary, /7 copies of run run-1 were dropped; left, as somebody has written into them: shop\.clustered\.restored-run-1/);
  await root.db('shop').dropCollection(`clustered.restored-${run}`);
  assert.deepEqual((await dropCopies(context, { target: place.target, names: point.only!.copies!, copied: copies })).summary, '0 copies of run run-1 were dropped');
  assert.deepEqual([...(await listed(root)).keys()].filter((ns) => ns.includes('run-1')), []);
});

test('beside: killed in the middle of a copy, the next attempt makes it whole', { timeout: 120_000 }, async (t) => {
  const { place, context, root, point } = await restored(t, { before: async (client) => await fill(client.db('shop'), 'orders', 60_000), only: ['shop.orders'], mode: 'beside' });
  const as = copyName('shop.orders', run).slice('shop.'.length);
  const job = startJob(place, 'copyBeside', { target: place.target, point });
  const ended = assert.rejects(job.done);
  await until('some of it to be copied', async () => (await root.db('shop').collection(as).estimatedDocumentCount()) > 0);
  process.kill(-job.pid, 'SIGKILL');
  await ended;
  const cut = await root.db('shop').collection(as).countDocuments();
  assert.ok(cut > 0 && cut < 60_000, `${cut}`);
  const { copies } = await copyBeside(context, { target: place.target, point });
  assert.deepEqual(await sumOf(root, `shop.${as}`), { count: 60_000, hashSum: copies[0]!.hashSum });
});

test('beside and swap are refused by name before anything is restored: time series, long names, names that are taken, views, too many, writers that wait already, a missing right', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { auth: true } });
  const context = withSlices(place.context, 100, 64 * 1024);
  const root = await place.source.connect();
  const shop = root.db('shop');
  await makeKinds(root);
  const long = 'x'.repeat(240);
  await shop.createCollection(long);
  for (let n = 0; n <= 100; n += 1) await root.db('many').createCollection(`c${n}`);
  const archive = startArchive(context);
  t.after(async () => await archive.stop());
  await backUp(context, 'b1');
  // Behind the base's own end.
  await root.db('elsewhere').collection('ticks').insertOne({ at: new Date() });
  const position = await positionNow(root);
  await archivedUpTo(context, position);
  const point = await pointAt(context, position);
  const refused = async (only: string[], mode: 'beside' | 'swap' = 'beside'): Promise<string> => {
    const { type, message } = await refusal(narrowPoint(context, { point, only, copies: { run, mode } }));
    return `${type} ${message}`;
  };
  assert.match(await refused(['shop.orders']), /^NotPermitted the database user may not insert in shop.*holdfastBeside/);
  await root.db('admin').command({ grantRolesToUser: 'holdfast', roles: [{ role: besideRole.name, db: 'admin' }] });
  await narrowPoint(context, { point, only: ['shop.orders'], copies: { run, mode: 'swap' } });
  assert.match(await refused(['shop.readings']), /^Unsupported shop\.readings is a time series/);
  assert.match(await refused([`shop.${long}`]), /^Unsupported shop\.x+\.restored-run-1 would be 260 bytes long, and a name may have 255/);
  assert.match(await refused(['many.*']), /^Unsupported 101 collections are chosen, and mode beside copies 100 at most/);
  await shop.createCollection(`orders.replaced-${run}`);
  await narrowPoint(context, { point, only: ['shop.orders'], copies: { run, mode: 'beside' } });
  assert.match(await refused(['shop.orders'], 'swap'), /^TargetNotEmpty shop\.orders\.replaced-run-1 is there already/);
  await shop.dropCollection('strict');
  await shop.createCollection('strict', { viewOn: 'orders', pipeline: [] });
  await narrowPoint(context, { point, only: ['shop.strict'], copies: { run, mode: 'beside' } });
  assert.match(await refused(['shop.strict'], 'swap'), /^Unsupported shop\.strict is a view now/);
  await setWriteBlock(root, true);
  assert.match(await refused(['shop.odd'], 'swap'), /^Unsupported somebody lets the source’s writers wait already/);
  await setWriteBlock(root, false);
});
