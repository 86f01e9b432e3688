import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import { SpillFile } from '../spill-file.ts';
import { parseInnerOperation, type OplogEntry, type Operation } from './oplog-entry.ts';
import { ElementCursor } from './raw-elements.ts';

/** What one entry means once transactions are unwrapped. */
export interface Unwrapped {
  /** to be read once, and before the next entry is taken */
  operations: Iterable<Operation>;
  /** an entry that only adds to a transaction, or ends one without effect */
  held: boolean;
}

const nothing: Unwrapped = { operations: [], held: true };

/**
 * Unwraps transactions: one entry in, the writes that become visible with it out.
 *
 * A transaction too large for one entry is a chain of entries with the same session and number; only its last one
 * commits it. Entries of others may stand between. What is open at the end was not committed before the limit.
 * Memory: 64 KiB for each open transaction, whatever its size; the rest lies encrypted on disk (spill-file.ts).
 */
export class TransactionGatherer {
  readonly #open = new Map<string, OpenChain>();
  /** what was given out last */
  #given: OpenChain | undefined;

  take(entry: OplogEntry): Unwrapped {
    this.#given?.close();
    this.#given = undefined;
    if (entry.op !== 'c') return { operations: [entry], held: false };
    const command = readCommand(entry.o);
    if (command.applyOps) return this.#takeApplyOps(entry, command.applyOps, command.open);
    if (command.name === 'commitTransaction') return { operations: this.#end(entry)?.operations() ?? [], held: false };
    if (command.name === 'abortTransaction') {
      this.#end(entry);
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

  /** Gives disk and memory back, also of what is still open; it stays counted as open. */
  close(): void {
    this.#given?.close();
    for (const chain of this.#open.values()) chain.close();
  }

  #takeApplyOps(entry: OplogEntry, applyOps: Buffer, stillOpen: boolean): Unwrapped {
    if (entry.transaction === null) return { operations: readOperations(applyOps), held: false };
    if (!stillOpen) return { operations: this.#end(entry)?.operations(applyOps) ?? readOperations(applyOps), held: false };
    let chain = this.#open.get(entry.transaction);
    if (!chain) this.#open.set(entry.transaction, (chain = new OpenChain(entry.position)));
    chain.add(applyOps);
    return nothing;
  }

  #end({ transaction }: OplogEntry): OpenChain | undefined {
    if (transaction === null) return undefined;
    this.#given = this.#open.get(transaction);
    this.#open.delete(transaction);
    return this.#given;
  }
}

/** What the entries of one transaction hold, while it is not known whether it commits. */
class OpenChain {
  readonly firstAt: LogPosition;
  readonly #spilled = new SpillFile();

  constructor(firstAt: LogPosition) {
    this.firstAt = firstAt;
  }

  add(applyOps: Buffer): void {
    for (const cursor = new ElementCursor(applyOps); cursor.next(); ) this.#spilled.add([cursor.value]);
  }

  /** In the order of the log; `last` is what the entry that commits it holds itself. */
  *operations(last?: Buffer): Generator<Operation> {
    for (const raw of this.#spilled.read()) yield parseInnerOperation(raw);
    if (last) yield* readOperations(last);
  }

  close(): void {
    this.#spilled.close();
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

function* readOperations(applyOps: Buffer): Generator<Operation> {
  for (const cursor = new ElementCursor(applyOps); cursor.next(); ) yield parseInnerOperation(cursor.value);
}
