import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import type { Operation } from '../oplog/oplog-entry.ts';
import { rawDocument } from '../wire.ts';

/** The server takes a command of at most 16 MiB and 16 KiB; a batch of one may reach that, a batch of many stays below. */
const batchBytes = mib(12);
const batchOperations = 1000;

/** Writes that go to the server in one applyOps, in log order, as raw documents. */
export class OperationBatch {
  readonly operations: Operation[] = [];
  readonly positions: LogPosition[] = [];
  bytes = 0;

  add(operation: Operation, position: LogPosition): void {
    this.operations.push(operation);
    this.positions.push(position);
    this.bytes += sizeOf(operation);
  }

  /** Whether `operation` has to wait for the next batch. */
  isFullFor(operation: Operation): boolean {
    return this.operations.length >= batchOperations || (this.operations.length > 0 && this.bytes + sizeOf(operation) > batchBytes);
  }

  get isEmpty(): boolean {
    return this.operations.length === 0;
  }
}

const sizeOf = (operation: Operation): number => operation.o.length + (operation.o2?.length ?? 0) + operation.ns.length + 64;

const opField = (op: string): Buffer => Buffer.from(`\x02op\0\x02\0\0\0${op}\0`, 'latin1');
const opFields = { i: opField('i'), u: opField('u'), d: opField('d'), c: opField('c'), n: opField('n') };
const uiHeader = Buffer.from('\x05ui\0\x10\0\0\0\x04', 'latin1');
const oHeader = Buffer.from('\x03o\0', 'latin1');
const o2Header = Buffer.from('\x03o2\0', 'latin1');

/**
 * An operation as applyOps wants it: only what says what to write. Session, statement and retry fields stay out, because
 * the server would keep books of them on the target (`config.transactions`, `config.image_collection`).
 */
export function encodeOperation(operation: Operation): Buffer {
  const ns = Buffer.from(operation.ns);
  const nsHeader = Buffer.from('\x02ns\0\0\0\0\0', 'latin1');
  nsHeader.writeInt32LE(ns.length + 1, 4);
  const elements: Buffer[] = [opFields[operation.op], nsHeader, ns, zero];
  if (operation.ui) elements.push(uiHeader, operation.ui);
  elements.push(oHeader, operation.o);
  if (operation.o2) elements.push(o2Header, operation.o2);
  return rawDocument(elements);
}

const zero = Buffer.alloc(1);

const trailer = Buffer.concat([
  // A missing document is an error: upserting would make a stub of it, and hide that the base lacks it.
  Buffer.from('\x08alwaysUpsert\0\0', 'latin1'),
  // What the source took, the target takes: validators may have been added since.
  Buffer.from('\x08bypassDocumentValidation\0\x01', 'latin1'),
  Buffer.from('\x02$db\0\x06\0\0\0admin\0', 'latin1'),
]);

/** `{applyOps: [...], allowAtomic, alwaysUpsert: false, bypassDocumentValidation: true}`, encoded by hand from raw operations. */
export function encodeApplyOps(operations: readonly Uint8Array[], options: { atomic: boolean }): Buffer {
  const entries: Uint8Array[] = [];
  for (let index = 0; index < operations.length; index += 1) {
    entries.push(Buffer.from(`\x03${index}\0`, 'latin1'), operations[index]!);
  }
  const allowAtomic = Buffer.from(`\x08allowAtomic\0${options.atomic ? '\x01' : '\0'}`, 'latin1');
  return rawDocument([Buffer.from('\x04applyOps\0', 'latin1'), rawDocument(entries), allowAtomic, trailer]);
}
