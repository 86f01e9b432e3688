import type { MongoClient } from 'mongodb';
import { controlCollections, controlDatabase } from '../control.ts';
import type { Operation } from '../oplog/oplog-entry.ts';
import { databaseOf } from '../oplog/oplog-entry.ts';
import { ElementCursor, bsonType, findElement, makeDocument, makeElement } from '../oplog/raw-elements.ts';

interface CataloguedCollection {
  ns: string;
  /** by name; raw, so that key patterns keep their order */
  indexes: Map<string, Buffer>;
}

/** Commands that only change indexes: applyOps refuses them, so they are folded into the catalogue and built at the end; drops are done at once. */
const dropCommands = ['dropIndexes', 'dropIndex', 'deleteIndexes', 'deleteIndex'];
const indexCommands = new Set(['createIndexes', 'startIndexBuild', 'commitIndexBuild', 'abortIndexBuild', ...dropCommands]);

export const isIndexCommand = (command: string): boolean => indexCommands.has(command);
export const isIndexDrop = (command: string): boolean => dropCommands.includes(command);

/**
 * Which secondary indexes each collection has at the replayed position. Seeded by the restore from the base's own
 * catalogue, folded over the log's commands, built once at the end. Folding twice gives the same.
 */
export class IndexCatalogue {
  readonly #collections = new Map<string, CataloguedCollection>();
  readonly #changed = new Set<string>();

  static async load(client: MongoClient): Promise<IndexCatalogue> {
    const catalogue = new IndexCatalogue();
    const documents = client.db(controlDatabase).collection(controlCollections.indexes).find({}, { raw: true });
    for await (const raw of documents) {
      const { id, collection } = readCollection(raw as unknown as Buffer);
      catalogue.#collections.set(id, collection);
    }
    return catalogue;
  }

  /** Takes one command of the log. Commands that concern no index leave it as it is. */
  fold(command: string, operation: Operation): void {
    const uuid = operation.ui ? uuidText(operation.ui) : null;
    switch (command) {
      case 'create': return this.#create(uuid, operation);
      case 'createIndexes': return this.#add(uuid, [specOf(operation.o)]);
      // A build counts from its commit on: one that never committed is absent.
      case 'commitIndexBuild': return this.#add(uuid, specsOf(operation.o));
      case 'dropIndexes': case 'dropIndex': case 'deleteIndexes': case 'deleteIndex': return this.#dropIndex(uuid, findElement(operation.o, 'index')?.text);
      case 'collMod': return this.#modify(uuid, operation.o);
      case 'renameCollection': return this.#rename(uuid, operation.o);
      case 'drop': return this.#forget(uuid);
      case 'dropDatabase':
        for (const [id, { ns }] of this.#collections) if (databaseOf(ns) === databaseOf(operation.ns)) this.#forget(id);
        return;
      default:
    }
  }

  /** The documents of `holdfast_control.indexes` that changed since the last call, as applyOps operations. */
  takeChanges(): Operation[] {
    const ns = `${controlDatabase}.${controlCollections.indexes}`;
    const operations = [...this.#changed].map((uuid): Operation => {
      const collection = this.#collections.get(uuid);
      return collection
        ? { op: 'i', ns, ui: null, o: writeCollection(uuid, collection), o2: null }
        : { op: 'd', ns, ui: null, o: makeDocument([stringElement('_id', uuid)]), o2: null };
    });
    this.#changed.clear();
    return operations;
  }

  #create(uuid: string | null, { ns, o }: Operation): void {
    const name = new ElementCursor(o);
    if (!uuid || !name.next() || this.#collections.has(uuid)) return;
    this.#collections.set(uuid, { ns: `${databaseOf(ns)}.${name.text}`, indexes: new Map() });
    this.#changed.add(uuid);
  }

  #add(uuid: string | null, specs: Buffer[]): void {
    const collection = this.#of(uuid);
    for (const spec of specs) collection?.indexes.set(nameOf(spec), spec);
  }

  #dropIndex(uuid: string | null, name: string | undefined): void {
    if (name !== undefined) this.#of(uuid)?.indexes.delete(name);
  }

  #modify(uuid: string | null, o: Buffer): void {
    const change = findElement(o, 'index')?.value;
    const name = change && findElement(change, 'name')?.text;
    const collection = this.#of(uuid);
    const spec = name === undefined ? undefined : collection?.indexes.get(name);
    if (change && name !== undefined && spec) collection!.indexes.set(name, modifySpec(spec, change));
  }

  #rename(uuid: string | null, o: Buffer): void {
    const target = findElement(o, 'dropTarget');
    if (target?.type === bsonType.binary) this.#forget(uuidText(target.value.subarray(5)));
    const to = findElement(o, 'to')?.text;
    const collection = this.#of(uuid);
    if (collection && to !== undefined) collection.ns = to;
  }

  #forget(uuid: string | null): void {
    if (uuid && this.#collections.delete(uuid)) this.#changed.add(uuid);
  }

  /** For changing it: what is handed out counts as changed. */
  #of(uuid: string | null): CataloguedCollection | undefined {
    const collection = uuid ? this.#collections.get(uuid) : undefined;
    if (collection) this.#changed.add(uuid!);
    return collection;
  }
}

/** `collMod` without what it says of an index, which the target does not have yet. */
export function withoutIndex(operation: Operation): Operation {
  if (!findElement(operation.o, 'index')) return operation;
  const elements: Buffer[] = [];
  for (const cursor = new ElementCursor(operation.o); cursor.next(); ) if (cursor.name !== 'index') elements.push(cursor.element);
  return { ...operation, o: makeDocument(elements) };
}

/** 16 bytes to lower-case hex with dashes. */
export function uuidText(ui: Buffer): string {
  const hex = ui.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const stringElement = (name: string, text: string): Buffer => {
  const bytes = Buffer.from(text);
  const value = Buffer.alloc(4 + bytes.length + 1);
  value.writeInt32LE(bytes.length + 1, 0);
  bytes.copy(value, 4);
  return makeElement(bsonType.string, name, value);
};

const nameOf = (spec: Buffer): string => findElement(spec, 'name')?.text ?? '';

/** `{createIndexes: <collection>, v, key, name, ...}`: the specification is all but the first field. */
function specOf(o: Buffer): Buffer {
  const elements: Buffer[] = [];
  const cursor = new ElementCursor(o);
  cursor.next();
  while (cursor.next()) if (cursor.name !== 'ns') elements.push(cursor.element);
  return makeDocument(elements);
}

function specsOf(o: Buffer): Buffer[] {
  const list = findElement(o, 'indexes');
  const specs: Buffer[] = [];
  if (list) for (const cursor = new ElementCursor(list.value); cursor.next(); ) specs.push(cursor.value);
  return specs;
}

/** `collMod`'s `index` over a specification: a flag that is set to false is taken away, as the server does. */
function modifySpec(spec: Buffer, change: Buffer): Buffer {
  const set = new Map<string, Buffer | null>();
  for (const cursor = new ElementCursor(change); cursor.next(); ) {
    const name = cursor.name;
    if (name === 'name' || name === 'keyPattern') continue;
    set.set(name, cursor.type === bsonType.boolean && !cursor.isTrue ? null : cursor.element);
    if (name === 'unique') set.set('prepareUnique', null);
  }
  const elements: Buffer[] = [];
  for (const cursor = new ElementCursor(spec); cursor.next(); ) {
    const name = cursor.name;
    const changed = set.get(name);
    set.delete(name);
    if (changed === undefined) elements.push(cursor.element);
    else if (changed) elements.push(changed);
  }
  for (const added of set.values()) if (added) elements.push(added);
  return makeDocument(elements);
}

function readCollection(raw: Buffer): { id: string; collection: CataloguedCollection } {
  const collection: CataloguedCollection = { ns: '', indexes: new Map() };
  let id = '';
  for (const cursor = new ElementCursor(raw); cursor.next(); ) {
    if (cursor.name === '_id') id = cursor.text;
    else if (cursor.name === 'ns') collection.ns = cursor.text;
    else if (cursor.name === 'indexes') {
      for (const spec = new ElementCursor(cursor.value); spec.next(); ) {
        // A copy: the driver reuses the batch's memory for nothing, but holds all of it for one index.
        const own = Buffer.from(spec.value);
        collection.indexes.set(nameOf(own), own);
      }
    }
  }
  return { id, collection };
}

function writeCollection(uuid: string, { ns, indexes }: CataloguedCollection): Buffer {
  const specs = [...indexes.values()].map((spec, index) => makeElement(bsonType.document, String(index), spec));
  return makeDocument([stringElement('_id', uuid), stringElement('ns', ns), makeElement(bsonType.array, 'indexes', makeDocument(specs))]);
}
