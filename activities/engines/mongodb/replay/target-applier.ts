import { BSON, type Document } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { isOutOfSpace } from '../connect.ts';
import { commandOf, databaseOf, type Operation } from '../oplog/oplog-entry.ts';
import { findElement } from '../oplog/raw-elements.ts';
import type { WireConnection } from '../wire.ts';
import { OperationBatch } from './operation-batch.ts';

/** A missing document (UpdateOperationFailed) and a missing collection (NamespaceNotFound): what a later state lacks. */
const missingCodes = new Set([218, 26]);
/** IndexNotFound, NamespaceNotFound */
const notBuiltCodes = new Set([27, 26]);

/**
 * Applies operations to the target and believes no answer that it has not read: each operation's own result counts.
 *
 * A batch is tried as one transaction of the storage, together with the checkpoint that stands for it. If one of its
 * operations fails, all are applied again one by one, which converges, and the failed one is judged: the target
 * may be later than the entry inside the base's own window and wherever an earlier attempt has been; it may not elsewhere.
 *
 * Nothing waits for the disk but what is written `durable`: a crash of the server takes back the end of what was applied, and
 * the checkpoint with it, since the journal is in order. Whoever says elsewhere that something is applied writes durably first.
 */
export class TargetApplier {
  readonly #wire: WireConnection;
  /** operations up to and including this position may find their document or collection missing */
  readonly tolerateTo: LogPosition;
  /** how many did */
  tolerated = 0;

  constructor(wire: WireConnection, tolerateTo: LogPosition) {
    this.#wire = wire;
    this.tolerateTo = tolerateTo;
  }

  /**
   * Applies a batch, and in the same applyOps `control`, our own documents that stand for it.
   * @throws ReplayFailed, TargetUnavailable
   */
  async applyBatch(batch: OperationBatch, control: readonly Operation[]): Promise<void> {
    const writes = batch.operations;
    // Only as one act may our own documents go along.
    if (!batch.oneByOne) {
      for (const operation of control) batch.add(operation, '');
      if (isWhole(await this.#run(batch, true), writes + control.length)) return;
    }
    await this.#applySingly(batch, writes);
    await this.write(control);
  }

  /** Applies one command of the log: create, drop, renameCollection and their like. */
  async applyCommand(operation: Operation, position: LogPosition): Promise<void> {
    const reply = await this.#run(batchOf([operation], position), false);
    if (!isWhole(reply, 1)) this.#judge(operation, position, reply);
  }

  /**
   * Drops an index where it is built already, as it is when a drained tail is replayed: a unique one would refuse what the
   * log has behind its drop. What is gathered may come after it: fewer indexes refuse nothing, and one too few is built.
   */
  async dropIndex(operation: Operation, position: LogPosition): Promise<void> {
    const { o, ns } = operation;
    const index = findElement(o, 'index')?.text;
    if (index === undefined) return;
    const reply = await this.#answered({ dropIndexes: findElement(o, commandOf(operation))?.text, index, $db: databaseOf(ns) });
    if (reply['ok'] === 1 || notBuiltCodes.has(Number(reply['code']))) return;
    throw new HoldfastError('ReplayFailed', `entry ${formatLogPosition(position)}: index ${index} of ${ns} could not be dropped: ${String(reply['codeName'] ?? reply['code'])}`);
  }

  /** Writes our own documents. @param options.durable - returns when they, and all that was applied before, would outlive a crash of the server. */
  async write(control: readonly Operation[], options: { durable?: boolean } = {}): Promise<void> {
    if (control.length === 0) return;
    const reply = await this.#run(batchOf(control, ''), true, options.durable);
    if (!isWhole(reply, control.length)) throw new HoldfastError('ReplayFailed', `the checkpoint could not be written: ${String(reply['errmsg'])}`);
  }

  async #applySingly(batch: OperationBatch, writes: number): Promise<void> {
    for (let from = 0; from < writes; ) {
      const results = resultsOf(await this.#run(batch.slice(from, writes), false));
      for (let index = 0; index < results.length; index += 1) {
        if (results[index]) continue;
        // Its reason is told only when it runs alone; by now it may even succeed.
        const alone = await this.#run(batch.slice(from + index, from + index + 1), true);
        if (!isWhole(alone, 1)) this.#judge(batch.operationAt(from + index), batch.positionAt(from + index), alone);
      }
      // The server stops at some failures and goes on after others: go on behind the last one that it answered for.
      if (results.length === 0) throw new HoldfastError('ReplayFailed', `the target answered for no operation from ${batch.positionAt(from)} on`);
      from += results.length;
    }
  }

  #judge(operation: Operation, position: LogPosition, reply: Document): void {
    if (position <= this.tolerateTo && missingCodes.has(Number(reply['code']))) {
      this.tolerated += 1;
      return;
    }
    if (isOutOfSpace(reply['code'], String(reply['errmsg']))) throw new HoldfastError('TargetUnavailable', 'the target has no room on its disk', { hint: 'make room there, and start it again if it has ended' });
    throw new HoldfastError(
      'ReplayFailed',
      `entry ${formatLogPosition(position)}: ${describe(operation)} failed: ${String(reply['codeName'] ?? reply['code'])} (${withoutDocument(String(reply['errmsg']))})`,
      {
        hint: 'the base and the log do not fit together: verify the recovery point, or recover from an older base',
        details: { position, ns: operation.ns, code: reply['code'] },
      },
    );
  }

  async #run(batch: OperationBatch, atomic: boolean, durable = false): Promise<Document> {
    return await this.#answered(batch.command({ atomic, durable }));
  }

  async #answered(command: Document | Buffer[]): Promise<Document> {
    try {
      return await this.#wire.run(command);
    } catch (cause) {
      throw new HoldfastError('TargetUnavailable', `the target went away during replay: ${(cause as Error).message}`, { cause });
    }
  }
}

function batchOf(operations: readonly Operation[], position: LogPosition): OperationBatch {
  const batch = new OperationBatch(1024);
  for (const operation of operations) batch.add(operation, position);
  return batch;
}

function resultsOf(reply: Document): boolean[] {
  return Array.isArray(reply['results']) ? (reply['results'] as unknown[]).map((result) => result === true) : [];
}

/** Every operation was answered for, and every answer is yes. */
function isWhole(reply: Document, operations: number): boolean {
  const results = resultsOf(reply);
  return reply['ok'] === 1 && results.length === operations && results.every(Boolean);
}

const names = { i: 'insert into', u: 'update of', d: 'delete from', c: 'command on', n: 'no-op on' } as const;

function describe(operation: Operation): string {
  if (operation.op === 'c') return `${commandOf(operation)} on ${operation.ns}`;
  const id = findElement(operation.o2 ?? operation.o, '_id');
  const shown = id ? BSON.EJSON.stringify(BSON.deserialize(oneField(id.element))['_id']) : 'none';
  return `${names[operation.op]} ${operation.ns} _id ${shown}`;
}

const oneField = (element: Buffer): Buffer => {
  const document = Buffer.alloc(element.length + 5);
  document.writeInt32LE(document.length, 0);
  element.copy(document, 4);
  return document;
};

/** The server repeats the whole entry in its message: data, which must not reach logs and histories. */
const withoutDocument = (message: string): string => message.replace(/:? ?\{.*$/s, '').slice(0, 200);
