import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BSON, Binary, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID,
  type Db, type Document, type MongoClient,
} from 'mongodb';
import { promoteTarget } from '../../../../activities/engines/mongodb/promote-target.ts';
import type { Findings } from '../../../../activities/store/findings.ts';
import { verifyBase } from '../../../../activities/store/verify-base.ts';
import { backUp, enginePlace, ref, restore } from '../../../harness/engine-place.ts';

/** Written by applyOps, which alters nothing as long as it is not one act: a zero timestamp and an `_id` in the middle survive. */
async function applyInsert(client: MongoClient, ns: string, document: Document): Promise<void> {
  await client.db('admin').command({ applyOps: [{ op: 'i', ns, o: document }], allowAtomic: false });
}

async function fillEveryKind(client: MongoClient): Promise<void> {
  const db = client.db('kinds');
  await db.collection('types').insertMany(everyType());
  await db.createCollection('exact');
  await applyInsert(client, 'kinds.exact', { _id: 1, zero: new Timestamp(0n), nested: { zero: new Timestamp(0n) } });
  assert.equal(await db.collection('exact').countDocuments({ zero: new Timestamp(0n) }), 1, 'the source holds one');
  // As the application would come by them: two in one part.
  await db.collection<Document>('exact').insertMany([4, 5].map((_id) => ({ _id: _id as never, zero: new Timestamp(1n) })));
  await db.collection('exact').updateMany({ zero: new Timestamp(1n) }, { $set: { zero: new Timestamp(0n) } });
  await applyInsert(client, 'kinds.exact', { first: 'a', _id: 2, last: 'z' });
  await applyInsert(client, 'kinds.exact', { _id: 3, plain: 0.0, long: Long.ZERO });

  await db.createCollection('capped', { capped: true, size: 100_000, max: 50 });
  await db.collection<{ _id: number }>('capped').insertMany(Array.from({ length: 80 }, (_, i) => ({ _id: 1000 - i, n: i })));
  await db.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true, name: 'by id' } });
  await db.collection('clustered').insertMany(Array.from({ length: 300 }, (_, i) => ({ _id: new ObjectId(), i })));
  await db.createCollection('readings', { timeseries: { timeField: 'at', metaField: 'sensor', granularity: 'seconds' } });
  await db.collection('readings').insertMany(Array.from({ length: 500 }, (_, i) => ({ at: new Date(1_763_700_000_000 + i * 1000), sensor: i % 3, value: i / 7 })));
  await db.createCollection('collated', { collation: { locale: 'fr', strength: 1 } });
  await db.collection<Document>('collated').insertMany(['Éa', 'eb', 'Ec'].map((_id) => ({ _id: _id as never, name: _id })));
  await db.collection('collated').createIndex({ name: 1 });
  await db.collection('collated').createIndex({ name: -1 }, { name: 'simple', collation: { locale: 'simple' } });
  await db.createCollection('validated', { validator: { age: { $gte: 18 } }, validationLevel: 'moderate' });
  await db.collection('validated').insertMany([{ age: 3 }, { age: 40 }], { bypassDocumentValidation: true });
  await db.createCollection('young', { viewOn: 'types', pipeline: [{ $match: { _id: { $lt: 5 } } }] });
  await db.createCollection('empty');
  await db.createCollection('odd name: ☃ with.dots');
  await db.collection('odd name: ☃ with.dots').insertOne({ 'a.b': 1, '': 'empty', $dollar: 2 });
  await db.collection<{ _id: string }>('system.js').insertOne({ _id: 'twice', value: new BSON.Code('function (x) { return 2 * x }') } as never);
  await db.collection<Document>('large').insertMany([{ _id: 1 as never, bytes: new Binary(Buffer.alloc(16 * 1024 * 1024 - 60, 7)) }]);
  await applyInsert(client, 'kinds.large', { bytes: new Binary(Buffer.alloc(16 * 1024 * 1024 - 60, 8)), _id: 2 });
  await client.db('Second-db').collection('c').insertOne({ x: 1 });
  await fillIndexes(db);
}

function everyType(): Document[] {
  const id = new ObjectId();
  const values: unknown[] = [
    new Double(1), new Double(-0), new Double(Number.NaN), new Double(Infinity), 'text', '', 'snow ☃ \0 inside', {}, { a: { b: [1] } }, [], [[1], [2]],
    new Binary(Buffer.from([1, 2, 3])), new UUID(), new Binary(Buffer.from([9]), 128), id, true, false, new Date(0), new Date(-1), null,
    new BSON.BSONRegExp('^a.*b$', 'imx'), new BSON.DBRef('c', id), new BSON.Code('return 1'), new BSON.Code('return x', { x: 1 }), new BSON.BSONSymbol('s'),
    new Int32(7), new Timestamp({ t: 5, i: 6 }), Long.MAX_VALUE, Long.MIN_VALUE, Decimal128.fromString('1.10'), Decimal128.fromString('NaN'), new MinKey(), new MaxKey(),
  ];
  return values.map((value, _id) => ({ _id, value }));
}

async function fillIndexes(db: Db): Promise<void> {
  const c = db.collection('indexed');
  await c.insertMany(Array.from({ length: 200 }, (_, i) => ({ a: i, b: { c: i % 10 }, tags: [`t${i % 7}`], text: `word${i} common`, at: { type: 'Point', coordinates: [i % 90, i % 45] }, flat: [i % 90, i % 45], when: new Date() })));
  await c.createIndex({ a: 1 }, { unique: true });
  await c.createIndex({ 'b.c': -1, a: 1 }, { name: 'compound', hidden: true });
  await c.createIndex({ tags: 1 }, { sparse: true });
  await c.createIndex({ text: 'text' }, { weights: { text: 3 }, default_language: 'english' });
  await c.createIndex({ at: '2dsphere' });
  await c.createIndex({ flat: '2d' }, { bits: 20 });
  await c.createIndex({ a: 'hashed' });
  await c.createIndex({ 'b.$**': 1 });
  await c.createIndex({ when: 1 }, { expireAfterSeconds: 3600 });
  await c.createIndex({ a: -1 }, { partialFilterExpression: { a: { $gt: 50 } }, name: 'partial' });
  await c.createIndex({ text: 1 }, { collation: { locale: 'de' }, name: 'collated' });
  await db.collection('readings').createIndex({ sensor: 1, at: -1 });
}

/** dbHash of every database, and everything else that two equal servers agree on. */
async function fingerprint(client: MongoClient): Promise<Record<string, unknown>> {
  const print: Record<string, unknown> = {};
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true }) as { databases: { name: string }[] };
  for (const { name } of databases) {
    if (['config', 'local', 'admin', 'holdfast_control'].includes(name)) continue;
    const { collections, uuids } = await client.db(name).command({ dbHash: 1 }) as { collections: Document; uuids: Document };
    print[name] = { collections, uuids };
    for (const { name: collection, type, options } of await client.db(name).listCollections().toArray() as { name: string; type: string; options: Document }[]) {
      const indexes = type === 'view' ? [] : await client.db(name).collection(collection).listIndexes().toArray();
      const ids = collection === 'capped' ? await client.db(name).collection(collection).find({}, { projection: { _id: 1 } }).map(({ _id }) => _id).toArray() : [];
      print[`${name}.${collection}`] = { type, options, ids, indexes: indexes.sort((a, b) => (String(a['name']) < String(b['name']) ? -1 : 1)) };
    }
  }
  return JSON.parse(BSON.EJSON.stringify(print, { relaxed: false })) as Record<string, unknown>;
}

test('every kind of collection, document and index comes back equal, with users who can log in', { timeout: 180_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { auth: true } });
  const source = await place.source.connect();
  await fillEveryKind(source);
  await source.db('kinds').command({ createRole: 'reader of types', privileges: [{ resource: { db: 'kinds', collection: 'types' }, actions: ['find'] }], roles: [] });
  await source.db('kinds').command({ createUser: 'anna', pwd: 'a planted password', roles: ['reader of types'] });

  const summary = await backUp(place.context, 'b1');
  assert.deepEqual(summary.unproved.map(({ name }) => name), ['kinds.capped']);
  const found: Findings = { objects: 0, bytes: 0, parts: 0, slices: 0, entries: 0, problems: [] };
  assert.ok(await verifyBase(place.context, { ...ref, ...summary }, summary.manifest, found, { atOnce: 2, untilMs: Infinity }), JSON.stringify(found.problems));
  assert.equal(found.parts, summary.parts);
  const built = await restore(place, summary);
  assert.deepEqual(built.failed, []);

  const target = await place.connectTarget();
  const expected = await fingerprint(source);
  const restored = await fingerprint(target);
  assert.deepEqual(Object.keys(restored).sort(), Object.keys(expected).sort());
  for (const name of Object.keys(expected)) assert.deepEqual(restored[name], expected[name], name);

  const { sourceIdentity } = await promoteTarget(place.context, { target: place.target });
  assert.match(sourceIdentity, /^[0-9a-f]{24}$/);
  const again = await promoteTarget(place.context, { target: place.target });
  assert.equal(again.sourceIdentity, sourceIdentity);
  await assert.rejects(target.db('kinds').collection('types').findOne(), /auth/i);
  const { MongoClient } = await import('mongodb');
  const anna = await new MongoClient(place.context.system.environments['dr']!.endpoints['documents']!.uri, { auth: { username: 'anna', password: 'a planted password' }, authSource: 'kinds' }).connect();
  t.after(async () => await anna.close());
  assert.equal(await anna.db('kinds').collection('types').countDocuments(), everyType().length);
  await assert.rejects(anna.db('kinds').collection('indexed').findOne(), /not authorized/);
});
