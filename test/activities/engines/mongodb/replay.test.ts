import assert from 'node:assert/strict';
import { readdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { Document, MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { positionOf } from '../../../../activities/engines/mongodb/bson-position.ts';
import { controlDatabase } from '../../../../activities/engines/mongodb/control.ts';
import { replayLog } from '../../../../activities/engines/mongodb/replay/replay-log.ts';
import { validateTarget } from '../../../../activities/engines/mongodb/validate-target.ts';
import type { EnginePlace } from '../../../harness/engine-place.ts';
import { rewriteFile } from '../../../harness/rewrite-file.ts';
import { Random, processSeed } from './random.ts';
import { RandomWriter } from './random-writer.ts';
import { readState, recover, restoreBase, written, type Written } from './replay-place.ts';

const tally = (client: MongoClient) => client.db('shop').collection<{ _id: number; n: number }>('tally');
const countTo = (client: MongoClient, n: number) => tally(client).bulkWrite(Array.from({ length: n }, (_, _id) => ({ insertOne: { document: { _id, n: 0 } } })), { ordered: true });
const validate = ({ context, place: { target }, point }: Written) => validateTarget(context, { target, point, limit: point.limit, validator: 'equality' });

/** The files that hold the slices' bytes, in log order; beside each lies what the store notes of it. */
async function slicesOf(place: EnginePlace): Promise<string[]> {
  const entries = await readdir(place.storePath, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.parentPath.includes('/slices/')).map((entry) => join(entry.parentPath, entry.name));
  const largest = new Map<string, { path: string; size: number }>();
  for (const path of files) {
    const { size } = await stat(path);
    if (size > (largest.get(rangeOf(path))?.size ?? 0)) largest.set(rangeOf(path), { path, size });
  }
  return [...largest].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { path }]) => path);
}

/** `<from>_<to>` of a slice's file, whatever the store adds to names. */
const rangeOf = (path: string): string => /\d{10}-\d{10}_\d{10}-\d{10}/.exec(path)![0];

test('a replay that is stopped again and again, and one that begins anew, end where an undisturbed one does', async (t) => {
  const seed = processSeed();
  t.diagnostic(`HOLDFAST_SEED=${seed}`);
  const random = new Random(seed);
  const all = await written(t, async (client) => await new RandomWriter(client, random).burst(1200), async (client) => await new RandomWriter(client, random).burst(200));
  const { place, context, point, position, source } = all;
  const held = await readState(source, context, position);
  await restoreBase(place, point, context);
  const target = await place.connectTarget();
  const replay = { target: place.target, point, limit: point.limit };

  let stops = 0;
  for (let left = 1 + random.below(8); ; left = 1 + random.below(40)) {
    const abort = new AbortController();
    const attempt: typeof context = { ...context, signal: abort.signal, progress: () => void ((left -= 1) <= 0 && abort.abort(new Error('killed'))) };
    const outcome = await replayLog(attempt, replay).catch((error: unknown) => {
      if (abort.signal.aborted) return undefined;
      throw error;
    });
    if (outcome) break;
    stops += 1;
  }
  assert.ok(stops > 1, `only ${stops} stops`);
  const sameAsHeld = async (where: string): Promise<void> => {
    const found = await readState(target, context);
    for (const [uuid, { ns, count, hashSum, capped }] of held) {
      if (!capped) assert.deepEqual({ count: found.get(uuid)?.count, hashSum: found.get(uuid)?.hashSum }, { count, hashSum }, `seed ${seed}, ${where}: ${ns}`);
    }
    assert.equal(found.size, held.size, `seed ${seed}, ${where}`);
    assert.deepEqual((await validate(all)).problems, [], `seed ${seed}, ${where}`);
  };
  await sameAsHeld(`after ${stops} stops`);

  // All of it onto its own end: what a checkpoint that was lost would mean.
  await target.db(controlDatabase).collection<Document>('replay').deleteOne({ _id: 'checkpoint' as never });
  await replayLog(context, replay);
  await sameAsHeld('replayed twice');
});

test('the limit is exclusive to the very ordinal, and a later one goes on from there', async (t) => {
  const all = await written(t, async (client) => {
    await countTo(client, 50);
    await tally(client).updateMany({}, { $inc: { n: 1 } });
  });
  const { place, context, source, point } = all;
  const entries = await source.db('local').collection('oplog.rs').find({ ns: 'shop.tally', op: 'i' }).sort({ ts: 1 }).toArray();
  await restoreBase(place, point, context);
  const target = await place.connectTarget();
  const upTo = async (limit: LogPosition) => await replayLog(context, { target: place.target, point, limit });

  const twelfth = positionOf(entries[12]!['ts']);
  const first = await upTo(twelfth);
  assert.equal(await tally(target).countDocuments(), 12);
  assert.equal(first.appliedTo, positionOf(entries[11]!['ts']));
  assert.equal(first.appliedToAt, (entries[11]!['wall'] as Date).toISOString());
  assert.equal((await validateTarget(context, { target: place.target, point, limit: twelfth, validator: 'equality' })).ok, true);
  assert.equal((await upTo(nextLogPosition(twelfth))).entries, first.entries + 1);
  assert.equal(await tally(target).countDocuments(), 13);
  const last = await upTo(point.limit);
  assert.equal(last.appliedTo, point.reaches);
  assert.equal(await tally(target).countDocuments({ n: 1 }), 50);
  assert.equal((await upTo(point.limit)).entries, last.entries, 'nothing is applied when nothing is left');
  await assert.rejects(upTo(twelfth), (error: HoldfastError) => error.type === 'ReplayFailed' && /already/.test(error.message));
});

test('a transaction that the limit cuts leaves nothing, and lies over entries and slices', async (t) => {
  const text = 'x'.repeat(6 * 1024 * 1024);
  const all = await written(t, async (client) => {
    await client.withSession(async (session) => {
      session.startTransaction();
      for (let n = 0; n < 4; n += 1) await client.db('shop').collection<Document>('large').insertOne({ _id: n as never, text }, { session });
      await tally(client).updateOne({ _id: 1 }, { $set: { n: 7 } }, { session });
      await session.commitTransaction();
    });
  }, async (client) => void (await countTo(client, 3)));
  const { place, context, source, point } = all;
  const chain = await source.db('local').collection('oplog.rs').find({ 'o.applyOps': { $exists: true }, 'o.partialTxn': true }, { projection: { ts: 1 } }).sort({ ts: 1 }).toArray();
  assert.ok(chain.length > 0, 'the transaction has several entries');
  await restoreBase(place, point, context);
  const target = await place.connectTarget();
  const cut = nextLogPosition(positionOf(chain.at(-1)!['ts']));
  const result = await replayLog(context, { target: place.target, point, limit: cut });
  assert.equal(result.discardedTransactions, 1);
  assert.equal(await target.db('shop').collection('large').countDocuments(), 0);
  assert.equal((await validateTarget(context, { target: place.target, point, limit: cut, validator: 'equality' })).ok, true);
  const rest = await replayLog(context, { target: place.target, point, limit: point.limit });
  assert.equal(rest.discardedTransactions, 0);
  assert.equal(await target.db('shop').collection('large').countDocuments(), 4);
  assert.equal((await tally(target).findOne({ _id: 1 }))?.n, 7);
  assert.deepEqual((await validate(all)).problems, []);
});

test('a slice that is missing, and one with a flipped bit, are named, and nothing behind them is applied', async (t) => {
  const all = await written(t, async (client) => {
    for (let round = 0; round < 8; round += 1) await tally(client).insertMany(Array.from({ length: 100 }, (_, n) => ({ _id: round * 100 + n, n })));
  });
  const { place, context, point } = all;
  await restoreBase(place, point, context);
  const target = await place.connectTarget();
  const slices = (await slicesOf(place)).filter((path) => rangeOf(path) > point.base.end);
  assert.ok(slices.length > 3, `${slices.length} slices behind the base`);
  const middle = slices.at(Math.floor(slices.length / 2))!;
  const replay = async () => await replayLog(context, { target: place.target, point, limit: point.limit });
  const named = rangeOf(middle);

  const bytes = await readFile(middle);
  const flipped = Buffer.from(bytes);
  flipped[Math.floor(bytes.length / 2)]! ^= 1;
  await rewriteFile(middle, flipped);
  await assert.rejects(replay(), (error: HoldfastError) => error.type === 'Tampered' && error.message.includes(named));
  assert.ok(await tally(target).countDocuments() < 800);

  await rename(dirname(middle), join(place.directory, 'away'));
  await assert.rejects(replay(), (error: HoldfastError) => error.type === 'ChainBroken' && /no slice/.test(error.message));
  await rename(join(place.directory, 'away'), dirname(middle));
  await rewriteFile(middle, bytes);
  await replay();
  assert.equal(await tally(target).countDocuments(), 800);
});

test('a document that the base should have and has not is fatal, and named', async (t) => {
  const all = await written(t, async (client) => void (await tally(client).updateOne({ _id: 2 }, { $inc: { n: 1 } })), async (client) => void (await countTo(client, 3)));
  const { place, context, point } = all;
  await restoreBase(place, point, context);
  await tally(await place.connectTarget()).deleteOne({ _id: 2 });
  await assert.rejects(
    replayLog(context, { target: place.target, point, limit: point.limit }),
    (error: HoldfastError) => error.type === 'ReplayFailed' && /update of shop\.tally _id 2/.test(error.message),
  );
});

test('the proof finds one changed byte, one missing and one extra document, and names them', async (t) => {
  const all = await written(t, async (client) => {
    await tally(client).updateMany({ _id: { $lt: 20 } }, { $inc: { n: 1 } });
    await client.db('shop').collection('other').insertOne({ a: 1 });
  }, async (client) => void (await countTo(client, 40)));
  const { place, context, point } = all;
  const { validation } = await recover(place, point, context);
  assert.deepEqual([validation.ok, validation.problems], [true, []]);
  assert.ok(validation.collections.every(({ hashEqual }) => hashEqual === true));
  const target = await place.connectTarget();

  await tally(target).updateOne({ _id: 3 }, { $set: { n: 2 } });
  const changed = await validate(all);
  assert.equal(changed.ok, false);
  assert.match(changed.problems.join(), /shop\.tally: 40 documents, expected 40, and their bytes differ: different _id 3/);
  await tally(target).updateOne({ _id: 3 }, { $set: { n: 1 } });
  await tally(target).deleteOne({ _id: 30 });
  assert.match((await validate(all)).problems.join(), /39 documents, expected 40: missing _id 30/);
  await tally(target).insertMany([{ _id: 30, n: 0 }, { _id: 99, n: 0 }]);
  assert.match((await validate(all)).problems.join(), /41 documents, expected 40: extra _id 99/);
  await tally(target).deleteOne({ _id: 99 });
  await target.db('shop').createCollection('stray');
  assert.match((await validate(all)).problems.join(), /shop\.stray: is on the target, and base and log know nothing of it/);
  await target.db('shop').collection('stray').drop();
  await target.db('shop').collection('other').drop();
  assert.match((await validate(all)).problems.join(), /shop\.other: is missing/);
});
