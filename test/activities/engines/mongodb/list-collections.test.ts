import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UUID, type Document, type MongoClient } from 'mongodb';
import { listCollections } from '../../../../activities/engines/mongodb/list-collections.ts';
import { readOrdered, stringifyOrdered } from '../../../../activities/engines/mongodb/ordered-documents.ts';
import { startMongod } from '../../../harness/mongod.ts';

async function makeEveryKind(client: MongoClient): Promise<void> {
  const db = client.db('d');
  await db.collection('plain').insertOne({ a: 1 });
  await db.command({ createIndexes: 'plain', indexes: [
    { key: new Map([['a', 1], ['2024', -1]]), name: 'with a number' }, { key: { t: 1 }, name: 'ttl', expireAfterSeconds: 60, hidden: true },
    { key: { u: 1 }, name: 'unique', unique: true, partialFilterExpression: { u: { $gt: 5 } } }, { key: { '$**': 1 }, name: 'wild', wildcardProjection: { x: 1 } },
    { key: { text: 'text' }, name: 'text', weights: { text: 3 }, default_language: 'french' }, { key: { place: '2dsphere' }, name: 'place' }, { key: { h: 'hashed' }, name: 'hashed' },
  ] });
  await db.createCollection('capped', { capped: true, size: 4096, max: 7 });
  await db.createCollection('clustered', { clusteredIndex: { key: { _id: 1 }, unique: true, name: 'by id' } });
  await db.createCollection('series', { timeseries: { timeField: 'at', metaField: 'm' }, expireAfterSeconds: 3600 });
  await db.collection('series').createIndex({ m: 1, at: 1 });
  await db.createCollection('collated', { collation: { locale: 'fr', strength: 1 } });
  await db.collection('collated').createIndex({ n: 1 }, { name: 'inherits' });
  await db.createCollection('validated', { validator: { a: { $gt: 0 } }, validationLevel: 'moderate', validationAction: 'warn' });
  await db.createCollection('images', { changeStreamPreAndPostImages: { enabled: true } });
  await db.createCollection('view', { viewOn: 'plain', pipeline: [] });
  await client.db('other').createCollection('odd name: ☃ with.dots');
}

/** The order of an index's options says nothing, and differs; that of its keys does. */
const sorted = (spec: Document): Document => Object.fromEntries(Object.entries(spec).sort(([a], [b]) => (a < b ? -1 : 1)));

/** The same, asked collection by collection: what listCollections and listIndexes say. */
async function listOneByOne(client: MongoClient): Promise<string[]> {
  const listed: string[] = [];
  for (const database of ['d', 'other']) {
    for (const { name, options, info, idIndex } of await readOrdered(client, database, { listCollections: 1, filter: { type: 'collection' } })) {
      const uuid = new UUID(((info as Document)['uuid'] as { buffer: Uint8Array }).buffer).toHexString();
      const indexes = (await readOrdered(client, database, { listIndexes: new UUID(uuid) })).filter((spec) => spec['name'] !== '_id_' && !('clustered' in spec));
      listed.push(stringifyOrdered({ ns: `${database}.${String(name)}`, uuid, options: options as Document, idIndex: (idIndex ?? null) as Document | null, indexes: indexes.map(sorted) }));
    }
  }
  return listed.sort();
}

test('one question to the catalogue says of every kind of collection what asking one by one says', async (t) => {
  const client = await (await startMongod(t, { replicaSet: 'rs0' })).connect();
  await makeEveryKind(client);
  const listed = await listCollections(client, { namespaces: { exclude: [] } });
  const ours = listed.filter(({ database }) => database !== 'admin')
    .map(({ ns, uuid, options, idIndex, indexes }) => stringifyOrdered({ ns, uuid, options, idIndex: idIndex ?? null, indexes: indexes.map(sorted) }));
  assert.deepEqual(ours.sort(), await listOneByOne(client));
  assert.ok(ours.length >= 9, `${ours.length} collections`);
  assert.deepEqual(listed.map(({ ns }) => ns), listed.map(({ ns }) => ns).sort());
  assert.deepEqual(listed.filter(({ capped }) => capped).map(({ ns }) => ns), ['d.capped']);
});
