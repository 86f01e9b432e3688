import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { HashSum } from '../hash.ts';
import { commandOf, databaseOf, type Operation } from '../oplog/oplog-entry.ts';
import { ElementCursor, bsonType, findElement } from '../oplog/raw-elements.ts';
import { decodeDetail } from '../plan.ts';
import { uuidText } from '../replay/index-catalogue.ts';
import { applyUpdate, replaceDocument } from './apply-update.ts';
import { baseDocuments } from './base-documents.ts';
import { readOperations } from './read-operations.ts';

/** What one partition of the documents may take while it is folded; above it the documents are cut into more. */
const partitionBytes = mib(128);
/** A map's entry, its key and what hangs on it, beside the document's own bytes. */
const entryBytes = 250;

/** More documents were touched than fit: try again with more partitions. */
export class PartitionTooLarge extends Error {}

export interface FoldedCollection {
  uuid: string;
  ns: string;
  capped: boolean;
  /** documents of the partition that the log touched (or all of them), as they end; null: deleted */
  documents: Map<string, Buffer | null>;
  /** what the base holds of these documents */
  base: { count: number; sum: HashSum };
}

export interface FoldOptions {
  point: RecoveryPoint;
  limit: LogPosition;
  manifest: Manifest;
  /** documents whose hash falls to `index` of `of` */
  partition: { index: number; of: number };
  /** only this collection, and all its documents, touched or not: for finding out what differs */
  everyDocumentOf?: string;
  report?: (phase: string) => void;
}

/**
 * Folds base and log into what each collection has to hold at `limit`, from the bucket alone: neither source nor target
 * is asked, and nothing of the server's applyOps is used. Two passes over the log and one over the parts of the
 * collections that it touches.
 *
 * @returns the collections that exist at `limit`, by UUID.
 * @throws PartitionTooLarge; Unsupported - an update form that this version cannot fold; and what reading throws.
 */
export async function foldPartition(context: SourceContext, options: FoldOptions): Promise<Map<string, FoldedCollection>> {
  const fold = new Fold(context, options);
  await fold.findTouched();
  await fold.readBase();
  await fold.applyLog();
  return fold.collections;
}

class Fold {
  readonly #context: SourceContext;
  readonly #options: FoldOptions;
  readonly collections = new Map<string, FoldedCollection>();
  readonly #touched = new Map<string, Map<string, Buffer | null>>();
  /** text of a UUID by its bytes: asked for several times an operation */
  readonly #uuids = new Map<string, string>();
  #bytes = 0;

  constructor(context: SourceContext, options: FoldOptions) {
    this.#context = context;
    this.#options = options;
    for (const unit of options.manifest.units) {
      const capped = decodeDetail(unit.detail).options['capped'] === true;
      this.#makeCollection(unit.id, unit.name, capped);
    }
  }

  async findTouched(): Promise<void> {
    this.#options.report?.('finding what the log touches');
    for await (const event of this.#operations()) {
      if (!('write' in event)) continue;
      for (const operation of event.write) {
        const id = this.#idOf(operation);
        const documents = id === undefined ? undefined : this.#documentsOf(operation.ui);
        if (id === undefined || !documents || documents.has(id)) continue;
        documents.set(id, null);
        this.#grow(entryBytes);
      }
    }
  }

  async readBase(): Promise<void> {
    this.#options.report?.('reading the base');
    const { everyDocumentOf, manifest } = this.#options;
    const wanted = new Set([...this.collections.values()].filter(({ uuid, documents }) => uuid === everyDocumentOf || documents.size > 0).map(({ uuid }) => uuid));
    for await (const { unit, documents } of baseDocuments(this.#context, manifest, wanted)) {
      const collection = this.collections.get(unit)!;
      for (const document of documents) {
        const id = idKey(document);
        if (id === undefined || !this.#isOurs(id)) continue;
        if (unit !== everyDocumentOf && !collection.documents.has(id)) continue;
        // A copy of its own: a view would hold the whole part in memory.
        collection.documents.set(id, Buffer.from(document));
        collection.base.count += 1;
        collection.base.sum.add(document);
        this.#grow(document.length);
      }
    }
  }

  async applyLog(): Promise<void> {
    this.#options.report?.('folding the log');
    for await (const event of this.#operations()) {
      if ('command' in event) this.#applyCommand(event.command);
      else for (const operation of event.write) this.#applyWrite(operation);
    }
  }

  #operations(): ReturnType<typeof readOperations> {
    return readOperations(this.#context, this.#options.point, this.#options.limit);
  }

  #applyWrite(operation: Operation): void {
    const id = this.#idOf(operation);
    const collection = operation.ui ? this.collections.get(this.#uuidOf(operation.ui)) : undefined;
    // A collection that does not exist (any more): only inside the base's own window, where replay passes over it too.
    if (id === undefined || !collection) return;
    const before = collection.documents.get(id) ?? null;
    const after = applyTo(before, operation);
    this.#grow((after?.length ?? 0) - (before?.length ?? 0));
    collection.documents.set(id, after);
  }

  #applyCommand(operation: Operation): void {
    const uuid = operation.ui ? uuidText(operation.ui) : undefined;
    switch (commandOf(operation)) {
      case 'create': {
        const first = new ElementCursor(operation.o);
        if (!uuid || !first.next()) return;
        const ns = `${databaseOf(operation.ns)}.${first.text}`;
        const known = this.collections.get(uuid);
        if (known) known.ns = ns;
        else this.#makeCollection(uuid, ns, findElement(operation.o, 'capped')?.isTrue === true);
        return;
      }
      case 'drop': return this.#drop(uuid);
      case 'renameCollection': {
        const target = findElement(operation.o, 'dropTarget');
        if (target?.type === bsonType.binary) this.#drop(uuidText(target.value.subarray(5)));
        const collection = uuid ? this.collections.get(uuid) : undefined;
        if (collection) collection.ns = findElement(operation.o, 'to')!.text;
        return;
      }
      case 'dropDatabase':
        for (const { uuid: id, ns } of [...this.collections.values()]) if (databaseOf(ns) === databaseOf(operation.ns)) this.#drop(id);
        return;
      default: // collMod, convertToCapped, emptycapped: no document of a collection that we claim anything of
    }
  }

  #drop(uuid: string | undefined): void {
    if (uuid) this.collections.delete(uuid);
  }

  #makeCollection(uuid: string, ns: string, capped: boolean): void {
    const documents = this.#touched.get(uuid) ?? new Map<string, Buffer | null>();
    this.#touched.set(uuid, documents);
    this.collections.set(uuid, { uuid, ns, capped, documents, base: { count: 0, sum: new HashSum() } });
  }

  #documentsOf(ui: Buffer | null): Map<string, Buffer | null> | undefined {
    if (!ui) return undefined;
    const uuid = this.#uuidOf(ui);
    if (this.#options.everyDocumentOf !== undefined && uuid !== this.#options.everyDocumentOf) return undefined;
    let documents = this.#touched.get(uuid);
    if (!documents) this.#touched.set(uuid, (documents = new Map()));
    return documents;
  }

  /** Key of the document that it writes to; undefined when that is another partition's, or another collection's. */
  #idOf(operation: Operation): string | undefined {
    const { everyDocumentOf } = this.#options;
    if (everyDocumentOf !== undefined && (!operation.ui || this.#uuidOf(operation.ui) !== everyDocumentOf)) return undefined;
    const id = idKey(operation.op === 'u' ? operation.o2 ?? operation.o : operation.o);
    return id !== undefined && this.#isOurs(id) ? id : undefined;
  }

  #uuidOf(ui: Buffer): string {
    const bytes = ui.toString('latin1');
    let uuid = this.#uuids.get(bytes);
    if (uuid === undefined) this.#uuids.set(bytes, (uuid = uuidText(ui)));
    return uuid;
  }

  #isOurs(id: string): boolean {
    const { index, of } = this.#options.partition;
    return of === 1 || partitionOf(id, of) === index;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > partitionBytes) throw new PartitionTooLarge();
  }
}

function applyTo(before: Buffer | null, operation: Operation): Buffer | null {
  switch (operation.op) {
    case 'i': return before ? replaceDocument(before, operation.o) : Buffer.from(operation.o);
    case 'u': return before && applyUpdate(before, operation.o);
    case 'd': return null;
    default: throw new HoldfastError('Unsupported', `operation "${operation.op}" cannot be folded`);
  }
}

/** A document's `_id`, type and bytes, as latin1 text; undefined when it has none. */
export function idKey(document: Buffer): string | undefined {
  const id = findElement(document, '_id');
  return id && String.fromCharCode(id.type) + id.value.toString('latin1');
}

/** FNV-1a: which of `of` partitions a document falls to. */
export function partitionOf(id: string, of: number): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < id.length; at += 1) hash = Math.imul(hash ^ id.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % of;
}
