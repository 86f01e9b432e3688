import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Document, MongoClient } from 'mongodb';
import { HashSum } from '../../../../activities/engines/base/hash-sum.ts';
import { timestampOf } from '../../../../activities/engines/mongodb/bson-position.ts';
import { dumpGroup } from '../../../../activities/engines/mongodb/dump-group.ts';
import { listCollections } from '../../../../activities/engines/mongodb/list-collections.ts';
import { planDump } from '../../../../activities/engines/mongodb/plan-dump.ts';
import { planSchema } from '../../../../activities/engines/mongodb/plan.ts';
import { readManifest } from '../../../../activities/engines/base/read-base.ts';
import { readRange } from '../../../../activities/engines/mongodb/read-range.ts';
import { sealBackup } from '../../../../activities/engines/mongodb/seal-backup.ts';
import { readSigned } from '../../../../activities/store/signed-object.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import { backUp, backupInput, enginePlace, pointOf, ref, restore, type EnginePlace } from '../../../harness/engine-place.ts';
import { addSecondary } from '../../../harness/secondary.ts';

/** What a collection holds, counted and hashed by a scan of the test's own. */
async function scan(client: MongoClient, database: string, uuid: string, at: LogPosition | undefined): Promise<{ documents: number; hashSum: string }> {
  const sum = new HashSum();
  let documents = 0;
  const batches = readRange(client, { database, uuid, bounds: {}, natural: false, at: at === undefined ? undefined : timestampOf(at), after: undefined, readPreference: 'primary' });
  for await (const batch of batches) {
    for (const document of batch) sum.add(document);
    documents += batch.length;
  }
  return { documents, hashSum: sum.hex() };
}

const manifestOf = async (place: EnginePlace, summary: Awaited<ReturnType<typeof backUp>>): Promise<Manifest> =>
  await readManifest(place.context, pointOf(summary));

async function insertMany(client: MongoClient, ns: { db: string; collection: string }, documents: Document[]): Promise<void> {
  const collection = client.db(ns.db).collection(ns.collection);
  for (let at = 0; at < documents.length; at += 5_000) await collection.insertMany(documents.slice(at, at + 5_000), { ordered: false });
}

const letters = (count: number, bytes: number): Document[] =>
  Array.from({ length: count }, (_, i) => ({ _id: i as never, owner: `person ${i % 97}`, text: `letter ${i} `.padEnd(bytes, 'x'), n: i / 3 }));

/** Writes without a pause until it is told to stop. */
function keepWriting(client: MongoClient): { stop(): Promise<number> } {
  let stopped = false;
  let writes = 0;
  const collection = client.db('busy').collection<{ _id: number; n: number }>('letters');
  const running = (async () => {
    for (; !stopped; writes += 1) {
      await collection.updateOne({ _id: (writes * 7919) % 20_000 }, { $inc: { n: 1 } });
      await collection.insertOne({ _id: 1_000_000 + writes, n: writes });
      await collection.deleteOne({ _id: (writes * 31) % 20_000 });
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await running;
      return writes;
    },
  };
}

test('a dump while others write equals the source at one instant, and so does what is restored of it', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  await insertMany(source, { db: 'busy', collection: 'letters' }, letters(20_000, 1_500));
  await insertMany(source, { db: 'busy', collection: 'quiet' }, letters(100, 10));
  const writer = keepWriting(source);
  const plan = await planDump(place.context, backupInput('b1'));
  // Slow enough that much is written while it is read.
  const slow = place.attempt({ limits: { bytesPerSecond: 15_000_000 } });
  const groups = await Promise.all(plan.groups.map(async ({ group }) => await dumpGroup(slow, { ...ref, plan, epoch: 1, group })));
  const summary = await sealBackup(place.context, { ...ref, plan, epoch: 1, groups });
  assert.ok((await writer.stop()) > 50, 'the writer wrote all the time');

  const manifest = await manifestOf(place, summary);
  assert.equal(manifest.start, manifest.end);
  assert.deepEqual(summary.unproved, []);
  for (const unit of manifest.units) {
    const there = await scan(source, 'busy', unit.id, manifest.end);
    assert.deepEqual({ documents: unit.documents, hashSum: unit.hashSum }, there, unit.name);
  }
  await restore(place, summary);
  const target = await place.connectTarget();
  for (const unit of manifest.units) {
    assert.deepEqual(await scan(target, 'busy', unit.id, undefined), { documents: unit.documents, hashSum: unit.hashSum }, unit.name);
  }
  assert.deepEqual(await sealBackup(place.context, { ...ref, plan, epoch: 1, groups }), summary, 'sealing again adopts the manifest');
  const again = await planDump(place.context, backupInput('b1'));
  // By now nobody writes.
  assert.deepEqual({ ...again, quietWriteUs: plan.quietWriteUs }, plan, 'planning again adopts the plan');
});

test('an instant that cannot be read any more: the rest is read as it is now, and the manifest says so', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { setParameter: { minSnapshotHistoryWindowInSeconds: 0 } } });
  const source = await place.source.connect();
  await insertMany(source, { db: 'd', collection: 'c' }, letters(1_000, 100));
  const plan = await planDump(place.context, backupInput('b1'));
  const { readAt } = await readSigned(place.context.store, place.context.keys, planSchema, plan.plan);
  const { uuid } = (await listCollections(source, place.context.source))[0]!;
  // Without a window, the server forgets the instant as soon as it looks: wait until it has.
  for (let n = 0; ; n += 1) {
    await source.db('d').collection<Document>('c').insertOne({ _id: 1_000_000 + n as never }, { writeConcern: { w: 'majority' } });
    const error = await scan(source, 'd', uuid, readAt).then(() => undefined, (thrown: { code: number }) => thrown);
    if (error?.code === 239) break;
  }
  const groups = [await dumpGroup(place.context, { ...ref, plan, epoch: 1, group: plan.groups[0]!.group })];
  const summary = await sealBackup(place.context, { ...ref, plan, epoch: 1, groups });
  assert.deepEqual(summary.unproved.map(({ name }) => name), ['d.c']);
  assert.match(summary.unproved[0]!.why, /the instant could not be read any more: /);
  assert.ok(summary.end > readAt);
  const manifest = await manifestOf(place, summary);
  assert.equal(manifest.units[0]!.hashSum, null);
  assert.equal(manifest.units[0]!.documents, await source.db('d').collection('c').countDocuments());
});

test('a collection renamed, indexed or dropped after the plan is read by its UUID, fuzzily, and named', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  for (const collection of ['still', 'renamed', 'indexed', 'dropped']) await insertMany(source, { db: 'd', collection }, letters(500, 50));
  const plan = await planDump(place.context, backupInput('b1'));
  await source.db('d').renameCollection('renamed', 'new name');
  await source.db('d').collection('indexed').createIndex({ owner: 1 });
  await source.db('d').dropCollection('dropped');
  const groups = [await dumpGroup(place.context, { ...ref, plan, epoch: 1, group: plan.groups[0]!.group })];
  const summary = await sealBackup(place.context, { ...ref, plan, epoch: 1, groups });
  const manifest = await manifestOf(place, summary);
  const documents = Object.fromEntries(manifest.units.map((unit) => [unit.name, unit.documents]));
  assert.deepEqual(documents, { 'd.dropped': 0, 'd.indexed': 500, 'd.renamed': 500, 'd.still': 500 });
  const unproved = Object.fromEntries(summary.unproved.map(({ name, why }) => [name, why]));
  assert.equal(unproved['d.dropped'], 'it was dropped while it was read');
  assert.match(unproved['d.renamed']!, /instant/);
  assert.equal(unproved['d.still'], undefined);
});

test('an election while a range is read, or asked for, costs no second try: it is read on from its last document', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { setParameter: { enableTestCommands: true } } });
  const source = await place.source.connect();
  await insertMany(source, { db: 'd', collection: 'c' }, letters(3_500, 100));
  const { uuid } = (await listCollections(source, place.context.source))[0]!;
  const steppedDown = { notWritablePrimary: 10107, interrupted: 11602, notPrimaryNoSecondaryOk: 13435, notPrimaryOrSecondary: 13436 };
  for (const [name, errorCode] of Object.entries(steppedDown)) {
    for (const command of ['find', 'getMore']) {
      const backup = `${name}-${command}`;
      const plan = await planDump(place.context, backupInput(backup));
      const { readAt } = await readSigned(place.context.store, place.context.keys, planSchema, plan.plan);
      await source.db('admin').command({ configureFailPoint: 'failCommand', mode: { times: 2 }, data: { failCommands: [command], errorCode, appName: 'holdfast' } });
      const groups = [await dumpGroup(place.context, { ...ref, plan, epoch: 1, group: plan.groups[0]!.group })];
      const { count } = await source.db('admin').command({ configureFailPoint: 'failCommand', mode: 'off' });
      assert.ok(Number(count) >= 2, `${backup}: the server failed ${String(count)} commands`);
      const [unit] = (await manifestOf(place, await sealBackup(place.context, { ...ref, plan, epoch: 1, groups }))).units;
      assert.deepEqual({ documents: unit?.documents, hashSum: unit?.hashSum }, await scan(source, 'd', uuid, readAt), backup);
    }
  }
});

test('excluded namespaces, the server’s own databases and our notes are not in a base', async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  for (const ns of ['kept.a', 'kept.b', 'left.a', 'holdfast_control.claim']) {
    const [db, collection] = ns.split('.') as [string, string];
    await source.db(db).collection(collection).insertOne({ ns });
  }
  const summary = await backUp(place.attempt({ exclude: ['left', 'kept.b'] }), 'b1');
  assert.deepEqual((await manifestOf(place, summary)).units.map(({ name }) => name), ['kept.a']);
});

test('a secondary is read where there is one, and the primary is spared', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  await insertMany(source, { db: 'd', collection: 'c' }, letters(3_000, 100));
  await addSecondary(t, place.source);
  const admin = source.db('admin');

  const returnedBy = async (): Promise<number> => Number((await admin.command({ serverStatus: 1 }))['metrics'].document.returned);
  const before = await returnedBy();
  const summary = await backUp(place.context, 'b1');
  assert.equal(summary.documents, 3_000);
  assert.deepEqual(summary.unproved, []);
  assert.ok((await returnedBy()) - before < 1_000, 'the primary was asked for what only it knows');
});

test('a limit on bytes a second is kept', { timeout: 60_000 }, async (t) => {
  const place = await enginePlace(t);
  await insertMany(await place.source.connect(), { db: 'd', collection: 'c' }, letters(4_000, 1_000));
  const startedAtMs = Date.now();
  const summary = await backUp(place.attempt({ limits: { bytesPerSecond: 2_000_000 } }), 'b1');
  const tookMs = Date.now() - startedAtMs;
  assert.ok(tookMs >= (summary.plainBytes / 2_000_000) * 1000 * 0.9, `${summary.plainBytes} bytes in ${tookMs} ms`);
});

test('groups that are dumped side by side keep the source’s limit together', { timeout: 60_000 }, async (t) => {
  const place = await enginePlace(t);
  await insertMany(await place.source.connect(), { db: 'd', collection: 'c' }, letters(3_000, 1_000));
  const context = place.attempt({ limits: { bytesPerSecond: 3_000_000, connections: 1 } });
  // The same group twice: a second group begins at 64 MiB.
  const plans = await Promise.all(['b1', 'b2'].map(async (backup) => await planDump(context, backupInput(backup))));
  const startedAtMs = Date.now();
  const done = await Promise.all(plans.map(async (plan) => await dumpGroup(context, { ...ref, plan, epoch: 1, group: plan.groups[0]!.group, width: 2 })));
  const tookMs = Date.now() - startedAtMs;
  const plainBytes = done.reduce((sum, group) => sum + group.plainBytes, 0);
  assert.ok(tookMs >= (plainBytes / 3_000_000) * 1000 * 0.9, `${plainBytes} bytes in ${tookMs} ms`);
});

test('a target that holds data, another run’s target, and a flipped bit in a part are each refused by name', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  await insertMany(await place.source.connect(), { db: 'd', collection: 'c' }, letters(100, 100));
  const summary = await backUp(place.context, 'b1');
  await restore(place, summary);
  await assert.rejects(restore({ ...place, target: { ...place.target, run: 'run-2' } }, summary), { name: 'TargetNotEmpty', message: /run-1/ });

  const parts = (await readdir(place.storePath, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.parentPath.includes('/parts/'))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const part of parts) {
    const bytes = await readFile(part);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(part, bytes);
  }
  const other = await enginePlace(t);
  const damaged = { ...place, target: other.target, file: other.file, context: { ...other.context, store: place.context.store, keys: place.context.keys } };
  await assert.rejects(restore(damaged, summary), { name: 'Tampered', message: /parts\// });
});
