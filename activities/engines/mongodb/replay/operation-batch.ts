import { BSON, type Document } from 'mongodb';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { parseInnerOperation, type Operation } from '../oplog/oplog-entry.ts';
import { hasIdFirst, holdsZeroTimestamp, mayHoldZeroTimestamp } from '../raw-documents.ts';

/** The server takes a command of at most 16 MiB and 16 KiB; a batch of one may reach that, a batch of many stays below. */
const batchBytes = mib(12);
const batchOperations = 1000;

const opField = (op: string): Buffer => Buffer.from(`\x02op\0\x02\0\0\0${op}\0`, 'latin1');
const opFields = { i: opField('i'), u: opField('u'), d: opField('d'), c: opField('c'), n: opField('n') };
const nsHeader = Buffer.from('\x02ns\0', 'latin1');
const uiHeader = Buffer.from('\x05ui\0\x10\0\0\0\x04', 'latin1');
const oHeader = Buffer.from('\x03o\0', 'latin1');
const o2Header = Buffer.from('\x03o2\0', 'latin1');
/** Everything of an encoded operation but its namespace, `o` and `o2`; and its place in the array. */
const overheadBytes = 80;

/**
 * Writes that go to the server in one applyOps, in log order; encoded as they come, each byte copied once. Nothing else of an operation
 * is kept: millions of small objects that live as long as their batch cost more time than all of the encoding.
 */
export class OperationBatch {
  readonly #starts: number[] = [];
  readonly #positions: LogPosition[] = [];
  #bytes: Buffer;
  #used = 0;
  #oneByOne = false;

  constructor(expectedBytes = mib(1)) {
    this.#bytes = Buffer.allocUnsafe(expectedBytes);
  }

  get operations(): number {
    return this.#starts.length;
  }

  /**
   * It holds a document with a Timestamp(0,0), as an upsert makes one, or whose `_id` is not first: where the server applies all of a batch as one, it alters both.
   */
  get oneByOne(): boolean {
    return this.#oneByOne;
  }

  /** An operation as it goes to the server; its buffers point into the batch. */
  operationAt(index: number): Operation {
    return parseInnerOperation(this.#bytes.subarray(this.#starts[index]!, this.#used));
  }

  positionAt(index: number): LogPosition {
    return this.#positions[index]!;
  }

  /** Forgets what it holds and keeps its memory: what it gave out is overwritten by what comes. */
  clear(): this {
    this.#starts.length = 0;
    this.#positions.length = 0;
    this.#used = 0;
    this.#oneByOne = false;
    return this;
  }

  /** Whether `operation` has to wait for the next batch. */
  isFullFor(operation: Operation): boolean {
    return this.operations >= batchOperations || (this.#used > 0 && this.#used + mostBytes(operation) > batchBytes);
  }

  /**
   * Only what says what to write goes along. Session, statement and retry fields stay out, because the server would keep
   * books of them on the target (`config.transactions`, `config.image_collection`).
   */
  add(operation: Operation, position: LogPosition): void {
    this.#reserve(mostBytes(operation));
    this.#oneByOne ||= operation.op === 'i' && (!hasIdFirst(operation.o) || (mayHoldZeroTimestamp(operation.o) && holdsZeroTimestamp(operation.o)));
    const bytes = this.#bytes;
    let at = this.#used;
    bytes[at] = 3;
    at = bytes.write(`${this.operations}\0`, at + 1, 'latin1') + at + 1;
    const start = at;
    at += 4;
    at += opFields[operation.op].copy(bytes, at);
    at += nsHeader.copy(bytes, at);
    const nsBytes = bytes.write(`${operation.ns}\0`, at + 4, 'utf8');
    bytes.writeInt32LE(nsBytes, at);
    at += 4 + nsBytes;
    if (operation.ui) {
      at += uiHeader.copy(bytes, at);
      at += operation.ui.copy(bytes, at);
    }
    at += oHeader.copy(bytes, at);
    at += operation.o.copy(bytes, at);
    if (operation.o2) {
      at += o2Header.copy(bytes, at);
      at += operation.o2.copy(bytes, at);
    }
    bytes[at] = 0;
    at += 1;
    bytes.writeInt32LE(at - start, start);
    this.#used = at;
    this.#starts.push(start);
    this.#positions.push(position);
  }

  /**
   * The batch as one applyOps, in pieces; it must not change until the server has answered.
   * @param options.durable - answered when it is on disk, and with it all that went before. Otherwise a crash of the server may take it
   *   back, with all that came after it: the journal is in order.
   */
  command(options: { atomic: boolean; durable: boolean }): Buffer[] {
    const used = this.#bytes.subarray(0, this.#used);
    const rest = Buffer.concat([endOfDocument, allowAtomic(options.atomic && !this.#oneByOne), options.durable ? onDisk : inMemory, trailer, endOfDocument]);
    const head = Buffer.concat([Buffer.alloc(4), arrayHeader, Buffer.alloc(4)]);
    head.writeInt32LE(head.length + used.length + rest.length, 0);
    head.writeInt32LE(used.length + 5, head.length - 4);
    return [head, used, rest];
  }

  /** Some of the batch as a batch of their own. */
  slice(from: number, to: number): OperationBatch {
    const slice = new OperationBatch(1024);
    for (let index = from; index < to; index += 1) slice.add(this.operationAt(index), this.positionAt(index));
    return slice;
  }

  #reserve(more: number): void {
    if (this.#used + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#used + more));
    this.#bytes.copy(larger, 0, 0, this.#used);
    this.#bytes = larger;
  }
}

const mostBytes = (operation: Operation): number => operation.o.length + (operation.o2?.length ?? 0) + 3 * operation.ns.length + overheadBytes;

const arrayHeader = Buffer.from('\x04applyOps\0', 'latin1');
const endOfDocument = Buffer.alloc(1);
const allowAtomic = (atomic: boolean): Buffer => Buffer.from(`\x08allowAtomic\0${atomic ? '\x01' : '\0'}`, 'latin1');
const writeConcern = (concern: Document): Buffer => Buffer.from(BSON.serialize({ writeConcern: concern })).subarray(4, -1);
const onDisk = writeConcern({ w: 'majority', j: true });
const inMemory = writeConcern({ w: 1, j: false });
const trailer = Buffer.concat([
  // A missing document is an error: upserting would make a stub of it, and hide that the base lacks it.
  Buffer.from('\x08alwaysUpsert\0\0', 'latin1'),
  // What the source took, the target takes: validators may have been added since.
  Buffer.from('\x08bypassDocumentValidation\0\x01', 'latin1'),
  Buffer.from('\x02$db\0\x06\0\0\0admin\0', 'latin1'),
]);
