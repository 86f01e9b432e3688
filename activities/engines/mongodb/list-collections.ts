import { BSON, UUID, type Document, type MongoClient } from 'mongodb';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Source } from '../../../workflows/domain/system.ts';
import { listByDatabase, type AskedCollection } from './list-by-database.ts';
import { isBackedUp, splitNamespace } from './namespaces.ts';
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

/**
 * All collections that are part of a backup, by UUID, in the order of their names: one question for all of them, however many
 * there are, answered from the server's own catalogue. Whoever may not see all of them is refused.
 */
export async function listCollections(client: MongoClient, source: Pick<Source, 'namespaces'>): Promise<ListedCollection[]> {
  const listed = (await readCatalogue(client)).filter(({ ns }) => isBackedUp(ns, source));
  return listed.sort((a, b) => (a.ns < b.ns ? -1 : 1));
}

/** What a server answers whose feature version is below 6.0, as it is after an upgrade until somebody raises it. */
const notAllowedCode = 224;

/** Every collection of the server, its own included. @source MongoDB manual, $listCatalog (6.0) */
export async function readCatalogue(client: MongoClient): Promise<ListedCollection[]> {
  const pipeline = [{ $listCatalog: {} }, { $match: { type: 'collection' } }, { $project: { ns: 1, 'md.options': 1, 'md.indexes.spec': 1, 'md.indexes.ready': 1 } }];
  try {
    const entries = await readOrdered(client, 'admin', { aggregate: 1, pipeline, cursor: { batchSize: 10_000 } });
    return entries.map(({ ns, md }) => {
      const { options: { uuid, ...options }, indexes = [] } = md as { options: Document; indexes?: { spec: Document; ready: boolean }[] };
      return listedOf({ ns: String(ns), uuid, options, indexes: indexes.filter(({ ready }) => ready).map(({ spec: { ns: _ns, ...spec } }) => spec as Document) });
    });
  } catch (error) {
    if (Number((error as { code?: unknown }).code) !== notAllowedCode) throw error;
    return (await listByDatabase(client)).map(listedOf);
  }
}

function listedOf({ ns, uuid, options, indexes }: AskedCollection): ListedCollection {
  return {
    uuid: uuidOf(uuid),
    ns,
    ...splitNamespace(ns),
    options,
    idIndex: indexes.find(({ name }) => name === '_id_'),
    indexes: indexes.filter(({ name }) => name !== '_id_'),
    capped: options['capped'] === true,
    clustered: 'clusteredIndex' in options,
  };
}

/** UUID in lower-case hex with dashes, from whatever the driver made of it. */
export function uuidOf(value: unknown): string {
  if (value instanceof BSON.Binary && value.sub_type === BSON.Binary.SUBTYPE_UUID) return new UUID(value.buffer).toHexString();
  throw new HoldfastError('Unsupported', `a collection without UUID: ${String(value)}`);
}

/** Two listings agree on everything that a base says of a collection. */
export const sameCollection = (a: ListedCollection, b: ListedCollection): boolean =>
  BSON.EJSON.stringify(a, { relaxed: false }) === BSON.EJSON.stringify(b, { relaxed: false });
