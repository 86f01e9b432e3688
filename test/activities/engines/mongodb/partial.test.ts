import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Db, MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { nextLogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { controlDatabase } from '../../../../activities/engines/mongodb/control.ts';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { prepareRestore } from '../../../../activities/engines/mongodb/prepare-restore.ts';
import { replayLog } from '../../../../activities/engines/mongodb/replay/replay-log.ts';
import { narrowPoint } from '../../../../activities/engines/mongodb/selection/find-selection.ts';
import { validateTarget } from '../../../../activities/engines/mongodb/validate-target.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { startJob } from '../../../harness/engine-place.ts';
import { Random, processSeed } from './random.ts';
import { RandomWriter } from './random-writer.ts';
import { readState, recover, restoreBase, written, type CollectionState, type Written } from './replay-place.ts';

type Numbered = { _id: number; n: number };
const numbered = (db: Db, name: string) => db.collection<Numbered>(name);
const fill = async (db: Db, name: string, from: number, count: number): Promise<unknown> =>
  await numbered(db, name).insertMany(Array.from({ length: count }, (_, i) => ({ _id: from + i, n: i })));

async function before(client: MongoClient): Promise<void> {
  const shop = client.db('shop');
  await fill(shop, 'orders', 0, 200);
  await numbered(shop, 'orders').createIndex({ n: 1 });
  await fill(shop, 'items', 0, 200);
  await fill(shop, 'customers', 0, 50);
  await fill(shop, 'archive.2025', 0, 20);
  await shop.createCollection('readings', { timeseries: { timeField: 'at', metaField: 'sensor' } });
  await shop.collection('readings').insertMany(Array.from({ length: 100 }, (_, i) => ({ at: new Date(1_763_700_000_000 + i * 1000), sensor: i % 2, value: i })));
  await shop.createCollection('cheap', { viewOn: 'items', pipeline: [{ $match: { n: { $lt: 5 } } }] });
  await fill(client.db('other'), 'orders', 0, 300);
  await client.db('admin').command({ createUser: 'reader', pwd: 'not used', roles: [{ role: 'read', db: 'shop' }] });
}

/** Of the chosen and of the others, also in one transaction, by names that change, and by `$out`. */
async function write(client: MongoClient): Promise<void> {
  const shop = client.db('shop');
  await fill(shop, 'orders', 1000, 100);
  await fill(shop, 'items', 1000, 100);
  await client.withSession(async (session) => await session.withTransaction(async () => {
    await numbered(shop, 'orders').updateMany({ _id: { $lt: 10 } }, { $inc: { n: 100 } }, { session });
    await numbered(shop, 'items').deleteMany({ _id: { $lt: 10 } }, { session });
    await numbered(client.db('other'), 'orders').insertOne({ _id: 5000, n: 1 }, { session });
  }));
  await numbered(shop, 'items').createIndex({ n: -1 });
  // Into the selection: by a rename over a collection of that name, and by $out through a temporary one.
  await fill(shop, 'staging', 0, 30);
  await numbered(shop, 'staging').createIndex({ n: 1 }, { name: 'staged' });
  await shop.renameCollection('staging', 'customers', { dropTarget: true });
  await numbered(shop, 'orders').aggregate([{ $match: { n: { $lt: 20 } } }, { $out: 'orders.small' }]).toArray();
  // Out of it, and back under another database.
  await fill(shop, 'orders.old', 0, 10);
  await shop.renameCollection('orders.old', 'retired');
  await client.db('admin').command({ renameCollection: 'other.orders', to: 'shop.orders.moved' });
  await fill(client.db('gone'), 'orders', 0, 10);
  await client.db('gone').dropDatabase();
  await shop.collection('readings').insertMany(Array.from({ length: 20 }, (_, i) => ({ at: new Date(1_763_800_000_000 + i * 1000), sensor: 7, value: i })));
  await numbered(shop, 'orders').deleteOne({ _id: 150 });
}

async function narrowed(all: Written, only: string[]): Promise<RecoveryPoint> {
  return await narrowPoint(all.context, { point: all.point, only });
}

const byName = (state: Map<string, CollectionState>): Map<string, CollectionState> => new Map([...state.values()].map((one) => [one.ns, one]));

/** Exactly `names` are on the target, each as the source has it, with its indexes. */
async function requireSame(t: TestContext, { place, context, source, position }: Written, names: string[]): Promise<MongoClient> {
  t.diagnostic(`chosen: ${names.join(', ')}`);
  const target = await place.connectTarget();
  const held = byName(await readState(source, context, position));
  const found = byName(await readState(target, context));
  assert.deepEqual([...found.keys()].sort(), [...names].sort());
  for (const ns of names) assert.deepEqual(found.get(ns), held.get(ns), ns);
  return target;
}

const refusal = async (narrowing: Promise<unknown>): Promise<HoldfastError> => {
  try {
    await narrowing;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

test('a partial restore brings exactly what was chosen by its name at the recovery point: through renames, $out, transactions and drops', async (t) => {
  const all = await written(t, write, before);
  const point = await narrowed(all, ['shop.orders*', 'shop.customers', 'shop.readings']);
  assert.ok(point.only!.plainBytes < point.base.plainBytes, JSON.stringify(point.only));
  await (await openProvisioner(all.context)).provision(all.context, all.place.target);
  const { groups } = await prepareRestore(all.context, { target: all.place.target, point });
  assert.equal(groups.reduce((sum, { plainBytes }) => sum + plainBytes, 0), point.only!.plainBytes);
  const { validation } = await recover(all.place, point, all.context);
  assert.deepEqual(validation.problems, []);
  assert.match(validation.claim, /^partial: only shop\.orders\*, shop\.customers, shop\.readings; 6 of 6 collections/);
  const names = ['shop.orders', 'shop.orders.small', 'shop.orders.moved', 'shop.customers', 'shop.system.buckets.readings', 'shop.system.views'];
  const target = await requireSame(t, all, names);
  assert.equal(await target.db('shop').collection('readings').countDocuments(), 120);
  assert.equal(await target.db('admin').collection('system.users').countDocuments({ user: 'reader' }), 0);

  // A point of all of it on a target that holds a part, and the other way round.
  await assert.rejects(replayLog(all.context, { target: all.place.target, point: all.point, limit: nextLogPosition(all.point.limit) }), (error: HoldfastError) => error.type === 'TargetNotEmpty' && /prepared for a part/.test(error.message));
  await assert.rejects(prepareRestore(all.context, { target: all.place.target, point: await narrowed(all, ['shop.orders']) }), /claimed for a restore of shop\.orders\*/);
});

test('a name that the recovery point does not have is refused with near ones, with where it went, or with why it is no choice', async (t) => {
  const all = await written(t, async (client) => {
    await write(client);
    await client.db('shop').dropCollection('archive.2025');
  }, before);
  const message = async (only: string[]): Promise<string> => {
    const error = await refusal(narrowed(all, only));
    assert.equal(error.type, 'BadInput');
    return error.message;
  };
  assert.match(await message(['shop.ordres']), /no collection is called "shop\.ordres".*near it: shop\.orders/);
  assert.match(await message(['shop.orders.old']), /shop\.orders\.old was renamed to shop\.retired at .*ask for shop\.retired/);
  assert.match(await message(['shop.cheap']), /a view has no data of its own/);
  assert.match(await message(['admin.system.users']), /cannot be restored by itself: it holds the server’s own users/);
  const dropped = await message(['shop.orders', 'shop.archive.*']);
  assert.match(dropped, /shop\.archive\.2025 was dropped at/);

  // What the hint says to do brings the dropped collection back.
  const [, limit] = /--target-position (\d+-\d+)/.exec(dropped)!;
  const point = await narrowed({ ...all, point: { ...all.point, limit: limit! } }, ['shop.archive.*']);
  const { validation } = await recover(all.place, point, all.context);
  assert.deepEqual(validation.problems, []);
  const target = await all.place.connectTarget();
  assert.equal(await numbered(target.db('shop'), 'archive.2025').countDocuments(), 20);
});

test('a partial restore and its replay, killed again and again under random writes and commands, end where an undisturbed one does', async (t) => {
  const seed = processSeed();
  t.diagnostic(`HOLDFAST_SEED=${seed}`);
  const random = new Random(seed);
  const all = await written(t, async (client) => await new RandomWriter(client, random).burst(1000), async (client) => {
    await new RandomWriter(client, random).burst(200);
    await fill(client.db('one'), 'kept', 0, 500);
    await fill(client.db('two'), 'kept', 0, 5000);
  });
  const { place, context, source, position } = all;
  const point = await narrowed(all, ['one.*']);
  const { target } = place;
  await (await openProvisioner(context)).provision(context, target);
  const control = await place.connectTarget();
  const records = control.db(controlDatabase).collection<{ _id: string; position?: string }>('replay');

  // The first process is killed as soon as it has made its claim, the next as soon as it has replayed something.
  const first = startJob(place, 'prepareRestore', { target, point });
  const killed = assert.rejects(first.done);
  while (!(await control.db(controlDatabase).collection('claim').findOne())) await new Promise((resolve) => setTimeout(resolve, 2));
  process.kill(-first.pid, 'SIGKILL');
  await killed;
  await restoreBase(place, point, context);
  let kills = 0;
  for (let at = ''; ; kills += 1) {
    const job = startJob(place, 'replayLog', { target, point, limit: point.limit });
    const ended = job.done.then(() => true, () => false);
    let isOver = false;
    void ended.then(() => (isOver = true));
    let reached: string | undefined = at;
    while (!isOver && reached === at) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      reached = (await records.findOne({ _id: 'checkpoint' }))?.position ?? at;
    }
    if (isOver || kills === 3) {
      assert.ok(await ended, `seed ${seed}: the replay failed`);
      break;
    }
    at = reached;
    process.kill(-job.pid, 'SIGKILL');
    await ended;
  }
  t.diagnostic(`${kills} kills`);
  assert.ok(kills > 0);
  await buildIndexes(context, { target, point });
  const validation = await validateTarget(context, { target, point, limit: point.limit, validator: 'equality' });
  assert.deepEqual(validation.problems, [], `seed ${seed}`);
  const held = [...(await readState(source, context, position)).values()].filter(({ ns }) => ns.startsWith('one.'));
  const found = byName(await readState(control, context));
  assert.deepEqual([...found.keys()].sort(), held.map(({ ns }) => ns).sort(), `seed ${seed}`);
  for (const { ns, count, hashSum, capped } of held) if (!capped) assert.deepEqual({ count: found.get(ns)!.count, hashSum: found.get(ns)!.hashSum }, { count, hashSum }, `seed ${seed}: ${ns}`);
});
