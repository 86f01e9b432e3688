import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { formatLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { readSliceNames, type StoredSlice } from '../../store/slice-names.ts';
import { ArchiveKeys } from '../../stream/archive-key.ts';
import { sliceContext } from '../../stream/contexts.ts';
import { letGo } from '../../stream/let-go.ts';
import { contextOf, keyIdOf, open, seal } from '../../stream/sealed.ts';

export type SliceRoom = Pick<SourceContext, 'store' | 'keys' | 'signal' | 'epoch'>;

/** That a slice holds what its name says, which its engine alone can tell; returns how many entries. @throws Tampered - it does not. */
export type CheckSlice = (slice: Pick<StoredSlice, 'key' | 'from' | 'to'>, plain: Buffer) => number;

/** Slices of one timeline, of any engine, as one job writes and reads them: the archive keys are opened once. */
export class SliceObjects {
  readonly #room: SliceRoom;
  readonly #keys: ArchiveKeys;
  readonly #check: CheckSlice;
  readonly scope: TimelineScope;

  /** @param keys - of a process that writes by several of these, one after another: then they share them. */
  constructor(room: SliceRoom, scope: TimelineScope, check: CheckSlice, keys = new ArchiveKeys(room.store, room.keys)) {
    this.#room = room;
    this.#check = check;
    this.#keys = keys;
    this.scope = scope;
  }

  /**
   * Stores the log after `from`, up to and including `to`. A slice that is there already was written by an attempt
   * whose answer was lost, or by another archiver: it is opened, and is as good as ours, since a timeline has one log.
   * @returns how many bytes ours has.
   * @throws EpochSuperseded - another control plane writes this log now.
   * @throws Tampered - the slice that is there does not authenticate, or does not end where it says.
   */
  async put(range: { from: LogPosition; to: LogPosition }, plain: Uint8Array): Promise<number> {
    // Side by side: each takes as long as the other, and the next slice waits for both.
    const [sealed] = await Promise.all([this.seal(range, plain), this.#assertCommand()]);
    return await this.#store(range, sealed);
  }

  /** What `put` would store. */
  async seal(range: { from: LogPosition; to: LogPosition }, plain: Uint8Array): Promise<Buffer> {
    return await seal(await this.#keys.forWriting(this.scope), plain, sliceContext(this.scope, { ...range, epoch: this.#room.epoch }));
  }

  /** As `put`, of what was sealed before, which is let go. */
  async putSealed(range: { from: LogPosition; to: LogPosition }, sealed: Buffer): Promise<number> {
    await this.#assertCommand();
    return await this.#store(range, sealed);
  }

  async #assertCommand(): Promise<void> {
    const { store, signal, epoch } = this.#room;
    await assertEpoch(store, this.scope.system, epoch, { signal });
  }

  async #store(range: { from: LogPosition; to: LogPosition }, sealed: Buffer): Promise<number> {
    const { store, signal } = this.#room;
    const key = layout.slice(this.scope, range.from, range.to);
    const bytes = sealed.length;
    try {
      await store.put(key, sealed, { ifAbsent: true, signal });
      letGo(sealed);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
      await this.#adopt(range, key);
    }
    return bytes;
  }

  /**
   * Authenticates one stored slice and gives what it holds, raw.
   * @throws Tampered, WrongKey, ObjectMissing - each names the slice.
   */
  async open(slice: Pick<StoredSlice, 'key' | 'versionId' | 'from' | 'to'>): Promise<Buffer> {
    const stored = await this.#room.store.getVersion(slice, { signal: this.#room.signal });
    try {
      const key = await this.#keys.forReading(this.scope, keyIdOf(stored));
      // Which epoch wrote it only the slice itself knows; opening authenticates that word with the others.
      const epoch = Number(contextOf(stored)['epoch']);
      const plain = await open(key, stored, sliceContext(this.scope, { from: slice.from, to: slice.to, epoch }));
      letGo(stored);
      return plain;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retryable || error.message.includes(slice.key)) throw error;
      throw new HoldfastError(error.type, `slice ${slice.key} (${formatLogPosition(slice.from)} to ${formatLogPosition(slice.to)}): ${error.message}`, {
        details: { key: slice.key },
        cause: error,
      });
    }
  }

  async #adopt(range: { from: LogPosition; to: LogPosition }, key: string): Promise<void> {
    for await (const slice of readSliceNames(this.#room.store, this.scope, { startAfter: key.slice(0, -1), signal: this.#room.signal })) {
      if ('unreadable' in slice || slice.key !== key) continue;
      this.#check(slice, await this.open(slice));
      return;
    }
    throw new HoldfastError('ObjectMissing', `slice ${key} was refused as existing, but no version of it (${range.from} to ${range.to}) is listed`, { details: { key } });
  }
}
