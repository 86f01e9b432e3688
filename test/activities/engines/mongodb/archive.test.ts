import assert from 'node:assert/strict';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import type { Document, MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { nextLogPosition, parseLogPosition } from '../../../../workflows/domain/log-position.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import { archiveLog } from '../../../../activities/engines/mongodb/archive/archive-log.ts';
import { drainLog } from '../../../../activities/engines/mongodb/archive/drain-log.ts';
import { proveArchive } from '../../../../activities/engines/mongodb/archive/prove-archive.ts';
import { readArchiveStatus } from '../../../../activities/engines/mongodb/archive/read-archive-status.ts';
import { startTimeline } from '../../../../activities/engines/mongodb/archive/start-timeline.ts';
import { verifySlice } from '../../../../activities/engines/mongodb/archive/verify-slice.ts';
import { timestampOf } from '../../../../activities/engines/mongodb/bson-position.ts';
import { sourceEnvironment } from '../../../../activities/engines/base/source-environment.ts';
import { readLog } from '../../../../activities/engines/mongodb/oplog/read-log.ts';
import { readServerFacts } from '../../../../activities/engines/mongodb/server-facts.ts';
import { parseEntry } from '../../../../activities/engines/mongodb/oplog/oplog-entry.ts';
import { splitDocuments } from '../../../../activities/engines/mongodb/oplog/raw-elements.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { claimEpoch } from '../../../../activities/store/epoch.ts';
import { findArchiveEnd } from '../../../../activities/store/find-archive-end.ts';
import { encodeKey } from '../../../../activities/store/local-names.ts';
import { readSliceNames, type StoredSlice } from '../../../../activities/store/slice-names.ts';
import { rebuildCatalog } from '../../../../activities/store/read-catalog.ts';
import { currentTimeline } from '../../../../activities/store/timelines.ts';
import { collect } from '../../../conformance/store.ts';
import { backUp, enginePlace, ref, type EnginePlace } from '../../../harness/engine-place.ts';
import { startMongod } from '../../../harness/mongod.ts';
import { archivedUpTo, pointAt, positionNow, startArchive, withSlices } from './replay-place.ts';

const things = (client: MongoClient) => client.db('shop').collection<Document>('things');
const status = async (context: SourceContext) => await readArchiveStatus(context, await findArchiveEnd(context.store, context.keys, ref));

async function slices(context: SourceContext, timeline = 't00000001'): Promise<StoredSlice[]> {
  const found: StoredSlice[] = [];
  for await (const slice of readSliceNames(context.store, { ...ref, timeline })) if (!('unreadable' in slice)) found.push(slice);
  return found;
}

/** Inserts logged between two positions, as the slices have them. */
async function archivedInserts(context: SourceContext, from: string, to: string): Promise<number> {
  let inserts = 0;
  for await (const { plain } of readLog(context, { ...ref, timeline: 't00000001' }, { after: from, limit: nextLogPosition(to) })) {
    for (const raw of splitDocuments(plain)) {
      const entry = parseEntry(raw);
      if (entry.op === 'i' && entry.ns === 'shop.things' && entry.position > from && entry.position <= to) inserts += 1;
    }
  }
  return inserts;
}

/** Writes without end until it is told to stop; gives how many were acknowledged. */
function writeOn(client: MongoClient): { stop(): Promise<number> } {
  let on = true;
  const done = (async () => {
    let n = 0;
    for (; on; n += 1) await things(client).insertOne({ n });
    return n;
  })();
  return { stop: async () => ((on = false), await done) };
}

async function until(what: string, holds: () => Promise<boolean> | boolean, withinMs = seconds(20)): Promise<void> {
  for (const untilMs = Date.now() + withinMs; !(await holds()); await sleep(25)) if (Date.now() > untilMs) throw new Error(`not within ${withinMs} ms: ${what}`);
}

test('slices touch and hold every entry once, whenever the archiver is killed', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 40, 8 * 1024);
  const client = await place.source.connect();
  await things(client).insertOne({ first: true });
  const from = await positionNow(client);
  const writer = writeOn(client);
  for (let kill = 0; kill < 6; kill += 1) {
    const archive = startArchive(context);
    const before = (await slices(context)).length;
    await until('more slices', async () => (await slices(context)).length > before + kill);
    await archive.stop();
  }
  const acknowledged = await writer.stop();
  const to = await positionNow(client);
  const archive = startArchive(context);
  await archivedUpTo(context, to);
  // The first slice has a head in any case.
  await things(client).insertOne({ second: true });
  const second = await positionNow(client);
  // Written, and known to be: one that is stopped between the two has the head of the slice before.
  await until('it knows what is archived', () => String((place.progress.at(-1) as { archivedTo?: string }).archivedTo) >= second);
  await archive.stop();

  const found = await slices(context);
  const heads = await collect(context.store, layout.heads({ ...ref, timeline: 't00000001' }));
  assert.equal(heads.at(-1)?.key, layout.head({ ...ref, timeline: 't00000001' }, found.at(-1)!.to), 'stopped, it has signed where its log ends');
  found.forEach((slice, at) => at > 0 && assert.equal(slice.from, found[at - 1]!.to));
  assert.equal(await archivedInserts(context, from, to), acknowledged);
  const verified = await verifySlice(context, found.at(-1)!);
  assert.ok(verified.entries > 0 && verified.bytes > 0);
});

test('a store that is gone for ten seconds costs no entry and makes no gap', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 64 * 1024);
  const client = await place.source.connect();
  const archive = startArchive(context);
  await things(client).insertOne({ first: true });
  const from = await positionNow(client);
  await archivedUpTo(context, from);
  const writer = writeOn(client);
  await rename(place.storePath, `${place.storePath}-away`);
  // A file in its place, so that nothing makes the directory anew.
  await writeFile(place.storePath, '');
  const goneAtMs = Date.now();
  await until('the heartbeat says so', () => place.progress.at(-1)?.phase === 'waiting for the store');
  await until('ten seconds', () => Date.now() - goneAtMs >= seconds(10));
  await rename(place.storePath, `${place.storePath}-file`);
  await rename(`${place.storePath}-away`, place.storePath);
  const acknowledged = await writer.stop();
  const to = await positionNow(client);
  await archivedUpTo(context, to);
  await archive.stop();
  assert.equal(await archivedInserts(context, from, to), acknowledged);
  const catalog = await rebuildCatalog(context, ref);
  assert.deepEqual([catalog.gaps.length, catalog.spans.length], [0, 1]);
});

test('log that was overwritten before it was archived is a gap, and the range behind it goes on', async (t) => {
  const place = await enginePlace(t, {
    // What a checkpoint still needs is not overwritten, and one comes every 60 s otherwise.
    mongod: { oplogSizeMb: 16, setParameter: { minSnapshotHistoryWindowInSeconds: 0 }, args: ['--syncdelay', '1'] },
  });
  const context = withSlices(place.context, 50, 256 * 1024);
  const client = await place.source.connect();
  await things(client).insertOne({ first: true });
  const first = startArchive(context);
  const archivedTo = await positionNow(client);
  await archivedUpTo(context, archivedTo);
  await first.stop();
  const { archivedTo: end } = await findArchiveEnd(context.store, context.keys, ref);

  const oplog = client.db('local').collection('oplog.rs');
  const text = 'x'.repeat(1024 * 1024);
  await until('the oplog to roll over', async () => {
    for (let n = 0; n < 8; n += 1) await client.db('shop').collection<Document>('filler').replaceOne({ _id: n as never }, { text: `${n}${text}` }, { upsert: true, writeConcern: { w: 1 } });
    return (await oplog.findOne({ ts: { $lte: timestampOf(end!) } })) === null;
  }, seconds(120));

  assert.match((await status(context)).note ?? '', /lost/);
  const outcome = await startArchive(context).ended;
  assert.equal(outcome?.why, 'gap');
  assert.equal(outcome?.gap?.from, end);
  assert.match(outcome?.gap?.why ?? '', /overwritten/);
  await things(client).insertOne({ after: true });
  const position = await positionNow(client);
  // The server may still be overwriting: then that is another gap, which touches the first.
  for (let last = outcome!; last.archivedTo < position; last = await archiveLog(context, { ...ref, epoch: 1, forMs: 500 })) assert.notEqual(last.why, 'election');
  const catalog = await rebuildCatalog(context, ref);
  assert.equal(catalog.gaps[0]!.from, end);
  catalog.gaps.forEach(({ from }, at) => at > 0 && assert.equal(from, catalog.gaps[at - 1]!.to));
  assert.equal(catalog.spans.length, 2);
  assert.equal(catalog.spans[1]!.from, catalog.gaps.at(-1)!.to);
});

test('the RPO of an idle source is 0, of one that is not archived the age of the oldest write, of one that is gone unknown', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 50, 64 * 1024);
  const client = await place.source.connect();
  assert.deepEqual(await status(context).then(({ rpoMs, note }) => [rpoMs, note]), [null, 'nothing is archived yet']);
  await things(client).insertOne({ first: true });
  const archive = startArchive(context);
  await archivedUpTo(context, await positionNow(client));
  await archive.stop();
  // No-ops come every ten seconds at the latest, and nobody would miss them.
  await client.db('admin').command({ appendOplogNote: 1, data: { note: 'idle' } });
  const idle = await status(context);
  assert.deepEqual([idle.rpoMs, idle.sourceReachable, idle.timeline], [0, true, 't00000001']);
  await things(client).insertOne({ second: true });
  const writtenMs = Date.now();
  await until('the write to age', () => Date.now() > writtenMs + 300);
  const late = await status(context);
  assert.ok(late.rpoMs! >= 300 && late.rpoMs! < seconds(30), `${late.rpoMs}`);
  assert.ok(late.sourceAt! >= (await positionNow(client)));
  await place.source.kill();
  const gone = await status(context);
  assert.deepEqual([gone.rpoMs, gone.sourceReachable, gone.archivedTo], [null, false, late.archivedTo]);
  assert.match(gone.note!, /does not answer/);
});

test('a base that was taken before the archive began can be used once the archive reaches back to it', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 50, 64 * 1024);
  const client = await place.source.connect();
  await things(client).insertOne({ before: true });
  const summary = await backUp(context, 'early');
  await things(client).insertOne({ between: true });
  const archive = startArchive(context);
  const position = await positionNow(client);
  await archivedUpTo(context, position);
  await archive.stop();
  assert.ok((await slices(context))[0]!.from <= summary.logFrom);
  assert.equal((await pointAt(context, position)).base.backup, 'early');
});

test('after the fence the rest of the log is drained, and a log that cannot be read is said to be so', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 50, 64 * 1024);
  const client = await place.source.connect();
  await things(client).insertOne({ first: true });
  const archive = startArchive(context);
  await archivedUpTo(context, await positionNow(client));
  await archive.stop();
  const { archivedTo: from } = await findArchiveEnd(context.store, context.keys, ref);
  await until('the log to be of another second', async () => (await things(client).insertOne({}), parseLogPosition(await positionNow(client)).seconds > parseLogPosition(from!).seconds));
  await things(client).insertMany(Array.from({ length: 500 }, (_, n) => ({ n })));
  await client.db('admin').command({ replSetStepDown: 3600, force: true });
  const toDrain = await things(client).countDocuments({}, { readPreference: 'secondaryPreferred' }) - 1;
  const drain = async () => await drainLog(context, { ...ref, epoch: 1, timeline: 't00000001' });
  const drained = await drain();
  assert.equal(drained.drained, true);
  assert.equal(await archivedInserts(context, from!, drained.to!), toDrain);
  const said = place.progress.filter(({ phase }) => phase === 'draining');
  const ofSeconds = parseLogPosition(drained.to!).seconds - parseLogPosition(from!).seconds;
  assert.ok(said.every(({ logSecondsOf }) => logSecondsOf === ofSeconds) && said[0]!.logSeconds! < ofSeconds, JSON.stringify(said));
  assert.equal(said.at(-1)?.logSeconds, ofSeconds, 'people see how far the fenced log is drained');
  assert.deepEqual(await drain().then(({ drained: ok, to }) => [ok, to]), [true, drained.to]);
  const heads = await collect(context.store, layout.heads({ ...ref, timeline: 't00000001' }));
  assert.equal(heads.at(-1)?.key, layout.head({ ...ref, timeline: 't00000001' }, drained.to!), 'the end of the drained log is signed');
  await place.source.kill();
  const gone = await drain();
  assert.deepEqual([gone.drained, gone.to], [false, drained.to]);
  assert.match(gone.note, /cannot be read/);
});

test('a new timeline moves the archive to the environment that it names, and a canary proves it', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 50, 64 * 1024);
  const client = await place.source.connect();
  await things(client).insertOne({ first: true });
  const old = startArchive(context);
  await archivedUpTo(context, await positionNow(client));
  // The recovered source: another replica set, in another environment.
  const recovered = await startMongod(t, { replicaSet: 'rs7' });
  const moved: SourceContext = { ...context, system: { ...context.system, environments: { ...context.system.environments, dr: { protection: 'production', endpoints: { documents: { uri: recovered.uri } } } } } };
  const parent = { timeline: 't00000001', limit: (await slices(context)).at(-1)!.to };
  const start = async () => await startTimeline(moved, { ...ref, epoch: 1, run: 'run-1', parent, environment: 'dr' });
  const { timeline } = await start();
  assert.equal(timeline, 't00000002');
  assert.equal((await start()).timeline, timeline);
  assert.equal(await sourceEnvironment(moved), 'dr');
  const ended = await old.ended;
  assert.deepEqual([ended?.why, ended?.timeline], ['handover', 't00000001'], 'the old archive sees the new timeline and ends');

  const archive = startArchive(moved);
  const proof = await proveArchive(moved, { ...ref, run: 'run-1', withinMs: seconds(20) });
  await archive.stop();
  assert.equal(proof.proved, true);
  assert.equal((await slices(moved, timeline)).at(-1)!.to >= proof.position, true);
  assert.equal(await (await recovered.connect()).db('holdfast_canary').collection('canary').countDocuments(), 1);
  const unproved = await proveArchive(moved, { ...ref, run: 'run-2', withinMs: 300 });
  assert.equal(unproved.proved, false, 'nobody archives');
});

test('the role that a refusal names is enough for archive, status, canary and drain', async (t) => {
  const place = await enginePlace(t, { mongod: { auth: true } });
  const context = withSlices(place.context, 50, 64 * 1024);
  const client = await place.source.connect();
  await things(client).insertOne({ first: true });
  const archive = startArchive(context);
  await archivedUpTo(context, await positionNow(client));
  const proof = await proveArchive(context, { ...ref, run: 'run-1', withinMs: seconds(20) });
  await archive.stop();
  assert.equal(proof.proved, true);
  assert.equal((await status(context)).rpoMs, 0);
  assert.equal((await drainLog(context, { ...ref, epoch: 1, timeline: 't00000001' })).drained, true);
});

test('time that is up hands over, another replica set is refused, and another control plane ends the archive', async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 50, 64 * 1024);
  const client = await place.source.connect();
  const round = async (of: SourceContext, forMs = 200) => await archiveLog(of, { ...ref, epoch: of.epoch, forMs });
  await things(client).insertOne({ first: true });
  const over = await round(context);
  assert.deepEqual([over.why, over.gap], ['handover', null]);
  const [newest] = (await slices(context)).slice(-1);
  assert.equal(over.archivedTo, newest!.to);
  await rm(join(place.storePath, 'holdfast', `${encodeKey(newest!.key)}@`), { recursive: true });
  const { rejected } = await rebuildCatalog(context, ref);
  assert.deepEqual(rejected.map(({ key }) => key), [newest!.key], 'the end of a round is missed');
  assert.match(rejected[0]!.why, /heads\/.* says that it was archived at .*: the end of the log is gone/);

  const stranger = await startMongod(t, { replicaSet: 'rs0' });
  const swapped: SourceContext = { ...context, system: { ...context.system, environments: { production: { protection: 'production', endpoints: { documents: { uri: stranger.uri } } } } } };
  await assert.rejects(round(swapped), (error: HoldfastError) => error.type === 'BadInput' && /is replica set/.test(error.message));
  const { identity: mine } = await readServerFacts(client);
  const { identity: theirs } = await readServerFacts(await stranger.connect());
  await assert.rejects(backUp(swapped, 'B1'), (error: HoldfastError) =>
    error.type === 'BadInput' && error.message.includes(mine) && error.message.includes(theirs) && /give it a name of its own/.test(error.hint!));
  assert.equal((await currentTimeline(context.store, context.keys, ref))?.timeline, 't00000001');

  await claimEpoch(context.store, context.keys, ref.system, 'other', { why: 'test', takeOver: true });
  await claimEpoch(context.store, context.keys, ref.system, 'another', { why: 'test', takeOver: true });
  assert.equal((await round(context, seconds(30))).why, 'superseded');
});

test('an election ends the round, with all that was read stored', async (t) => {
  const place: EnginePlace = await enginePlace(t);
  const context = withSlices(place.context, 60_000, 64 * 1024);
  const client = await place.source.connect();
  const archive = startArchive(context);
  await things(client).insertMany(Array.from({ length: 50 }, (_, n) => ({ n })));
  const position = await positionNow(client);
  await until('it to be read', () => Number(place.progress.at(-1)?.['lagMs'] ?? 0) > 0);
  const seen = place.progress.length;
  // One more answer of the source: what it sent before is read by then.
  await until('another look', () => place.progress.length > seen + 1);
  await place.source.kill();
  const outcome = await archive.ended;
  assert.equal(outcome?.why, 'election');
  // The server may write a no-op of its own behind it, which is read and stored too.
  assert.ok(outcome.archivedTo >= position, `archived to ${outcome.archivedTo}, written to ${position}`);
});
