import { UUID, type Document, type MongoClient } from 'mongodb';
import { readOrdered } from './ordered-documents.ts';

/** One collection as `listCollections` and `listIndexes` tell of it. */
export interface AskedCollection {
  ns: string;
  uuid: unknown;
  options: Document;
  /** committed ones, `_id_` among them */
  indexes: Document[];
}

/**
 * Every collection of the server, asked database by database and collection by collection: for a server whose feature version does
 * not know `$listCatalog`. Whoever may not see all databases is refused; by default they would be left out in silence.
 */
export async function listByDatabase(client: MongoClient): Promise<AskedCollection[]> {
  const { databases } = await client.db('admin').command({ listDatabases: 1, nameOnly: true, authorizedDatabases: false }) as { databases: { name: string }[] };
  const asked: AskedCollection[] = [];
  for (const { name: database } of databases) {
    for (const { name, options, info } of await readOrdered(client, database, { listCollections: 1, filter: { type: 'collection' } })) {
      const { uuid } = info as Document;
      const indexes = await listIndexes(client, database, uuid as UUID);
      if (indexes) asked.push({ ns: `${database}.${String(name)}`, uuid, options: options as Document, indexes });
    }
  }
  return asked;
}

/** Indexes of a collection by UUID; undefined when it was dropped meanwhile. */
async function listIndexes(client: MongoClient, database: string, uuid: UUID): Promise<Document[] | undefined> {
  try {
    const indexes = await readOrdered(client, database, { listIndexes: new UUID(uuid.buffer), includeBuildUUIDs: true });
    return indexes.filter((index) => !('buildUUID' in index) && !('clustered' in index)).map(({ ns: _ns, ...spec }) => spec);
  } catch (error) {
    // A number that is not made plain, as all of this answer: compare its value.
    if (Number((error as { code?: unknown }).code) === 26) return undefined;
    throw error;
  }
}
