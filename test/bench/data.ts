import type { AnyBulkWriteOperation, Document, MongoClient } from 'mongodb';
import { readSynsets } from '../../scripts/demo/parse-wordnet.ts';

/** What the source holds: text of WordNet in documents of an application, with indexes. The same for the same size. */
export const database = 'bench';

/** A small generator with a seed: the data of two runs is equal, and so is how well it compresses. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** from 0 up to, not including, `below` */
  below(below: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * below);
  }
}

type Make = (id: number) => Document;

interface Kind {
  collection: string;
  /** of all bytes */
  share: number;
  documentBytes: number;
  indexes: Document[];
}

const kinds: Kind[] = [
  { collection: 'articles', share: 0.6, documentBytes: 1_190, indexes: [{ slug: 1 }, { author: 1, writtenAt: -1 }] },
  { collection: 'events', share: 0.3, documentBytes: 352, indexes: [{ user: 1, at: 1 }] },
  { collection: 'users', share: 0.1, documentBytes: 520, indexes: [{ email: 1 }, { 'address.city': 1 }] },
];

export async function readTexts(): Promise<string[]> {
  return [...(await readSynsets()).values()].map(({ definition, examples }) => [definition, ...examples].join('. '));
}

function makers(texts: readonly string[], random: Random): Record<string, Make> {
  const text = (): string => texts[random.below(texts.length)]!;
  const words = (most: number): string[] => text().split(' ').slice(0, most);
  const moment = (): Date => new Date(1_700_000_000_000 + random.below(60_000_000) * 1000);
  const fill = (bytes: number): string => {
    let filled = '';
    while (filled.length < bytes) filled += `${text()} `;
    return filled.slice(0, bytes);
  };
  return {
    articles: (id) => ({
      _id: id, slug: `article-${id}`, author: random.below(5_000), writtenAt: moment(), tags: words(5), rating: random.below(1_000) / 7,
      body: fill(960), views: random.below(1_000_000), state: { published: id % 3 > 0, revision: 1 },
    }),
    events: (id) => ({ _id: id, user: random.below(50_000), at: moment(), kind: words(1)[0] ?? 'none', path: `/articles/${random.below(300_000)}`, agent: fill(190), took: random.below(90_000) / 13 }),
    users: (id) => ({ _id: id, email: `user-${id}@example.org`, name: words(2).join(' '), about: fill(300), address: { city: words(1)[0] ?? '', number: random.below(200) }, seenAt: moment(), roles: ['reader', 'writer'].slice(0, 1 + (id % 2)) }),
  };
}

export interface Loaded {
  documents: number;
  bytes: number;
}

/** Fills an empty source with about `bytes`, then builds the indexes. */
export async function loadData(client: MongoClient, bytes: number): Promise<Loaded> {
  const db = client.db(database);
  const make = makers(await readTexts(), new Random(7));
  for (const { collection, share, documentBytes, indexes } of kinds) {
    const documents = Math.max(200, Math.round((bytes * share) / documentBytes));
    const underWay: Promise<unknown>[] = [];
    for (let from = 0; from < documents; from += 2_000) {
      const batch = Array.from({ length: Math.min(2_000, documents - from) }, (_, index) => make[collection]!(from + index));
      underWay.push(db.collection(collection).insertMany(batch, { ordered: false, writeConcern: { w: 1 } }));
      if (underWay.length >= 3) await underWay.shift();
    }
    await Promise.all(underWay);
    for (const key of indexes) await db.collection(collection).createIndex(key as Record<string, 1 | -1>);
  }
  let loaded: Loaded = { documents: 0, bytes: 0 };
  for (const { collection } of kinds) {
    const { count, size } = await db.command({ collStats: collection }) as { count: number; size: number };
    loaded = { documents: loaded.documents + count, bytes: loaded.bytes + size };
  }
  return loaded;
}

/** Ids of what the log inserts begin here. */
const firstNewId = 10_000_000;

/** Writes that make about `entries` entries of the log: inserts, updates, deletes, and transactions of ten writes. @param from - how many were written before. */
export async function writeLog(client: MongoClient, entries: number, from = 0): Promise<void> {
  const db = client.db(database);
  const random = new Random(11 + from);
  const make = makers(await readTexts(), random);
  const existing = await Promise.all(kinds.map(async ({ collection }) => await db.collection(collection).estimatedDocumentCount()));
  for (let done = from; done < from + entries;) {
    const writes = Math.min(1_000, from + entries - done);
    const kind = random.below(kinds.length);
    const { collection } = kinds[kind]!;
    const batch = Array.from({ length: writes }, (_, index) => writeOf(random, make[collection]!, existing[kind]!, firstNewId + done + index));
    await db.collection<{ _id: number }>(collection).bulkWrite(batch, { ordered: false, writeConcern: { w: 1 } });
    done += writes;
    if (random.below(4) === 0) {
      await transact(client, random, firstNewId * 2 + done * 10, make);
      done += 1;
    }
  }
}

/** Four in ten are inserts, five are updates of a document from before, one is a delete of one that was inserted lately. */
function writeOf(random: Random, make: Make, existing: number, newId: number): AnyBulkWriteOperation<{ _id: number }> {
  const kind = random.below(10);
  if (kind < 4) return { insertOne: { document: make(newId) as { _id: number } } };
  const _id = random.below(existing);
  if (kind < 9) return { updateOne: { filter: { _id }, update: { $set: { changedAt: new Date(), [`extra${newId % 3}`]: newId }, $inc: { changes: 1 } } } };
  return { deleteOne: { filter: { _id } } };
}

async function transact(client: MongoClient, random: Random, newId: number, make: Record<string, Make>): Promise<void> {
  await client.withSession(async (session) => {
    await session.withTransaction(async () => {
      const of = (name: string) => client.db(database).collection<{ _id: number }>(name);
      for (let write = 0; write < 5; write += 1) {
        await of('events').insertOne(make['events']!(newId + write) as { _id: number }, { session });
        await of('articles').updateOne({ _id: random.below(1_000) }, { $inc: { views: 1 } }, { session });
      }
    });
  });
}

/** What must be equal on two servers that hold the same data. */
export async function hashOf(client: MongoClient): Promise<string> {
  const { md5 } = await client.db(database).command({ dbHash: 1, collections: kinds.map(({ collection }) => collection) }) as { md5: string };
  return md5;
}
