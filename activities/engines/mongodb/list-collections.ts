import { BSON, UUID, type Document, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Source } from '../../../workflows/domain/system.ts';
import { isBackedUp } from './namespaces.ts';
import { readOrdered } from './ordered-documents.ts';

/** A collection as the server's catalogue has it; its documents as `decodeOrdered` gives them. Views and time-series collections are documents of `system.views`. */
export interface ListedCollection {
  uuid: string;
  ns: string;
  database: string;
  collection: string;
  options: Document;
  /** absent for a clustered collection */
  idIndex: Document | undefined;
  /** committed secondary indexes; one that is still being built is not there yet */
  indexes: Document[];
  capped: boolean;
  clustered: boolean;
}

/** All collections that are part of a backup, by UUID, in the order of their names. */
export async function listCollections(client: MongoClient, source: Pick<Source, 'namespaces'>): Promise<ListedCollection[]> {
  // Whoever may not see all of them is refused; by default they would be left out in silence.
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true, authorizedDatabases: false }) as { databases: { name: string }[] };
  const listed: ListedCollection[] = [];
  for (const { name } of databases) {
    if (!isBackedUp(name, source)) continue;
    listed.push(...await listDatabase(client, name, source));
  }
  return listed.sort((a, b) => (a.ns < b.ns ? -1 : 1));
}

async function listDatabase(client: MongoClient, database: string, source: Pick<Source, 'namespaces'>): Promise<ListedCollection[]> {
  const listed: ListedCollection[] = [];
  for (const entry of await readOrdered(client, database, { listCollections: 1, filter: { type: 'collection' } })) {
    const collection = String(entry['name']);
    const ns = `${database}.${collection}`;
    if (!isBackedUp(ns, source)) continue;
    const options = entry['options'] as Document;
    const uuid = uuidOf((entry['info'] as Document)['uuid']);
    const indexes = await listIndexes(client, database, uuid);
    if (!indexes) continue;
    const capped = options['capped'] === true;
    listed.push({ uuid, ns, database, collection, options, idIndex: entry['idIndex'] as Document | undefined, indexes, capped, clustered: 'clusteredIndex' in options });
  }
  return listed;
}

/** Secondary indexes of a collection by UUID; undefined when it was dropped meanwhile. */
export async function listIndexes(client: MongoClient, database: string, uuid: string): Promise<Document[] | undefined> {
  try {
    const indexes = await readOrdered(client, database, { listIndexes: new UUID(uuid), includeBuildUUIDs: true });
    return indexes
      .filter((index) => !('buildUUID' in index) && !('clustered' in index))
      .filter((index) => index['name'] !== '_id_')
      .map(({ ns: _ns, ...spec }) => spec);
  } catch (error) {
    // A number that is not made plain, as all of this answer: compare its value.
    if (Number((error as { code?: unknown }).code) === 26) return undefined;
    throw error;
  }
}

/** UUID in lower-case hex with dashes, from whatever the driver made of it. */
export function uuidOf(value: unknown): string {
  if (value instanceof BSON.Binary && value.sub_type === BSON.Binary.SUBTYPE_UUID) return new UUID(value.buffer).toHexString();
  throw new HoldfastError('Unsupported', `a collection without UUID: ${String(value)}`);
}

/** Two listings agree on everything that a base says of a collection. */
export const sameCollection = (a: ListedCollection, b: ListedCollection): boolean =>
  BSON.EJSON.stringify(a, { relaxed: false }) === BSON.EJSON.stringify(b, { relaxed: false });
