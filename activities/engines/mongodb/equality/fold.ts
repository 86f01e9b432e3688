import { hash } from 'node:crypto';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import type { Operation } from '../oplog/oplog-entry.ts';
import { chosenUnits } from '../selection/find-selection.ts';
import type { Selection } from '../selection/selection.ts';
import { baseDocuments } from './base-documents.ts';
import { CollectionHistory } from './collection-history.ts';
import { Partitions, RecordId, recordKind, type FoldedPartition, type RecordKind } from './partition.ts';
import { readOperations } from './read-operations.ts';
import { TouchedDocuments } from './touched-documents.ts';

/** Log lies compressed in the store, by about this factor; an entry of it has about these bytes. Both only size what grows by itself. */
const compression = 6;
const entryBytes = 150;
/**
 * A partition takes about four times as much while it is folded (what updates leave behind goes late); each holds up to two chunks (64 KiB) of what waits for the disk.
 * Ten million entries over 10 GiB, in 128 partitions: 50 MiB each, and 270 MiB while one was folded.
 */
const bytesPerPartition = mib(16);
const partitionsAtMost = 384;

export interface FoldOptions {
  point: RecoveryPoint;
  limit: LogPosition;
  manifest: Manifest;
  /** of a partial restore */
  selection: Selection | null;
  /** only these collections, and of documents that the log left alone their digests: for finding out what differs */
  only?: ReadonlySet<string>;
  /** called with every document of the base's parts that are read; of a unit that the log may have touched, or that `unitsToRead` names */
  onBaseDocument?: (unit: string, document: Buffer) => void;
  /** units of the base that are read whether the log touched them or not, of those that exist at `limit` */
  unitsToRead?: (history: CollectionHistory) => ReadonlySet<string>;
}

/**
 * Folds base and log into what each collection has to hold at `limit`, from the bucket alone: neither source nor target
 * is asked, and nothing of the server's applyOps is used.
 *
 * The log is read once, and of the base each part of a collection that the log touches once, at any size: writes are spread over partitions
 * by their document as they come, the base's documents that the log may have touched (a Bloom filter says) follow them, and each
 * partition is then folded by itself in at most about 64 MiB. What waits for its turn lies encrypted on disk (spill-file.ts): at most the
 * log and as much of the base as it touches.
 */
export class Fold {
  readonly #context: SourceContext;
  readonly #options: FoldOptions;
  readonly #partitions: Partitions;
  readonly #touched: TouchedDocuments;
  readonly #touchedCollections = new Set<string>();
  readonly #id = new RecordId();
  #folded = 0;
  #toFold = 0;
  readonly history: CollectionHistory;

  constructor(context: SourceContext, options: FoldOptions) {
    this.#context = context;
    this.#options = options;
    const logBytes = options.point.log.storedBytes * compression;
    const { documents, plainBytes } = options.point.base;
    const touchedBytes = Math.min(plainBytes, (logBytes / entryBytes) * (plainBytes / Math.max(1, documents)));
    const partitions = Math.ceil((logBytes + touchedBytes) / bytesPerPartition);
    this.#partitions = new Partitions(Math.min(partitionsAtMost, Math.max(1, partitions)), 0, (records) => {
      this.#folded += records;
      this.#reportFold();
    });
    this.#touched = new TouchedDocuments(logBytes / entryBytes);
    this.history = new CollectionHistory(chosenUnits(options.manifest, options.selection));
  }

  /** First: the log, once. From here on `history` is that of `limit`. @throws Unsupported - and what reading throws. */
  async readLog(): Promise<void> {
    const { point, limit, selection } = this.#options;
    let done = 0;
    const report = (): void => this.#context.progress({ phase: 'reading the log', done, of: limit > point.limit ? 0 : point.log.storedBytes, unit: 'bytes' });
    report();
    const onSlice = (bytes: number): void => {
      done += bytes;
      report();
    };
    for await (const event of readOperations(this.#context, point, limit, { selection, onSlice })) {
      if ('command' in event) this.history.apply(event.command);
      else for (const operation of event.write) this.#addWrite(operation);
    }
  }

  /** Second: the base, once. */
  async readBase(): Promise<void> {
    const { manifest, only, onBaseDocument, unitsToRead } = this.#options;
    const { present } = this.history;
    const wanted = new Set([...(only ?? this.#touchedCollections), ...(unitsToRead?.(this.history) ?? [])].filter((uuid) => present.has(uuid)));
    const of = manifest.units.reduce((sum, { id, plainBytes }) => sum + (wanted.has(id) ? plainBytes : 0), 0);
    let done = 0;
    for await (const { unit, documents, bytes } of baseDocuments(this.#context, manifest, wanted)) {
      const isTouched = this.#touchedCollections.has(unit);
      const { number } = present.get(unit)!;
      for (const document of documents) {
        onBaseDocument?.(unit, document);
        if (!isTouched && !only) continue;
        if (!this.#id.take(number, document)) continue;
        if (this.#touched.mayHave(this.#id.hash)) this.#add(recordKind.base, document);
        else if (only) this.#add(recordKind.digest, digestOf(document));
      }
      done += bytes;
      this.#context.progress({ phase: 'reading the base', done, of, unit: 'bytes' });
    }
  }

  /** Between: a document as it was found elsewhere, to be compared with what is expected of it. */
  addFound(uuid: string, document: Buffer): void {
    if (this.#id.take(this.history.present.get(uuid)!.number, document)) this.#add(recordKind.found, digestOf(document));
  }

  /** Last: what base and log make of each document, partition by partition. */
  async *fold(): AsyncGenerator<FoldedPartition> {
    this.#toFold = this.#partitions.records;
    this.#reportFold();
    for await (const partition of this.#partitions.fold()) {
      this.#context.signal.throwIfAborted();
      yield partition;
    }
  }

  /** Records are the log's writes, and the base's documents that they may concern. */
  #reportFold(): void {
    this.#context.progress({ phase: 'folding the log', done: this.#folded, of: this.#toFold, unit: 'entries' });
  }

  /** Gives memory and disk back. */
  close(): void {
    this.#partitions.close();
  }

  #addWrite(operation: Operation): void {
    const collection = this.history.ofOperation(operation);
    if (!collection || this.#options.only?.has(collection.uuid) === false) return;
    if (!this.#id.take(collection.number, operation.op === 'u' ? operation.o2 ?? operation.o : operation.o)) return;
    this.#touchedCollections.add(collection.uuid);
    this.#touched.add(this.#id.hash);
    this.#add(kindOf(operation), operation.op === 'd' ? noBytes : operation.o);
  }

  #add(kind: RecordKind, body: Buffer): void {
    this.#partitions.of(this.#id.hash).add(kind, this.#id, body);
  }
}

const noBytes = Buffer.alloc(0);

function kindOf({ op }: Operation): RecordKind {
  switch (op) {
    case 'i': return recordKind.insert;
    case 'u': return recordKind.update;
    case 'd': return recordKind.delete;
    default: throw new HoldfastError('Unsupported', `operation "${op}" cannot be folded`);
  }
}

export const digestOf = (document: Buffer): Buffer => hash('sha256', document, 'buffer');
