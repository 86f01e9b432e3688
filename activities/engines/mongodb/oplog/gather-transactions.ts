import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import { parseInnerOperation, type OplogEntry, type Operation } from './oplog-entry.ts';
import { ElementCursor } from './raw-elements.ts';

interface OpenChain {
  firstAt: LogPosition;
  operations: Operation[];
}

/** What one entry means once transactions are unwrapped. */
export interface Unwrapped {
  operations: Operation[];
  /** an entry that only adds to a transaction, or ends one without effect */
  held: boolean;
}

const nothing: Unwrapped = { operations: [], held: true };

/**
 * Unwraps transactions: one entry in, the writes that become visible with it out.
 *
 * A transaction too large for one entry is a chain of entries with the same session and number; only its last one
 * commits it. Entries of others may stand between. What is open at the end was not committed before the limit.
 * Memory: the bytes of the open transactions.
 */
export class TransactionGatherer {
  readonly #open = new Map<string, OpenChain>();

  take(entry: OplogEntry): Unwrapped {
    if (entry.op !== 'c') return { operations: [entry], held: false };
    const command = readCommand(entry.o);
    if (command.applyOps) return this.#takeApplyOps(entry, command.applyOps, command.open);
    if (command.name === 'commitTransaction') return this.#close(entry);
    if (command.name === 'abortTransaction') {
      this.#close(entry);
      return nothing;
    }
    return { operations: [entry], held: false };
  }

  get open(): number {
    return this.#open.size;
  }

  /** Where the oldest open transaction begins: gathering it again has to start there. */
  get openSince(): LogPosition | null {
    let oldest: LogPosition | null = null;
    for (const { firstAt } of this.#open.values()) if (oldest === null || firstAt < oldest) oldest = firstAt;
    return oldest;
  }

  #takeApplyOps(entry: OplogEntry, applyOps: Buffer, stillOpen: boolean): Unwrapped {
    const operations = readOperations(applyOps);
    if (entry.transaction === null) return { operations, held: false };
    const chain = this.#open.get(entry.transaction);
    if (stillOpen) {
      if (chain) chain.operations.push(...operations);
      else this.#open.set(entry.transaction, { firstAt: entry.position, operations });
      return nothing;
    }
    this.#open.delete(entry.transaction);
    return { operations: chain ? chain.operations.concat(operations) : operations, held: false };
  }

  #close(entry: OplogEntry): Unwrapped {
    const chain = entry.transaction === null ? undefined : this.#open.get(entry.transaction);
    if (entry.transaction !== null) this.#open.delete(entry.transaction);
    return { operations: chain?.operations ?? [], held: false };
  }
}

function readCommand(o: Buffer): { name: string; applyOps: Buffer | null; open: boolean } {
  const cursor = new ElementCursor(o);
  let name = '';
  let applyOps: Buffer | null = null;
  let open = false;
  while (cursor.next()) {
    const field = cursor.name;
    name ||= field;
    if (field === 'applyOps') applyOps = cursor.value;
    // A prepared transaction is decided by a later entry of its own.
    else if (field === 'partialTxn' || field === 'prepare') open ||= cursor.isTrue;
  }
  return { name, applyOps: name === 'applyOps' ? applyOps : null, open };
}

function readOperations(applyOps: Buffer): Operation[] {
  const operations: Operation[] = [];
  const cursor = new ElementCursor(applyOps);
  while (cursor.next()) operations.push(parseInnerOperation(cursor.value));
  return operations;
}
