import type { ReplayResult, TargetRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, nextLogPosition, parseLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { positionBefore } from '../bson-position.ts';
import { readSelection } from '../claim-target.ts';
import { openWire, withTarget } from '../connect.ts';
import { changesFeatureVersion, commandOf, parseEntry, type OplogEntry, type Operation } from '../oplog/oplog-entry.ts';
import { TransactionGatherer } from '../oplog/gather-transactions.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';
import { coverFor, readLog, scopeOf } from '../oplog/read-log.ts';
import { classifyOperation, type OperationClass } from '../oplog/classify-operation.ts';
import { withoutDropTarget, type Selection } from '../selection/selection.ts';
import type { WireConnection } from '../wire.ts';
import { controlWrite, type Checkpoint } from './checkpoint.ts';
import { IndexCatalogue, isIndexDrop, withoutIndex } from './index-catalogue.ts';
import { OperationBatch } from './operation-batch.ts';
import { openReplay } from './open-replay.ts';
import { TargetApplier } from './target-applier.ts';
import { TargetNames } from './target-names.ts';

/**
 * Replays the log of a recovery point before `limit` onto the standalone that the base was restored to.
 *
 * Slices must touch: a missing one stops it before anything behind the hole is applied. Transactions are unwrapped into
 * the batches around them; only commands that change collections are a barrier. Index commands are folded into the
 * catalogue, which buildIndexes builds from.
 *
 * Of a partial restore the entries of other collections are passed over, also those inside a transaction.
 *
 * Safe to repeat and to kill anywhere: goes on from the checkpoint in the target, and applying an entry twice converges.
 * A later limit goes on where an earlier one ended.
 *
 * @param input.limit - log position (seconds, ordinal); exclusive.
 * @throws ChainBroken, Tampered, WrongKey - the log; ReplayFailed - an entry that does not fit, or a target that is beyond
 *   the limit; Unsupported - an entry that no replay can stand for. None is helped by another try.
 * @throws TargetUnavailable, StoreUnavailable - retryable.
 */
export async function replayLog(
  context: SourceContext,
  input: { target: TargetRef; point: RecoveryPoint; limit: LogPosition },
): Promise<ReplayResult> {
  return await withTarget(context, input.target, async (client) => {
    const { checkpoint, attemptedTo } = await openReplay(client, input.point);
    const selection = (await readSelection(client, input.point))?.selection ?? null;
    const catalogue = await IndexCatalogue.load(client);
    const wire = await openWire(context, input.target, client);
    try {
      return await new Replay(context, input, { checkpoint, attemptedTo, selection, catalogue, names: new TargetNames(client), wire }).run();
    } finally {
      wire.close();
    }
  });
}

/**
 * A replay begins on pages that the restore has just written and the server has yet to flush and to read again: in three runs of 0.5 to
 * 10 GiB (docs/scale.md) what the first tenth told, without this, was 1.4 to 1.7 times too long.
 */
const replayQuickens = 0.3;

interface OpenedTarget {
  checkpoint: Checkpoint;
  attemptedTo: LogPosition;
  selection: Selection | null;
  catalogue: IndexCatalogue;
  names: TargetNames;
  wire: WireConnection;
}

class Replay {
  readonly #context: SourceContext;
  readonly #point: RecoveryPoint;
  readonly #limit: LogPosition;
  readonly #selection: Selection | null;
  readonly #catalogue: IndexCatalogue;
  readonly #names: TargetNames;
  readonly #applier: TargetApplier;
  readonly #transactions = new TransactionGatherer();
  #attemptedTo: LogPosition;
  /** of the entries that are wholly in the batch or applied */
  #checkpoint: Checkpoint;
  #batch = new OperationBatch();
  /** the batch that the server works on while the next one is gathered */
  #handedOver = new OperationBatch();
  #applying: Promise<void> = Promise.resolve();
  readonly #adopted: { bytes: number; position: LogPosition };

  constructor(context: SourceContext, { point, limit }: { point: RecoveryPoint; limit: LogPosition }, on: OpenedTarget) {
    this.#context = context;
    this.#point = point;
    this.#limit = limit;
    this.#checkpoint = on.checkpoint;
    this.#adopted = { bytes: on.checkpoint.storedBytes, position: on.checkpoint.position };
    this.#attemptedTo = on.attemptedTo;
    this.#selection = on.selection;
    this.#catalogue = on.catalogue;
    this.#names = on.names;
    this.#applier = new TargetApplier(on.wire, on.attemptedTo > point.base.end ? on.attemptedTo : point.base.end);
  }

  async run(): Promise<ReplayResult> {
    if (this.#checkpoint.position >= this.#limit) {
      throw new HoldfastError('ReplayFailed', `the target is at ${formatLogPosition(this.#checkpoint.position)} already, which is not before the limit ${formatLogPosition(this.#limit)}`, {
        hint: 'a log is never replayed backwards: restore to a fresh target',
      });
    }
    if (this.#mayBeLater(this.#checkpoint.position)) await this.#names.reload();
    try {
      await this.#readLog();
    } finally {
      this.#transactions.close();
    }
    await this.#flush();
    await this.#settle();
    // The run will remember that all is applied: from here on no crash of the target may take it back.
    await this.#applier.write([controlWrite(this.#checkpoint)], { durable: true });
    return this.#result();
  }

  async #readLog(): Promise<void> {
    const limit = coverFor(this.#point, this.#limit);
    // Nothing between: a base that is restored to its own instant needs no log, not even for open transactions.
    const log = nextLogPosition(this.#checkpoint.position) >= limit ? [] : readLog(this.#context, scopeOf(this.#point), { after: this.#checkpoint.gatherFrom, limit });
    for await (const { slice, plain } of log) {
      await this.#attempt(slice.to);
      for (const raw of splitDocuments(plain)) {
        const entry = parseEntry(raw);
        if (entry.position >= this.#limit) break;
        if (entry.position <= this.#checkpoint.gatherFrom) continue;
        // Most entries only go into the batch, and a promise for each would cost more than that.
        const wait = this.#take(entry);
        if (wait) await wait;
      }
      this.#checkpoint.slices += 1;
      // One that is read again for the transactions open in it was counted by an earlier attempt.
      if (slice.to > this.#adopted.position) this.#checkpoint.storedBytes += slice.bytes;
      this.#report();
    }
  }

  /** Says in the target how far this attempt may come, before it does: the next attempt has to know. */
  async #attempt(sliceEnd: LogPosition): Promise<void> {
    if (sliceEnd <= this.#attemptedTo) return;
    this.#attemptedTo = sliceEnd;
    await this.#settle();
    await this.#applier.write([controlWrite({ _id: 'attempted', position: sliceEnd })]);
  }

  /** @returns undefined when the entry was only gathered; otherwise what to wait for before the next one. */
  #take(entry: OplogEntry): Promise<void> | undefined {
    const { operations } = this.#transactions.take(entry);
    // Before the checkpoint, entries are read only for the transactions that are still open in them.
    if (entry.position <= this.#checkpoint.position) return undefined;
    if (entry.op === 'c' || this.#mayBeLater(entry.position)) return this.#takeMany(entry, operations);
    if (this.#classify(entry, entry.position) === 'write') {
      if (this.#batch.isFullFor(entry)) return this.#takeMany(entry, operations);
      this.#batch.add(entry, entry.position);
    }
    this.#passed(entry, 1);
    return undefined;
  }

  async #takeMany(entry: OplogEntry, operations: Iterable<Operation>): Promise<void> {
    let count = 0;
    let commands = 0;
    for (const operation of operations) {
      count += 1;
      if (await this.#place(operation, entry.position)) commands += 1;
    }
    this.#passed(entry, count);
    // Behind a command too: replaying it again onto what follows it is what the checkpoint saves.
    if (commands === 0) return;
    await this.#flush();
    await this.#settle();
  }

  #passed(entry: OplogEntry, operations: number): void {
    const since = this.#transactions.openSince;
    const checkpoint = this.#checkpoint;
    checkpoint.position = entry.position;
    checkpoint.gatherFrom = since === null ? entry.position : positionBefore(since);
    checkpoint.wallMs = entry.wallMs;
    checkpoint.entries += 1;
    checkpoint.operations += operations;
  }

  #classify(operation: Operation, position: LogPosition): OperationClass {
    if (changesFeatureVersion(operation)) throw featureVersionChanged(position);
    if (this.#selection && !this.#selection.holds(operation)) return 'skip';
    return classifyOperation(operation, this.#context.source, position);
  }

  /** @returns whether it was a command, which is applied at once. */
  async #place(operation: Operation, position: LogPosition): Promise<boolean> {
    switch (this.#classify(operation, position)) {
      case 'skip': return false;
      case 'write': {
        const located = this.#mayBeLater(position) ? this.#names.locate(operation) : operation;
        // Its collection is dropped further on, and was in what this attempt found.
        if (!located) return false;
        if (this.#batch.isFullFor(located)) await this.#flush();
        this.#batch.add(located, position);
        return false;
      }
      case 'index':
        if (isIndexDrop(commandOf(operation))) {
          await this.#settle();
          await this.#applier.dropIndex(operation, position);
        }
        this.#catalogue.fold(commandOf(operation), operation);
        return true;
      case 'command':
        await this.#flush();
        await this.#settle();
        await this.#applyCommand(operation, position);
        this.#catalogue.fold(commandOf(operation), operation);
        return true;
    }
  }

  async #applyCommand(operation: Operation, position: LogPosition): Promise<void> {
    const later = this.#mayBeLater(position);
    const own = this.#selection ? withoutDropTarget(operation) : operation;
    const left = later ? this.#names.remainder(own) : own;
    if (!left) return;
    await this.#applier.applyCommand(commandOf(left) === 'collMod' ? withoutIndex(left) : left, position);
    if (later) await this.#names.reload();
  }

  /** Whether the target may be of a later state than the log is here: in the base's own window, or after a kill. */
  #mayBeLater(position: LogPosition): boolean {
    return position <= this.#applier.tolerateTo;
  }

  /** Hands over what is gathered, with the checkpoint that stands for it, once the batch before it is applied. */
  async #flush(): Promise<void> {
    const control = [...this.#catalogue.takeChanges(), controlWrite(this.#checkpoint)];
    await this.#settle();
    [this.#handedOver, this.#batch] = [this.#batch, this.#handedOver.clear()];
    this.#applying = this.#applier.applyBatch(this.#handedOver, control);
    // Its error is met by the next settle; until then it must not count as unhandled.
    this.#applying.catch(() => undefined);
    this.#report();
  }

  /** Waits until all that was handed over is applied. */
  async #settle(): Promise<void> {
    await this.#applying;
    this.#context.signal.throwIfAborted();
  }

  #report(): void {
    const seconds = (position: LogPosition): number => parseLogPosition(position).seconds;
    const { base, log, limit } = this.#point;
    const { storedBytes, entries, position } = this.#checkpoint;
    this.#context.progress({
      phase: 'replay',
      done: storedBytes,
      adopted: this.#adopted.bytes,
      quickens: replayQuickens,
      // The size of a tail that was drained after the point was chosen is not known; its seconds are.
      of: this.#limit > limit || storedBytes > log.storedBytes ? 0 : log.storedBytes,
      unit: 'bytes',
      entries,
      logSeconds: Math.max(0, seconds(position) - seconds(base.start)),
      logSecondsOf: Math.max(0, seconds(coverFor(this.#point, this.#limit)) - seconds(base.start)),
      position,
    });
  }

  #result(): ReplayResult {
    const { position, wallMs, entries, operations, slices } = this.#checkpoint;
    return {
      appliedTo: wallMs === null ? null : position,
      appliedToAt: wallMs === null ? null : new Date(wallMs).toISOString(),
      entries,
      operations,
      slices,
      discardedTransactions: this.#transactions.open,
    };
  }
}

const featureVersionChanged = (position: LogPosition): HoldfastError =>
  new HoldfastError('Unsupported', `entry ${formatLogPosition(position)} changes the feature compatibility version, which cannot be replayed onto these files`, {
    hint: `recover to before ${formatLogPosition(position)}, or from a base backup taken after it`,
  });
