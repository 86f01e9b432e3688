import { BSON, Int32, type Document } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest, Part, Unit } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { openBackupKey } from '../../../stream/backup-key.ts';
import { splitNamespace } from '../namespaces.ts';
import { classifyOperation, type OperationClass } from '../oplog/classify-operation.ts';
import { TransactionGatherer } from '../oplog/gather-transactions.ts';
import { changesFeatureVersion, commandOf, parseEntry, type OplogEntry } from '../oplog/oplog-entry.ts';
import { coverFor, readLog, scopeOf } from '../oplog/read-log.ts';
import { decodeOrdered } from '../ordered-documents.ts';
import { decodeDetail } from '../plan.ts';
import { splitDocuments } from '../raw-documents.ts';
import { readGroupIndex, readManifest } from '../../base/read-base.ts';
import { getPart, type PartStore } from '../../base/stored-parts.ts';
import type { Namespace, Prelude } from './archive-format.ts';
import { logNamespace } from './dumped-collections.ts';
import { encodeMetadata, listedIndexes } from './metadata.ts';
import { bucketsPrefix, userIndex, userOptions } from './time-series.ts';

/** One namespace of a dump that is being written. */
export interface ExportedCollection extends Namespace {
  /** what its documents are called: a time-series collection's are its buckets */
  data: Namespace;
  type: string;
  /** text of metadata.json; empty for the log */
  metadata: string;
  /** raw documents, one after another, in pieces of any length */
  bytes(): AsyncGenerator<Buffer>;
}

export interface ExportContents {
  prelude: Prelude;
  /** users, roles and settings first, the log last: as mongodump writes them */
  collections: ExportedCollection[];
  /** told once every file is flushed: until then some of it may be on its way to the disk, and the progress says so */
  flushed(): void;
  /** whether whoever restores must replay the log in it */
  hasLog: boolean;
}

const atOnce = 4;

/**
 * What a dump of a recovery point holds, from the bucket alone: the base's own documents as they are and, where the point
 * lies behind the base, the log between as `oplog`, which mongorestore replays. No server is needed, and nothing is decoded.
 *
 * @throws Unsupported - the log holds what mongorestore cannot replay; names the entry. Tampered, WrongKey, ChainBroken.
 */
export async function exportContents(context: SourceContext, point: RecoveryPoint, toolVersion: string): Promise<ExportContents> {
  const manifest = await readManifest(context, point);
  const written = new Written(context, manifest.totals.plainBytes);
  const documents = await openDocuments(context, manifest, written);
  const views = await readViews(manifest.units, documents);
  const collections = manifest.units.flatMap((unit) => describe(unit, views, documents));
  for (const view of views.values()) if (!isBuckets(view)) collections.push(describeView(view));
  collections.sort((a, b) => rank(a) - rank(b));
  const hasUsers = collections.some(({ db, collection }) => db === 'admin' && collection === 'system.users');
  if (hasUsers) collections.splice(collections.filter((one) => rank(one) === 0).length, 0, settings(manifest));
  const hasLog = point.limit > nextLogPosition(manifest.end) || manifest.start !== manifest.end;
  if (hasLog) collections.push(await describeLog(context, point, manifest, written));
  return {
    prelude: {
      concurrentCollections: atOnce,
      serverVersion: manifest.versions['mongodb'] ?? '',
      toolVersion,
      entries: collections.map(({ db, collection, metadata, type }) => ({ db, collection, metadata, size: 0, type })),
    },
    collections,
    flushed: () => written.flushed(),
    hasLog,
  };
}

const rank = ({ db, collection }: Namespace): number => (db === 'admin' && /^system\.(users|roles)$/.test(collection) ? 0 : 1);

/** How far an export is: documents and log, each piece once the next one is asked for. */
class Written {
  readonly #context: SourceContext;
  #ofBytes: number;
  #takenBytes = 0;

  constructor(context: SourceContext, documentBytes: number) {
    this.#context = context;
    this.#ofBytes = documentBytes;
  }

  expect(logBytes: number): void {
    this.#ofBytes += logBytes;
  }

  taken(bytes: number): void {
    this.#takenBytes += bytes;
    this.#tell(Math.min(this.#takenBytes, this.#ofBytes - 1));
  }

  flushed(): void {
    this.#tell(this.#ofBytes);
  }

  #tell(done: number): void {
    this.#context.progress({ phase: 'export', done, of: this.#ofBytes, unit: 'bytes' });
  }
}

type Documents = (unit: string) => AsyncGenerator<Buffer>;

async function openDocuments(context: SourceContext, manifest: Manifest, written: Written): Promise<Documents> {
  const key = await openBackupKey(context.store, context.keys, manifest, manifest.key);
  const from: PartStore = { store: context.store, key, scope: manifest, signal: context.signal };
  const parts = new Map<string, Part[]>();
  for (const group of manifest.groups) {
    for (const part of (await readGroupIndex(context, manifest.backup, group)).parts) parts.set(part.unit, [...parts.get(part.unit) ?? [], part]);
  }
  return async function* (unit) {
    let ahead: Promise<Buffer> | undefined;
    const list = parts.get(unit) ?? [];
    for (const [at, part] of list.entries()) {
      context.signal.throwIfAborted();
      const bytes = await (ahead ?? getPart(from, part));
      const next = list[at + 1];
      ahead = next && getPart(from, next);
      // Whoever awaits it meets its error.
      ahead?.catch(() => undefined);
      yield bytes;
      written.taken(bytes.length);
    }
  };
}

type View = Document & { _id: string; viewOn: string };

const isBuckets = ({ viewOn }: View): boolean => viewOn.startsWith(bucketsPrefix);

/** Definitions of views by their namespace: documents of `system.views`, of which a dump has none. */
async function readViews(units: readonly Unit[], documents: Documents): Promise<Map<string, View>> {
  const views = new Map<string, View>();
  for (const unit of units) {
    if (splitNamespace(unit.name).collection !== 'system.views') continue;
    const pieces: Buffer[] = [];
    for await (const piece of documents(unit.id)) pieces.push(piece);
    for (const raw of splitDocuments(Buffer.concat(pieces))) {
      const view = decodeOrdered(raw) as View;
      views.set(view._id, view);
    }
  }
  return views;
}

function describe(unit: Unit, views: ReadonlyMap<string, View>, documents: Documents): ExportedCollection[] {
  const { database: db, collection } = splitNamespace(unit.name);
  if (collection === 'system.views') return [];
  const detail = decodeDetail(unit.detail);
  const bytes = (): AsyncGenerator<Buffer> => documents(unit.id);
  const data = { db, collection };
  if (!collection.startsWith(bucketsPrefix)) {
    const metadata = encodeMetadata({ options: detail.options, indexes: listedIndexes(detail), uuid: unit.id, collectionName: collection, type: 'collection' });
    return [{ db, collection, data, type: 'collection', metadata, bytes }];
  }
  const name = collection.slice(bucketsPrefix.length);
  if (!views.has(`${db}.${name}`)) {
    throw new HoldfastError('Unsupported', `${unit.name}: buckets without the time-series collection over them: mongorestore could not make it`);
  }
  const timeseries = detail.options['timeseries'] as Document;
  const indexes = detail.indexes.map((spec) => userIndex(spec, timeseries));
  const metadata = encodeMetadata({ options: userOptions(detail.options), indexes, uuid: undefined, collectionName: name, type: 'timeseries' });
  return [{ db, collection: name, data, type: 'timeseries', metadata, bytes }];
}

function describeView({ _id, ...options }: View): ExportedCollection {
  const { database: db, collection } = splitNamespace(_id);
  const metadata = encodeMetadata({ options, indexes: [], uuid: undefined, collectionName: collection, type: 'view' });
  return { db, collection, data: { db, collection }, type: 'view', metadata, bytes: nothing };
}

/** Which kind of user documents these are: mongorestore restores users only when it is told. Schema 5 is every server's since 4.0. */
function settings(manifest: Manifest): ExportedCollection {
  const of = { db: 'admin', collection: 'system.version' };
  const feature = manifest.versions['featureCompatibility'];
  const indexes = [{ v: new Int32(2), key: { _id: new Int32(1) }, name: '_id_' }];
  return {
    ...of,
    data: of,
    type: 'collection',
    metadata: encodeMetadata({ options: {}, indexes, uuid: undefined, collectionName: of.collection, type: 'collection' }),
    async *bytes() {
      await Promise.resolve();
      if (feature) yield Buffer.from(BSON.serialize({ _id: 'featureCompatibilityVersion', version: feature }));
      yield Buffer.from(BSON.serialize({ _id: 'authSchema', currentVersion: new Int32(5) }));
    },
  };
}

async function* nothing(): AsyncGenerator<Buffer> {
  await Promise.resolve();
  yield* [];
}

/** The log is read twice: first for what mongorestore could not replay, so that nothing is written that would fail at its end. */
async function describeLog(context: SourceContext, point: RecoveryPoint, manifest: Manifest, written: Written): Promise<ExportedCollection> {
  for await (const { length } of exportedLog(context, point, manifest)) {
    context.signal.throwIfAborted();
    written.expect(length);
  }
  const bytes = async function* (): AsyncGenerator<Buffer> {
    for await (const piece of exportedLog(context, point, manifest)) {
      yield piece;
      written.taken(piece.length);
    }
  };
  const of = { db: '', collection: logNamespace };
  return { ...of, data: of, type: '', metadata: '', bytes };
}

/**
 * Entries after the base's start and before the limit, without those of no effect. Of what came before, only transactions
 * that were open then: the base holds the rest, and applying an older write again would undo a newer one.
 */
async function* exportedLog(context: SourceContext, point: RecoveryPoint, manifest: Manifest): AsyncGenerator<Buffer> {
  const exact = manifest.start === manifest.end;
  const transactions = new TransactionGatherer();
  const held = new Map<string, Buffer[]>();
  let began = false;
  for await (const { plain } of readLog(context, scopeOf(point), { after: manifest.logFrom, limit: coverFor(point, point.limit) })) {
    const kept: Buffer[] = [];
    for (const raw of splitDocuments(plain)) {
      const entry = parseEntry(raw);
      if (entry.position <= manifest.logFrom) continue;
      if (entry.position >= point.limit) break;
      const { operations, held: open } = transactions.take(entry);
      if (entry.position <= manifest.start) {
        hold(held, entry, open);
        continue;
      }
      if (!began) kept.push(...[...held.values()].flat());
      began = true;
      const kinds = new Set<OperationClass>();
      for (const operation of operations) {
        if (changesFeatureVersion(operation)) throw notReplayed(entry.position, 'changes the feature compatibility version');
        if (!exact && entry.position <= manifest.end && operation.op === 'c' && commandOf(operation) === 'renameCollection') throw notReplayed(entry.position, 'renames a collection while the base was read');
        kinds.add(classifyOperation(operation, context.source, entry.position));
      }
      if (kinds.has('skip') && kinds.size > 1) throw notReplayed(entry.position, 'is a transaction that also writes what is not backed up');
      if (open || !kinds.has('skip')) kept.push(raw);
    }
    if (kept.length > 0) yield Buffer.concat(kept);
  }
  transactions.close();
}

function hold(held: Map<string, Buffer[]>, entry: OplogEntry, isOpen: boolean): void {
  const { transaction } = entry;
  if (transaction === null) return;
  // Of an entry that ends it without effect the gatherer says what it says of one that adds to it.
  if (isOpen && commandOf(entry) !== 'abortTransaction') held.set(transaction, [...held.get(transaction) ?? [], entry.raw]);
  else held.delete(transaction);
}

const notReplayed = (position: LogPosition, what: string): HoldfastError =>
  new HoldfastError('Unsupported', `entry ${formatLogPosition(position)} ${what}: mongorestore cannot replay it`, {
    hint: `export a point before it (target position ${position}), or one of a base taken after it`,
  });
