import { randomFillSync } from 'node:crypto';
import { Binary, BSON, type AnyBulkWriteOperation, type MongoClient } from 'mongodb';
import { readSynsets } from '../../scripts/demo/parse-wordnet.ts';
import { mib } from '../../workflows/domain/units.ts';

export const database = 'scale';
const large = ['articles', 'events', 'blobs'] as const;
/** Of each document this many bytes cannot be compressed, and as many are text. */
const halfBytes = 500;
const batchDocuments = 2_000;
const writers = 3;
const pool = randomFillSync(Buffer.alloc(mib(64)));

type Doc = { _id: number };

/** A view somewhere into the pool: zstd looks back less far than where the same bytes come again. */
const noise = (): Buffer => {
  const at = Math.floor(Math.random() * (pool.length - halfBytes));
  return pool.subarray(at, at + halfBytes);
};

async function readTexts(): Promise<string[]> {
  const sentences = [...(await readSynsets()).values()].map(({ definition, examples }) => [definition, ...examples].join('. '));
  return Array.from({ length: 500 }, (_, at) => sentences.slice(at * 40, at * 40 + 40).join(' ').slice(0, halfBytes));
}

const documentOf = (_id: number, texts: readonly string[]): Doc & Record<string, unknown> =>
  ({ _id, owner: _id % 5_000, at: new Date(1_700_000_000_000 + _id * 1_000), views: 0, text: texts[_id % texts.length], noise: new Binary(noise()) });

/** Does `work` for the numbers below `count`, `atOnce` side by side. */
export async function forEachNumber(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < count) await work((next += 1) - 1);
  }));
}

export interface Loaded {
  documents: number;
  bytes: number;
}

/** About `bytes` in three large collections with an index each, beside `collections` small ones with three documents and an index each. */
export async function loadData(client: MongoClient, of: { bytes: number; collections: number }, say: (line: string) => void): Promise<Loaded> {
  const texts = await readTexts();
  const documentBytes = BSON.calculateObjectSize(documentOf(1, texts));
  const each = Math.ceil(of.bytes / documentBytes / large.length);
  const batches = Math.ceil(each / batchDocuments);
  const db = client.db(database);
  for (const name of large) await db.collection(name).createIndex({ owner: 1 });
  const everyTenth = Math.ceil((batches * large.length) / 10);
  await forEachNumber(batches * large.length, writers, async (n) => {
    const from = Math.floor(n / large.length) * batchDocuments;
    const documents = Array.from({ length: Math.min(batchDocuments, each - from) }, (_, at) => documentOf(from + at, texts));
    await db.collection<Doc>(large[n % large.length]!).insertMany(documents, { ordered: false, writeConcern: { w: 1 } });
    if (n % everyTenth === everyTenth - 1) say(`  ${Math.round((100 * (n + 1)) / (batches * large.length))} % loaded`);
  });
  await forEachNumber(of.collections, 8, async (n) => {
    const collection = client.db(`${database}_small${n % 20}`).collection<Doc>(`customer ${n}`);
    await collection.createIndex({ n: 1 });
    await collection.insertMany([0, 1, 2].map((_id) => ({ _id, n, text: texts[n % texts.length] }) as Doc), { writeConcern: { w: 1 } });
  });
  return { documents: each * large.length + of.collections * 3, bytes: each * large.length * documentBytes };
}

/** Ids of what the log inserts begin here. */
const firstNewId = 1_000_000_000;

/** Writes that make `entries` entries of the log: inserts, updates and deletes, and now and then a transaction. */
export async function writeLog(client: MongoClient, entries: number, say: (line: string) => void): Promise<void> {
  const texts = await readTexts();
  const db = client.db(database);
  const existing = await db.collection(large[0]).estimatedDocumentCount();
  const batches = Math.ceil(entries / 1_000);
  const everyTenth = Math.ceil(batches / 10);
  await forEachNumber(batches, writers, async (n) => {
    const writes = Array.from({ length: Math.min(1_000, entries - n * 1_000) }, (_, at) => writeOf(firstNewId + n * 1_000 + at, existing, texts));
    await db.collection<Doc>(large[n % large.length]!).bulkWrite(writes, { ordered: false, writeConcern: { w: 1 } });
    if (n % 50 === 0) await transact(client, 2 * firstNewId + n * 100, texts);
    if (n % everyTenth === everyTenth - 1) say(`  ${Math.round((100 * (n + 1)) / batches)} % written`);
  });
}

/** Two in ten are inserts of small documents, seven are updates, one is a delete: most logs are long because of small changes. */
function writeOf(newId: number, existing: number, texts: readonly string[]): AnyBulkWriteOperation<Doc> {
  const kind = newId % 10;
  if (kind < 2) return { insertOne: { document: { _id: newId, owner: newId % 5_000, text: texts[newId % texts.length]!.slice(0, 80) } as Doc } };
  const _id = Math.floor(Math.random() * existing);
  return kind < 9 ? { updateOne: { filter: { _id }, update: { $inc: { views: 1 } } } } : { deleteOne: { filter: { _id } } };
}

async function transact(client: MongoClient, newId: number, texts: readonly string[]): Promise<void> {
  await client.withSession(async (session) => await session.withTransaction(async () => {
    for (const name of large) await client.db(database).collection<Doc>(name).insertOne(documentOf(newId, texts), { session });
  }));
}
