import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { mib } from '../../../../workflows/domain/units.ts';
import { HashSum } from '../../base/hash-sum.ts';
import { findElement } from '../oplog/raw-elements.ts';
import { SpillFile } from '../spill-file.ts';
import { applyUpdate, replaceDocument } from './apply-update.ts';
import type { DocumentHash } from './touched-documents.ts';

/** What the documents of one partition may take while it is folded; above it the partition is cut into more. */
const foldedBytes = mib(64);
/** A map's entry, its key and what hangs on it, beside the document's own bytes. */
const entryBytes = 250;
const piecesAtMost = 64;
const recordsPerTurn = 4096;

/** What a record is of a document. */
export const recordKind = { base: 1, digest: 2, insert: 3, update: 4, delete: 5, found: 6 } as const;
export type RecordKind = (typeof recordKind)[keyof typeof recordKind];

/** Documents of one collection that fell to one partition, as they end. */
export interface FoldedCollection {
  /** by `idKey`: those that the log may have touched. null: deleted */
  documents: Map<string, Buffer | null>;
  /** by `idKey`: SHA-256 of those that it certainly did not touch, where they were asked for */
  untouched: Map<string, Buffer>;
  /** what the base holds of `documents` */
  base: { count: number; sum: HashSum };
}

export interface FoldedPartition {
  /** by the collection's number */
  collections: ReadonlyMap<number, FoldedCollection>;
  /** records that were put aside to be compared with them: see `found` */
  found(): Generator<{ collection: number; key: string; digest: Buffer }>;
}

/** Too many documents for one partition: not an error, it is cut into more. */
class PartitionTooLarge extends Error {}

/** What identifies a document: its collection, and type and bytes of its `_id`. */
export class RecordId {
  collection = 0;
  type = 0;
  value: Buffer = noBytes;
  readonly hash: DocumentHash = { a: 0, b: 0 };

  /** @returns false: the document has no `_id`. */
  take(collection: number, document: Buffer): boolean {
    const id = findElement(document, '_id');
    if (!id) return false;
    this.set(collection, id.type, id.value);
    return true;
  }

  set(collection: number, type: number, value: Buffer): void {
    this.collection = collection;
    this.type = type;
    this.value = value;
    let a = seedA ^ collection;
    let b = Math.imul(seedB ^ type, 0x85ebca6b);
    for (let at = 0; at < value.length; at += 1) {
      a = Math.imul(a ^ value[at]!, 0x01000193);
      b = Math.imul((b << 13 | b >>> 19) ^ value[at]!, 0x9e3779b1);
    }
    this.hash.a = mixed(a ^ type);
    this.hash.b = mixed(b ^ collection);
  }
}

const noBytes = Buffer.alloc(0);
// Nobody who can choose ids can choose where they fall.
const seedA = randomBytes(4).readInt32LE();
const seedB = randomBytes(4).readInt32LE();

function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return (mix ^ (mix >>> 16)) >>> 0;
}

/** A document's `_id` as a map's key: type and bytes, as latin1 text. */
const keyOf = (type: number, value: Buffer): string => String.fromCharCode(type) + value.toString('latin1');

/** The other way. */
export const idOfKey = (key: string): { type: number; value: Buffer } => ({ type: key.charCodeAt(0), value: Buffer.from(key.slice(1), 'latin1') });

const headerBytes = 10;

/** Documents cut into partitions by a hash of what identifies them: each can be folded by itself, in memory. */
export class Partitions {
  readonly #all: Partition[];
  readonly #level: number;
  /** @param news - told how many more records were folded, now and then; less than none when a partition turned out too large, and is begun again in pieces. */
  constructor(of: number, level = 0, news: (records: number) => void = () => undefined) {
    this.#level = level;
    this.#all = Array.from({ length: of }, () => new Partition(level, news));
  }

  of({ a, b }: DocumentHash): Partition {
    if (this.#all.length === 1) return this.#all[0]!;
    // Another level, another cut: what fell together once falls apart the next time.
    return this.#all[mixed(a ^ Math.imul(this.#level + 1, b | 1)) % this.#all.length]!;
  }

  /** Of base and log, in all partitions that are not folded yet. */
  get records(): number {
    return this.#all.reduce((sum, partition) => sum + partition.records, 0);
  }

  /** Folds one after another, and gives back each one's memory and disk before the next. */
  async *fold(): AsyncGenerator<FoldedPartition> {
    for (const partition of this.#all) {
      yield* partition.fold();
      partition.close();
    }
  }

  close(): void {
    for (const partition of this.#all) partition.close();
  }
}

/** Records of the documents that fell to one partition: what the base has, what the log did, what was found elsewhere. */
export class Partition {
  readonly #level: number;
  readonly #news: (records: number) => void;
  readonly #base = new SpillFile();
  readonly #log = new SpillFile();
  readonly #found = new SpillFile();
  /** what its documents of the base take, before the log changes any: each is there once, so no fold takes less at its beginning */
  #baseBytes = 0;
  /** the same of what was inserted, where one document may count many times */
  #insertedBytes = 0;

  constructor(level: number, news: (records: number) => void) {
    this.#level = level;
    this.#news = news;
  }

  get records(): number {
    return this.#base.records + this.#log.records;
  }

  /** @param body - the document (base, insert), the entry's `o` (update), its SHA-256 (digest, found), or nothing (delete). */
  add(kind: RecordKind, id: RecordId, body: Uint8Array): void {
    header.writeUInt32LE(id.collection, 0);
    header[4] = kind;
    header[5] = id.type;
    header.writeUInt32LE(id.value.length, 6);
    this.#fileOf(kind).add([header, id.value, body]);
    if (kind === recordKind.base || kind === recordKind.digest) this.#baseBytes += body.length + entryBytes;
    else if (kind === recordKind.insert) this.#insertedBytes += body.length + entryBytes;
  }

  async *fold(): AsyncGenerator<FoldedPartition> {
    if (this.#baseBytes > foldedBytes) {
      yield* this.#foldInPieces();
      return;
    }
    let folded: FoldedPartition;
    try {
      folded = await this.#foldWhole();
    } catch (error) {
      if (!(error instanceof PartitionTooLarge)) throw error;
      yield* this.#foldInPieces();
      return;
    }
    yield folded;
  }

  close(): void {
    for (const file of [this.#base, this.#log, this.#found]) file.close();
  }

  async *#foldInPieces(): AsyncGenerator<FoldedPartition> {
    // Twice as many as would just do: no piece is of the size of another. What updates made too large is cut in two, and again.
    const wanted = Math.ceil((2 * (this.#baseBytes + this.#insertedBytes)) / foldedBytes);
    const pieces = new Partitions(Math.min(piecesAtMost, Math.max(2, wanted)), this.#level + 1, this.#news);
    const id = new RecordId();
    let records = 0;
    try {
      for (const file of [this.#base, this.#log, this.#found]) {
        for (const record of file.read()) {
          const { collection, kind, type, value, body } = parseRecord(record);
          id.set(collection, type, value);
          pieces.of(id.hash).add(kind, id, body);
          if ((records += 1) % recordsPerTurn === 0) await turn();
        }
        file.close();
      }
      yield* pieces.fold();
    } finally {
      pieces.close();
    }
  }

  async #foldWhole(): Promise<FoldedPartition> {
    const collections = new Map<number, FoldedCollection>();
    let bytes = 0;
    const grow = (by: number): void => {
      bytes += by;
      if (bytes <= foldedBytes) return;
      this.#news(-told);
      throw new PartitionTooLarge();
    };
    let records = 0;
    let told = 0;
    const tell = (): void => {
      this.#news(records - told);
      told = records;
    };
    for (const file of [this.#base, this.#log]) {
      for (const record of file.read()) {
        const { collection: number, kind, type, value, body } = parseRecord(record);
        let collection = collections.get(number);
        if (!collection) collections.set(number, (collection = { documents: new Map(), untouched: new Map(), base: { count: 0, sum: new HashSum() } }));
        grow(take(collection, kind, keyOf(type, value), body));
        if ((records += 1) % recordsPerTurn !== 0) continue;
        tell();
        await turn();
      }
    }
    tell();
    const found = this.#found;
    return {
      collections,
      *found() {
        for (const record of found.read()) {
          const { collection, type, value, body } = parseRecord(record);
          yield { collection, key: keyOf(type, value), digest: body };
        }
      },
    };
  }

  #fileOf(kind: RecordKind): SpillFile {
    if (kind === recordKind.found) return this.#found;
    return kind === recordKind.base || kind === recordKind.digest ? this.#base : this.#log;
  }
}

const header = Buffer.alloc(headerBytes);

function parseRecord(record: Buffer): { collection: number; kind: RecordKind; type: number; value: Buffer; body: Buffer } {
  const valueEnd = headerBytes + record.readUInt32LE(6);
  return {
    collection: record.readUInt32LE(0),
    kind: record[4] as RecordKind,
    type: record[5]!,
    value: record.subarray(headerBytes, valueEnd),
    body: record.subarray(valueEnd),
  };
}

/** @returns by how many bytes the collection has grown. What is kept is copied: a view would hold the whole chunk in memory. */
function take({ documents, untouched, base }: FoldedCollection, kind: RecordKind, key: string, body: Buffer): number {
  if (kind === recordKind.digest) {
    untouched.set(key, Buffer.from(body));
    return entryBytes;
  }
  const before = documents.get(key);
  let after: Buffer | null = null;
  switch (kind) {
    case recordKind.base:
      base.count += 1;
      base.sum.add(body);
      after = Buffer.from(body);
      break;
    case recordKind.insert: after = before ? ownCopy(replaceDocument(before, body), body) : Buffer.from(body); break;
    case recordKind.update: after = before ? ownCopy(applyUpdate(before, body), body) : null; break;
    default:
  }
  documents.set(key, after);
  return (after?.length ?? 0) - (before?.length ?? 0) + (before === undefined ? entryBytes : 0);
}

/** What was made anew is kept as it is; what is the record itself is copied. */
const ownCopy = (made: Buffer, of: Buffer): Buffer => (made.buffer === of.buffer ? Buffer.from(made) : made);
