import { randomFillSync } from 'node:crypto';
import { Binary, BSON, UUID, type AnyBulkWriteOperation, type MongoClient } from 'mongodb';
import { WireConnection } from '../../activities/engines/mongodb/wire.ts';
import { readSynsets } from '../../scripts/demo/parse-wordnet.ts';
import { mib } from '../../workflows/domain/units.ts';

export const database = 'scale';
const large = ['articles', 'events', 'blobs'] as const;
/** Of each document this many bytes cannot be compressed, and as many are text. */
const halfBytes = 500;
const batchDocuments = 4_000;
const writers = 3;
const pool = randomFillSync(Buffer.alloc(mib(64)));

type Doc = { _id: number };

/** A view somewhere into the pool: zstd looks back less far than where the same bytes come again. */
const noiseAt = (): number => Math.floor(Math.random() * (pool.length - halfBytes));

async function readTexts(): Promise<string[]> {
  const sentences = [...(await readSynsets()).values()].map(({ definition, examples }) => [definition, ...examples].join('. '));
  return Array.from({ length: 500 }, (_, at) => sentences.slice(at * 40, at * 40 + 40).join(' ').slice(0, halfBytes));
}

const documentOf = (_id: number, text: string): Doc & Record<string, unknown> => {
  const at = noiseAt();
  return { _id, owner: _id % 5_000, at: new Date(momentOf(_id)), views: 0, text, noise: new Binary(pool.subarray(at, at + halfBytes)) };
};
const momentOf = (_id: number): number => 1_700_000_000_000 + _id * 1_000;

/** Documents encoded once for each text; what differs is written into a copy. Encoding each by itself took as long as the server's own work. */
class Template {
  readonly #of: { bytes: Buffer; _id: number; owner: number; at: number; noise: number }[];

  constructor(texts: readonly string[]) {
    this.#of = texts.map((text) => {
      const bytes = Buffer.from(BSON.serialize(documentOf(0, text)));
      const behind = (head: string): number => bytes.indexOf(Buffer.from(head, 'latin1')) + head.length;
      return { bytes, _id: behind('\x10_id\0'), owner: behind('\x10owner\0'), at: behind('\x09at\0'), noise: behind('\x05noise\0') + 5 };
    });
  }

  make(_id: number): Buffer {
    const template = this.#of[_id % this.#of.length]!;
    const bytes = Buffer.from(template.bytes);
    bytes.writeInt32LE(_id, template._id);
    bytes.writeInt32LE(_id % 5_000, template.owner);
    bytes.writeBigInt64LE(BigInt(momentOf(_id)), template.at);
    const from = noiseAt();
    pool.copy(bytes, template.noise, from, from + halfBytes);
    return bytes;
  }
}

/** Connections that take documents as they are, one for each writer. */
async function withWires<T>(client: MongoClient, use: (insert: (collection: string, documents: readonly Buffer[]) => Promise<void>) => Promise<T>): Promise<T> {
  const [host, port] = client.options.hosts[0]!.toString().split(':');
  const wires = await Promise.all(Array.from({ length: writers }, async () => await WireConnection.connect(host!, Number(port))));
  const idle = [...wires];
  try {
    return await use(async (collection, documents) => {
      const wire = idle.pop()!;
      const reply = await wire.run({ insert: collection, ordered: false, writeConcern: { w: 1 }, $db: database }, { field: 'documents', documents: [Buffer.concat(documents)] });
      if (reply['n'] !== documents.length) throw new Error(`${collection}: ${String(reply['n'])} of ${documents.length} documents were taken`);
      idle.push(wire);
    });
  } finally {
    for (const wire of wires) wire.close();
  }
}

/** Does `work` for the numbers below `count`, `atOnce` side by side. */
async function forEachNumber(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (next < count) await work((next += 1) - 1);
  }));
}

export interface Loaded {
  documents: number;
  bytes: number;
}

/** About `bytes` in three large collections with an index each, beside `collections` small ones with three documents each. */
export async function loadData(client: MongoClient, of: { bytes: number; collections: number }, say: (line: string) => void): Promise<Loaded> {
  const texts = await readTexts();
  const template = new Template(texts);
  const documentBytes = template.make(1).length;
  const each = Math.ceil(of.bytes / documentBytes / large.length);
  const batches = Math.ceil(each / batchDocuments);
  const db = client.db(database);
  for (const name of large) await db.collection(name).createIndex({ owner: 1 });
  const everyTenth = Math.ceil((batches * large.length) / 10);
  await withWires(client, async (insert) => await forEachNumber(batches * large.length, writers, async (n) => {
    const from = Math.floor(n / large.length) * batchDocuments;
    await insert(large[n % large.length]!, Array.from({ length: Math.min(batchDocuments, each - from) }, (_, at) => template.make(from + at)));
    if (n % everyTenth === everyTenth - 1) say(`  ${Math.round((100 * (n + 1)) / (batches * large.length))} % loaded`);
  }));
  await loadSmall(client, of.collections, texts);
  return { documents: each * large.length + of.collections * 3, bytes: each * large.length * documentBytes };
}

const madeTogether = 200;

/** A hundred and more by one command: by themselves thousands of collections would take longer than what is measured on them. Every tenth has an index. */
async function loadSmall(client: MongoClient, collections: number, texts: readonly string[]): Promise<void> {
  const placeOf = (n: number): { db: string; name: string } => ({ db: `${database}_small${n % 20}`, name: `customer ${n}` });
  const admin = client.db('admin');
  for (let from = 0; from < collections; from += madeTogether) {
    const made = Array.from({ length: Math.min(madeTogether, collections - from) }, (_, at) => ({ n: from + at, ui: new UUID(), ...placeOf(from + at) }));
    await admin.command({ applyOps: made.map(({ ui, db, name }) => ({ op: 'c', ns: `${db}.$cmd`, ui, o: { create: name, idIndex: { v: 2, key: { _id: 1 }, name: '_id_' } } })) });
    await admin.command({ applyOps: made.flatMap(({ n, ui, db, name }) => [0, 1, 2].map((_id) => ({ op: 'i', ns: `${db}.${name}`, ui, o: { _id, n, text: texts[n % texts.length] } }))) });
  }
  await forEachNumber(Math.ceil(collections / 10), 8, async (tenth) => {
    const { db, name } = placeOf(tenth * 10);
    await client.db(db).collection(name).createIndex({ n: 1 });
  });
}

/** Ids of what the log inserts begin here. */
const firstNewId = 1_000_000_000;
const batchEntries = 1_000;

/**
 * Writes that make `entries` entries of the log, of a thousand at a time: most logs are long because of small changes. Of ten batches two
 * insert small documents, one deletes what was inserted, one updates single documents anywhere, and six update neighbours by one command each, which makes an
 * entry for each document all the same. Now and then a transaction.
 * @returns how many it made.
 */
export async function writeLog(client: MongoClient, entries: number, say: (line: string) => void): Promise<number> {
  const texts = await readTexts();
  const db = client.db(database);
  const existing = await db.collection(large[0]).estimatedDocumentCount();
  const everyTenth = Math.ceil(entries / 10);
  let written = 0;
  const note = (more: number): void => {
    if (Math.floor((written + more) / everyTenth) > Math.floor(written / everyTenth)) say(`  ${Math.min(100, Math.round((100 * (written + more)) / entries))} % written`);
    written += more;
  };
  const newId = (n: number): number => firstNewId + n * batchEntries;
  await withWires(client, async (insert) => {
    const batch = async (n: number): Promise<number> => {
      const name = large[Math.floor(n / 10) % large.length]!;
      const collection = db.collection<Doc>(name);
      const kind = n % 10;
      if (kind < 2) {
        await insert(name, Array.from({ length: batchEntries }, (_, at) => smallDocument(newId(n) + at, texts)));
        return batchEntries;
      }
      if (kind === 9) return (await collection.deleteMany({ _id: { $gte: newId(n - 9), $lt: newId(n - 8) } })).deletedCount;
      if (kind === 8) return (await collection.bulkWrite(Array.from({ length: batchEntries }, () => updateOf(Math.floor(Math.random() * existing))), { ordered: false })).modifiedCount;
      const from = Math.floor(Math.random() * Math.max(1, existing - batchEntries));
      return (await collection.updateMany({ _id: { $gte: from, $lt: from + batchEntries } }, { $inc: { views: 1 } })).modifiedCount;
    };
    let next = 0;
    await Promise.all(Array.from({ length: writers }, async () => {
      while (written < entries) {
        const n = (next += 1) - 1;
        note(await batch(n));
        if (n % 50 === 0) await transact(client, 2 * firstNewId + n * 10, texts);
      }
    }));
  });
  return written;
}

const smallDocument = (_id: number, texts: readonly string[]): Buffer =>
  Buffer.from(BSON.serialize({ _id, owner: _id % 5_000, text: texts[_id % texts.length]!.slice(0, 80) }));

const updateOf = (_id: number): AnyBulkWriteOperation<Doc> => ({ updateOne: { filter: { _id }, update: { $inc: { views: 1 } } } });

async function transact(client: MongoClient, newId: number, texts: readonly string[]): Promise<void> {
  await client.withSession(async (session) => await session.withTransaction(async () => {
    for (const name of large) await client.db(database).collection<Doc>(name).insertOne(documentOf(newId, texts[0]!), { session });
  }));
}
