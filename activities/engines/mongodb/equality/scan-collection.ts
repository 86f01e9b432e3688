import type { MongoClient } from 'mongodb';
import { HashSum } from '../../base/hash-sum.ts';
import { splitNamespace } from '../namespaces.ts';

/** Every document of a collection, raw, in batches. A view into the answer's memory: copy what is kept. */
export async function* scanCollection(client: MongoClient, ns: string): AsyncGenerator<Buffer[]> {
  const { database, collection } = splitNamespace(ns);
  const cursor = client.db(database).collection(collection).find({}, { raw: true, batchSize: 1000, hint: { $natural: 1 } });
  try {
    while (await cursor.hasNext()) yield cursor.readBufferedDocuments() as unknown as Buffer[];
  } finally {
    await cursor.close();
  }
}

/** Count and Σ SHA-256 of a collection as it is now. */
export async function sumCollection(client: MongoClient, ns: string, onBatch: (documents: number) => void): Promise<{ count: number; hashSum: string }> {
  const sum = new HashSum();
  let count = 0;
  for await (const documents of scanCollection(client, ns)) {
    for (const document of documents) sum.add(document);
    count += documents.length;
    onBatch(documents.length);
  }
  return { count, hashSum: sum.hex() };
}
