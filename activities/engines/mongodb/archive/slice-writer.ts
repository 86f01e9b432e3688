import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import { mib, seconds } from '../../../../workflows/domain/units.ts';
import { carriesData, type OplogEntry } from '../oplog/oplog-entry.ts';
import type { HeadWriter } from '../../../store/heads.ts';
import type { SliceObjects } from '../oplog/slice-object.ts';

/** Log that waits for a store that does not answer; above it nothing more is read, and the source's own log keeps it. */
const waitingBytes = mib(64);
const retryAfterMs = seconds(1);
/** A source that only tells that it lives gets a slice this often, so that the bucket shows that the archive does. */
const idleEveryMs = seconds(60);

interface OpenSlice {
  entries: Buffer[];
  bytes: number;
  to: LogPosition;
  /** wall clock of the oldest entry that carries data; null: nobody would miss this slice */
  dataSinceMs: number | null;
  /** when it got its first entry that carries data: time that passes, since a wall clock that jumps back would hold the slice open for as long */
  openedAtMs: number | null;
}

/**
 * Cuts the log into slices and puts them one after another: a slice is never there before the one that it touches, so
 * what a kill leaves is a chain with an end, without a hole. Those that wait behind a slow put go up as one, as large as a slice may be: a store that
 * stood still for a while is caught up with by a put or two. A range that was tried once stays as it is, since it may be stored.
 */
export class SliceWriter {
  readonly #objects: SliceObjects;
  readonly #limits: { everyMs: number; bytes: number };
  readonly #signal: AbortSignal;
  readonly #heads: HeadWriter | undefined;
  readonly #onStored: () => void;
  readonly #given = new AbortController();
  #open: OpenSlice;
  #waiting: { from: LogPosition; slice: OpenSlice }[] = [];
  #waitingBytes = 0;
  #putting: Promise<void> | undefined;
  #failure: unknown;
  /** where the next slice begins */
  #from: LogPosition;
  #lastCutAtMs = performance.now();
  archivedTo: LogPosition;
  slices = 0;
  storedBytes = 0;
  /** of the log that is stored, as the source holds it */
  plainBytes = 0;
  entries = 0;
  storeSilentSinceMs: number | null = null;

  /**
   * @param heads - left out: something else says where this log ends, such as an import's manifest.
   * @param onStored - called behind each slice that was put.
   */
  constructor(objects: SliceObjects, from: LogPosition, limits: { everyMs: number; bytes: number }, signal: AbortSignal, heads?: HeadWriter, onStored: () => void = () => undefined) {
    this.#objects = objects;
    this.#limits = limits;
    this.#heads = heads;
    this.#onStored = onStored;
    this.#signal = AbortSignal.any([signal, this.#given.signal]);
    this.#from = from;
    this.#open = emptySlice(from);
    this.archivedTo = from;
  }

  /** Everything up to here is archived or waits for it. */
  get readTo(): LogPosition {
    return this.#open.to;
  }

  /** Age of the oldest entry that carries data and is not archived. */
  lagMs(nowMs: number): number {
    const oldest = this.#waiting.find(({ slice }) => slice.dataSinceMs !== null)?.slice.dataSinceMs ?? this.#open.dataSinceMs;
    return oldest === null ? 0 : Math.max(0, nowMs - oldest);
  }

  add(entry: OplogEntry): void {
    const open = this.#open;
    open.entries.push(entry.raw);
    open.bytes += entry.raw.length;
    open.to = entry.position;
    if (carriesData(entry)) {
      open.dataSinceMs ??= entry.wallMs;
      open.openedAtMs ??= performance.now();
    }
    if (open.bytes >= this.#limits.bytes) this.cut();
  }

  /** Cuts the open slice when its time has come. */
  tick(): void {
    const nowMs = performance.now();
    const { openedAtMs, entries } = this.#open;
    const due = openedAtMs === null ? nowMs - this.#lastCutAtMs >= idleEveryMs : nowMs - openedAtMs >= this.#limits.everyMs;
    if (due && entries.length > 0) this.cut();
  }

  /** Closes the open slice and hands it over for writing. Nothing when it is empty. */
  cut(): void {
    const slice = this.#open;
    if (slice.entries.length === 0) return;
    this.#waiting.push({ from: this.#from, slice });
    this.#waitingBytes += slice.bytes;
    this.#from = slice.to;
    this.#open = emptySlice(slice.to);
    this.#lastCutAtMs = performance.now();
    this.#putting ??= this.#putWaiting();
  }

  /** Returns at once while there is room in memory, otherwise when there is; throws what writing met. */
  async room(): Promise<void> {
    while (this.#waitingBytes > waitingBytes && this.#putting) await Promise.race([this.#putting, sleep(200, undefined, { signal: this.#signal })]);
    if (this.#failure) throw this.#failure;
  }

  /** Writes all that was read. @throws StoreUnavailable - not within `withinMs`: the source's log still holds it. */
  async finish(withinMs: number): Promise<void> {
    this.cut();
    const late = new AbortController();
    const timeout = sleep(withinMs, 'late', { signal: late.signal }).catch(() => undefined);
    const outcome = await Promise.race([this.#putting, timeout]);
    late.abort();
    if (this.#failure) throw this.#failure;
    if (outcome !== 'late') return await this.#heads?.end();
    this.#given.abort();
    throw new HoldfastError('StoreUnavailable', `the store has not taken ${this.#waiting.length} slices after ${this.archivedTo} within ${withinMs / 1000} s`);
  }

  /** It was told to stop: nothing more is written but where the log ends that is stored. */
  async leave(): Promise<void> {
    await this.#putting;
    await this.#heads?.leave();
  }

  async #putWaiting(): Promise<void> {
    try {
      for (let next = this.#nextToPut(); next; next = this.#nextToPut()) {
        await this.#put(next);
        this.#waiting.shift();
        this.#waitingBytes -= next.slice.bytes;
        this.archivedTo = next.slice.to;
        this.slices += 1;
        this.entries += next.slice.entries.length;
        this.plainBytes += next.slice.bytes;
        this.#onStored();
        await this.#heads?.follow({ from: next.from, to: next.slice.to });
      }
    } catch (error) {
      this.#failure = error;
    } finally {
      this.#putting = undefined;
    }
  }

  /** The slice that has waited longest, with those behind it that fit. It goes on waiting until it is stored. */
  #nextToPut(): { from: LogPosition; slice: OpenSlice } | undefined {
    const [first, ...behind] = this.#waiting;
    if (!first) return undefined;
    const { from, slice } = first;
    let joined = 0;
    for (const { slice: next } of behind) {
      if (slice.bytes + next.bytes > this.#limits.bytes) break;
      slice.entries = slice.entries.concat(next.entries);
      slice.bytes += next.bytes;
      slice.to = next.to;
      slice.dataSinceMs ??= next.dataSinceMs;
      joined += 1;
    }
    this.#waiting.splice(1, joined);
    return { from, slice };
  }

  /** A store that does not answer is asked again and again: the log waits in memory, and then in the source. */
  async #put({ from, slice }: { from: LogPosition; slice: OpenSlice }): Promise<void> {
    const plain = Buffer.concat(slice.entries, slice.bytes);
    for (;;) {
      try {
        this.storedBytes += await this.#objects.put({ from, to: slice.to }, plain);
        this.storeSilentSinceMs = null;
        return;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (!(error instanceof HoldfastError) || error.type !== 'StoreUnavailable') throw error;
        this.storeSilentSinceMs ??= performance.now();
        await sleep(retryAfterMs, undefined, { signal: this.#signal });
      }
    }
  }
}

const emptySlice = (to: LogPosition): OpenSlice => ({ entries: [], bytes: 0, to, dataSinceMs: null, openedAtMs: null });
