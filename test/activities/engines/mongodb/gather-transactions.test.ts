import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Binary, BSON, Long, Timestamp, UUID, type Document } from 'mongodb';
import { mib } from '../../../../workflows/domain/units.ts';
import { TransactionGatherer } from '../../../../activities/engines/mongodb/oplog/gather-transactions.ts';
import { parseEntry, type OplogEntry } from '../../../../activities/engines/mongodb/oplog/oplog-entry.ts';
import { findElement } from '../../../../activities/engines/mongodb/oplog/raw-elements.ts';
import { backUp, enginePlace, startJob } from '../../../harness/engine-place.ts';
import { usedHeapBytes } from '../../../harness/heap.ts';
import { until } from '../../../harness/until.ts';
import { archivedUpTo, pointAt, positionNow, restoreBase, startArchive } from './replay-place.ts';

let ordinal = 0;
const collection = new UUID();

function entryOf(session: number, o: Document): OplogEntry {
  const ts = new Timestamp({ t: 1_700_000_000, i: (ordinal += 1) });
  return parseEntry(Buffer.from(BSON.serialize({ op: 'c', ns: 'admin.$cmd', o, ts, wall: new Date(), lsid: { id: session }, txnNumber: Long.fromNumber(1) })));
}

const writes = (session: number, from: number, count: number, text: Buffer): Document[] =>
  Array.from({ length: count }, (_, n) => ({ op: 'i', ns: 'd.c', ui: collection, o: { _id: session * 1_000_000 + from + n, text: new Binary(text) } }));

const idOf = (o: Buffer): number => o.readInt32LE(findElement(o, '_id')!.valueStart);

/** Bytes outside the JavaScript heap that are really in use. */
function buffersHeld(): number {
  usedHeapBytes();
  return process.memoryUsage().arrayBuffers;
}

test('transactions of any size that are open at the same time take little memory, and each comes out whole and in order', async () => {
  const sessions = 5;
  const entriesEach = 6;
  const gatherer = new TransactionGatherer();
  const filler = randomBytes(mib(0.5));
  const before = buffersHeld();
  for (let at = 0; at < entriesEach; at += 1) {
    for (let session = 0; session < sessions; session += 1) {
      const taken = gatherer.take(entryOf(session, { applyOps: writes(session, at * 8, 8, filler), partialTxn: true }));
      assert.deepEqual([taken.held, [...taken.operations]], [true, []]);
    }
  }
  assert.equal(gatherer.open, sessions);
  // What a collection lets go of is freed beside it, a moment later; what is held stays.
  await until('less than 4 MiB of buffers for 120 MiB that are open', () => buffersHeld() - before < mib(4), 10_000);
  assert.deepEqual([...gatherer.take(entryOf(0, { abortTransaction: 1 })).operations], []);
  for (let session = 1; session < sessions; session += 1) {
    const last = session % 2 === 0 ? { commitTransaction: 1 } : { applyOps: writes(session, entriesEach * 8, 1, filler), count: 65 };
    const ids: number[] = [];
    for (const { o } of gatherer.take(entryOf(session, last)).operations) ids.push(idOf(o) - session * 1_000_000);
    assert.deepEqual(ids, Array.from({ length: entriesEach * 8 + (session % 2) }, (_, n) => n));
  }
  assert.equal(gatherer.open, 0);
  gatherer.close();
});

test('large transactions, several at once, are replayed and proved in bounded memory', { timeout: 240_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { cacheGb: 3 } });
  const { context } = place;
  const source = await place.source.connect();
  await source.db('d').collection('c').insertOne({ _id: 'first' as never });
  await backUp(context, 'b1');
  const megabytes = 24;
  await Promise.all([0, 1, 2].map(async (writer) => await source.withSession(async (session) => await session.withTransaction(async () => {
    for (let n = 0; n < megabytes; n += 8) {
      const documents = Array.from({ length: 8 }, (_, i) => ({ _id: `${writer}-${n + i}` as never, filler: new Binary(randomBytes(mib(1))) }));
      await source.db('d').collection('c').insertMany(documents, { session });
    }
  }))));
  const position = await positionNow(source);
  const archive = startArchive(context);
  t.after(() => archive.stop());
  await archivedUpTo(context, position, 60_000);
  await archive.stop();
  const chains = await source.db('local').collection('oplog.rs').countDocuments({ 'o.partialTxn': true });
  assert.ok(chains >= 3, `${chains} entries of open transactions`);

  const point = await pointAt(context, position);
  await restoreBase(place, point, context);
  const { target } = place;
  const replayed = await startJob(place, 'replayLog', { target, point, limit: point.limit }).done;
  const proved = await startJob(place, 'validateTarget', { target, point, limit: point.limit, validator: 'equality' }).done;
  for (const [name, { maxRssBytes }] of [['replay', replayed], ['proof', proved]] as const) {
    t.diagnostic(`${name}: ${Math.round(maxRssBytes / mib(1))} MiB`);
    assert.ok(maxRssBytes < mib(512), `${name} took ${Math.round(maxRssBytes / mib(1))} MiB`);
  }
  assert.deepEqual((proved.result as { problems: string[] }).problems, []);
  const found = await place.connectTarget();
  assert.equal(await found.db('d').collection('c').countDocuments(), 1 + 3 * megabytes);
});
