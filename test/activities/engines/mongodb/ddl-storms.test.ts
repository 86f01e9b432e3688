import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Binary, MongoClient, MongoServerError, type Document } from 'mongodb';
import type { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { promoteTarget } from '../../../../activities/engines/mongodb/promote-target.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { backUp, enginePlace, pointOf, restore } from '../../../harness/engine-place.ts';
import { archivedUpTo, pointAt, positionNow, readState, recover, someEntryBetween, startArchive, withSlices } from './replay-place.ts';

type Numbered = { _id: number; n: number };

const numbers = (client: MongoClient, database: string, name: string) => client.db(database).collection<Numbered>(name);
const rows = (count: number, n = 0): Numbered[] => Array.from({ length: count }, (_, _id) => ({ _id, n: n + _id }));

/** What the server refuses because another worker of the storm was there first. */
async function attempt(act: Promise<unknown>, done: Map<string, number>, name: string): Promise<void> {
  try {
    await act;
    done.set(name, (done.get(name) ?? 0) + 1);
  } catch (error) {
    if (!(error instanceof MongoServerError)) throw error;
  }
}

/** Two workers make, fill, rename, convert and drop collections under the same few names, as fast as they can. */
async function storm(client: MongoClient, rounds: number, done: Map<string, number>): Promise<void> {
  const worker = async (which: number): Promise<void> => {
    const act = (name: string, acting: Promise<unknown>): Promise<void> => attempt(acting, done, name);
    for (let round = 0; round < rounds; round += 1) {
      const made = `made${(round + which) % 3}`;
      await act('insert', numbers(client, 'storm', made).insertMany(rows(20, round), { ordered: false }));
      await act('create index', numbers(client, 'storm', made).createIndex({ n: 1 }));
      // Twice the same value: the build begins, and is aborted.
      await act('insert double', numbers(client, 'storm', made).insertMany([{ _id: 500 + which, n: 7 }, { _id: 600 + which, n: 7 }], { ordered: false }));
      await attempt(numbers(client, 'storm', made).createIndex({ n: 1, _id: -1 }, { name: 'by n' }), done, 'second index');
      await numbers(client, 'storm', made).createIndex({ n: -1 }, { unique: true, name: 'aborted' }).then(
        () => done.set('unique index', (done.get('unique index') ?? 0) + 1),
        (error: unknown) => { if (error instanceof MongoServerError) done.set('aborted index build', (done.get('aborted index build') ?? 0) + 1); else throw error; },
      );
      await act('collMod', client.db('storm').command({ collMod: made, validator: { n: { $ne: -1 - round } } }));
      await act('hide index', client.db('storm').command({ collMod: made, index: { name: 'n_1', hidden: round % 2 === 0 } }));
      await act('out', numbers(client, 'storm', made).aggregate([{ $match: { n: { $lt: 12 } } }, { $out: { db: round % 2 ? 'storm' : 'other', coll: `out${which}` } }]).toArray());
      await act('merge', numbers(client, 'storm', made).aggregate([{ $limit: 5 }, { $merge: { into: { db: 'other', coll: 'merged' }, whenMatched: 'merge' } }]).toArray());
      await act('rename across', client.db('admin').command({ renameCollection: `storm.${made}`, to: `other.${made}`, dropTarget: true }));
      await act('rename over', client.db('admin').command({ renameCollection: `other.out${which}`, to: 'other.merged', dropTarget: round % 3 === 0 }));
      await act('convert to capped', client.db('other').command({ convertToCapped: made, size: 50_000 }));
      await act('drop', numbers(client, 'other', made).drop());
      if (round % 7 === 6) await act('drop database', client.db(which ? 'storm' : 'other').dropDatabase());
    }
  };
  await Promise.all([worker(0), worker(1)]);
}

test('a storm of commands on few names, in the middle of the dump and behind it, is restored to points inside the storm', { timeout: 240_000 }, async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 32 * 1024);
  const source = await place.source.connect();
  const done = new Map<string, number>();
  await numbers(source, 'calm', 'c').insertMany(rows(200));
  await storm(source, 2, done);
  const archive = startArchive(context);
  const [summary] = await Promise.all([backUp(context, 'b1'), storm(source, 5, done)]);
  await storm(source, 4, done);
  // In the middle of it all: what was made and not dropped yet stays.
  await numbers(source, 'storm', 'last').insertMany(rows(30));
  const position = await positionNow(source);
  const held = await readState(source, context, position);
  await storm(source, 1, done);
  await archivedUpTo(context, position, 60_000);
  await archive.stop();
  t.diagnostic(JSON.stringify(Object.fromEntries([...done].sort())));
  for (const name of ['aborted index build', 'rename across', 'convert to capped', 'out', 'merge', 'drop', 'hide index']) assert.ok(done.get(name), name);

  const point = await pointAt(context, position);
  const inside = await Promise.all([0.25, 0.6].map((share) => someEntryBetween(source, summary.end, position, share)));
  const { validation, replay } = await recover(place, point, context, inside.filter((one) => one !== undefined));
  t.diagnostic(`${replay.entries} entries, ${summary.unproved.length} collections without proof at the base`);
  assert.deepEqual(validation.problems, []);
  const found = await readState(await place.connectTarget(), context);
  assert.deepEqual([...found.keys()].sort(), [...held.keys()].sort());
  for (const [uuid, state] of held) {
    const { count: _count, hashSum: _hashSum, ...shape } = state;
    const on = found.get(uuid)!;
    // What a capped collection drops at its end is the server's own decision.
    if (state.capped) assert.deepEqual({ ns: on.ns, options: on.options, indexes: on.indexes, capped: on.capped }, shape);
    else assert.deepEqual(on, state);
  }
});

test('prepared transactions and one of 40 MiB over many entries come back when they were committed before the limit, and only then', { timeout: 180_000 }, async (t) => {
  // Only shards prepare by themselves: the server's own switch for tests lets a replica set do it.
  const place = await enginePlace(t, { mongod: { cacheGb: 1, setParameter: { enableTestCommands: true } } });
  const context = withSlices(place.context, 100, 64 * 1024);
  const source = await place.source.connect();
  const things = numbers(source, 'd', 'things');
  await things.insertMany(rows(50));
  const large = source.db('d').collection<Document>('large');
  await large.insertOne({ _id: 0 as never });
  const archive = startArchive(context);
  await backUp(context, 'b1');

  const begin = async (write: (session: ReturnType<MongoClient['startSession']>) => Promise<unknown>) => {
    const session = source.startSession();
    session.startTransaction();
    await write(session);
    return session;
  };
  const prepare = async (id: number) => {
    const session = await begin(async (of) => {
      await things.insertOne({ _id: id, n: id }, { session: of });
      await things.updateOne({ _id: id % 50 }, { $set: { n: id } }, { session: of });
    });
    const { prepareTimestamp } = await source.db('admin').command({ prepareTransaction: 1, writeConcern: { w: 'majority' } }, { session }) as { prepareTimestamp: unknown };
    return {
      commit: async () => await source.db('admin').command({ commitTransaction: 1, commitTimestamp: prepareTimestamp }, { session }),
      abort: async () => await session.abortTransaction(),
      end: async () => await session.endSession(),
    };
  };
  const [committed, aborted, open] = [await prepare(1001), await prepare(1002), await prepare(1003)];
  await things.insertMany(Array.from({ length: 300 }, (_, i) => ({ _id: 2000 + i, n: i })));
  const many = await begin(async (session) => {
    for (let i = 1; i <= 10; i += 1) await large.insertOne({ _id: i as never, bytes: new Binary(randomBytes(4 * 1024 * 1024)) }, { session });
    await large.insertMany(Array.from({ length: 3000 }, (_, i) => ({ _id: (100 + i) as never, i })), { session });
  });
  await many.commitTransaction();
  await committed.commit();
  await aborted.abort();
  await things.insertOne({ _id: 9999, n: 1 });
  const position = await positionNow(source);
  await archivedUpTo(context, position, 60_000);
  await archive.stop();
  await open.abort();
  for (const one of [committed, aborted, open]) await one.end();

  const point = await pointAt(context, position);
  const { replay, validation } = await recover(place, point, context);
  assert.deepEqual(validation.problems, []);
  assert.equal(replay.discardedTransactions, 1);
  const target = await place.connectTarget();
  assert.deepEqual((await numbers(target, 'd', 'things').find({ _id: { $in: [1001, 1002, 1003] } }).toArray()).map(({ _id }) => _id), [1001]);
  assert.deepEqual((await numbers(target, 'd', 'things').find({ _id: { $in: [1, 2, 3] } }).sort({ _id: 1 }).toArray()).map(({ n }) => n), [1001, 2, 3]);
  assert.equal(await target.db('d').collection('large').countDocuments(), 3011);
  const state = await readState(source, context);
  assert.equal([...state.values()].find(({ ns }) => ns === 'd.large')!.hashSum, [...(await readState(target, context)).values()].find(({ ns }) => ns === 'd.large')!.hashSum);
});

/** Archives up to `position`, begun again after each gap, as the workflow does; returns what the gaps were. */
async function archiveThroughGaps(context: SourceContext, position: LogPosition): Promise<string[]> {
  const gaps: string[] = [];
  for (;;) {
    const archive = startArchive(context);
    const reached = archivedUpTo(context, position, 60_000).then(() => undefined);
    reached.catch(() => undefined);
    const ended = await Promise.race([archive.ended, reached]);
    await archive.stop();
    if (!ended) return gaps;
    gaps.push(ended.gap?.why ?? ended.why);
  }
}

test('a change of the feature compatibility version closes the range by name, and a base taken behind it goes on, down and up again', { timeout: 240_000 }, async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 64 * 1024);
  const source = await place.source.connect();
  const things = numbers(source, 'd', 'things');
  await things.insertMany(rows(20));
  const { end: position } = await backUp(context, 'b0');
  for (const [round, version] of ['5.0', '6.0'].entries()) {
    await source.db('admin').command({ setFeatureCompatibilityVersion: version });
    await things.insertOne({ _id: 100 + round, n: 1 });
    const behind = await positionNow(source);
    const gaps = await archiveThroughGaps(context, behind);
    assert.ok(gaps.length > 0 && gaps.every((why) => why === 'the feature compatibility version was changed'), gaps.join(', '));
    await assert.rejects(pointAt(context, behind), (error: HoldfastError) => error.type === 'ChainBroken' && /feature compatibility version/.test(error.message));

    const backup = `b${round + 1}`;
    await backUp(context, backup);
    await things.insertOne({ _id: 200 + round, n: 1 });
    const later = await positionNow(source);
    await archiveThroughGaps(context, later);
    const point = await pointAt(context, later);
    assert.equal(point.base.backup, backup);
    const { validation } = await recover(place, point, context);
    assert.deepEqual(validation.problems, [], version);
    const target = await place.connectTarget();
    const { featureCompatibilityVersion } = await target.db('admin').command({ getParameter: 1, featureCompatibilityVersion: 1 }) as { featureCompatibilityVersion: Document };
    assert.equal(featureCompatibilityVersion['version'], version);
    await target.close();
    await (await openProvisioner(context)).remove(context, place.target);
  }
  assert.ok((await pointAt(context, position)).limit > position, 'what lay before the change is still there');
});

test('a user whose rights come through inherited roles has the same rights on the promoted target', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { auth: true } });
  const { context, target } = place;
  const source = await place.source.connect();
  await numbers(source, 'shop', 'orders').insertMany(rows(5));
  await source.db('shop').command({ createRole: 'looker', privileges: [{ resource: { db: 'shop', collection: 'orders' }, actions: ['find'] }], roles: [] });
  await source.db('shop').command({ createRole: 'clerk', privileges: [], roles: ['looker'] });
  await source.db('admin').command({ createRole: 'chief', privileges: [], roles: [{ role: 'clerk', db: 'shop' }] });
  const pwd = randomBytes(8).toString('hex');
  await source.db('admin').command({ createUser: 'ada', pwd, roles: ['chief'] });
  const rightsOf = async (client: MongoClient): Promise<unknown> => {
    const { users } = await client.db('admin').command({ usersInfo: { user: 'ada', db: 'admin' }, showPrivileges: true }) as { users: Document[] };
    const { inheritedRoles, inheritedPrivileges } = users[0]!;
    return { inheritedRoles: (inheritedRoles as { role: string }[]).map(({ role }) => role).sort(), inheritedPrivileges };
  };
  const summary = await backUp(context, 'b1');
  await restore(place, summary);
  await buildIndexes(context, { target, point: pointOf(summary) });
  const standalone = await place.connectTarget();
  assert.deepEqual(await rightsOf(standalone), await rightsOf(source));
  const { port } = new URL(`http://${standalone.options.hosts[0]!.toString()}`);
  await standalone.close();
  await promoteTarget(context, { target });
  const ada = await new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { auth: { username: 'ada', password: pwd }, authSource: 'admin' }).connect();
  t.after(async () => await ada.close());
  assert.equal(await ada.db('shop').collection('orders').countDocuments(), 5);
  await assert.rejects(ada.db('shop').collection('orders').insertOne({ x: 1 }), /not authorized/);
});
