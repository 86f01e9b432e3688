import { randomUUID } from 'node:crypto';
import { BSON, Int32, type Document } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { Source } from '../../../../workflows/domain/system.ts';
import { isBackedUp } from '../namespaces.ts';
import { sendable } from '../ordered-documents.ts';
import type { UnitDetail } from '../plan.ts';
import { nameOf, type PreludeEntry } from './archive-format.ts';
import { parseMetadata, toDetail, type Metadata } from './metadata.ts';
import { bucketIndex, bucketOptions, bucketsPrefix, bucketView } from './time-series.ts';

/** One collection that a dump holds, as the server's catalogue would have it. */
export interface DumpedCollection {
  /** UUID; undefined where the dump does not say it */
  uuid: string | undefined;
  ns: string;
  detail: UnitDetail;
}

/** What a dump's prelude amounts to. */
export interface DumpedCollections {
  collections: DumpedCollection[];
  /** namespace in the dump → the collection that its documents belong to */
  homes: Map<string, string>;
  /** documents of `system.views`, which a dump does not hold, by its namespace */
  views: Map<string, Buffer[]>;
  leftOut: string[];
}

export const logNamespace = 'oplog';
/** The server's own settings: its feature version stands there. */
export const isSettings = (ns: string): boolean => ns === 'admin.system.version' || ns.endsWith('.$admin.system.version');

const idIndex = { v: new Int32(2), key: { _id: new Int32(1) }, name: '_id_' };
const userIndexes: Record<string, Document> = {
  'admin.system.users': { v: new Int32(2), key: { user: new Int32(1), db: new Int32(1) }, name: 'user_1_db_1', unique: true },
  'admin.system.roles': { v: new Int32(2), key: { role: new Int32(1), db: new Int32(1) }, name: 'role_1_db_1', unique: true },
};

/** @throws BadInput - metadata is missing or unreadable, or a namespace comes twice; names it. */
export function dumpedCollections(entries: readonly PreludeEntry[], source: Pick<Source, 'namespaces'>, where: string): DumpedCollections {
  const found: DumpedCollections = { collections: [], homes: new Map(), views: new Map(), leftOut: [] };
  const known = new Map<string, DumpedCollection>();
  const add = (collection: DumpedCollection): void => {
    if (known.has(collection.ns)) throw new HoldfastError('BadInput', `${where}: expected each collection once, found ${collection.ns} twice`);
    known.set(collection.ns, collection);
    found.collections.push(collection);
  };
  for (const entry of entries) {
    const name = nameOf(entry);
    if (entry.db === '' || isSettings(name)) continue;
    const foreign = /^\$(admin\.system\.(?:users|roles))$/.exec(entry.collection)?.[1];
    if (foreign) {
      found.homes.set(name, foreign);
      if (!known.has(foreign)) add({ uuid: undefined, ns: foreign, detail: { options: {}, idIndex, indexes: [userIndexes[foreign]!] } });
      continue;
    }
    if (entry.metadata === '') throw new HoldfastError('BadInput', `${where}: expected metadata of ${name} (its options and indexes), found none`);
    if (!isBackedUp(name, source)) {
      found.leftOut.push(name);
      continue;
    }
    addDescribed(entry, parseMetadata(entry.metadata, `${where}: metadata of ${name}`), found, add);
  }
  return found;
}

function addDescribed(entry: PreludeEntry, metadata: Metadata, found: DumpedCollections, add: (collection: DumpedCollection) => void): void {
  const { db, collection } = entry;
  const name = nameOf(entry);
  const type = metadata.type || entry.type;
  if (type === 'view') {
    addView(found, add, db, { _id: name, ...metadata.options });
    return;
  }
  if (type === 'timeseries') {
    const ns = `${db}.${bucketsPrefix}${collection}`;
    const { options, indexes } = metadata;
    add({ uuid: metadata.uuid, ns, detail: { options: bucketOptions(options), idIndex: null, indexes: indexes.map((spec) => bucketIndex(spec, options['timeseries'] as Document)) } });
    found.homes.set(ns, ns);
    addView(found, add, db, bucketView(db, collection, options));
    return;
  }
  add({ uuid: metadata.uuid, ns: name, detail: toDetail(metadata) });
  found.homes.set(name, name);
}

function addView(found: DumpedCollections, add: (collection: DumpedCollection) => void, db: string, definition: Document): void {
  const ns = `${db}.system.views`;
  if (!found.views.has(ns)) {
    found.views.set(ns, []);
    add({ uuid: undefined, ns, detail: { options: {}, idIndex, indexes: [] } });
  }
  found.views.get(ns)!.push(Buffer.from(BSON.serialize(sendable(definition) as Document)));
}

export const newUuid = (): string => randomUUID();
