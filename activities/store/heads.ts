import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseHeadKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import type { Head } from '../../workflows/domain/source-records.ts';
import type { CatalogSpan } from '../../workflows/domain/recovery-point.ts';
import { minutes, seconds } from '../../workflows/domain/units.ts';
import type { Keys } from '../stream/keys.ts';
import { lookBacks } from './look-backs.ts';
import { putSigned, type Found } from './signed-object.ts';
import type { ReadOptions, Store } from './store.ts';

/**
 * Heads: how an end of the log that is gone without a trace is noticed.
 *
 * Slices hold together by touching, so one that is missing in the middle shows, and a missing end does not: the log only seems
 * to end earlier. So whoever archives puts a signed object once a minute, at the end of its round and when it is stopped, that names the newest slice.
 * A log that ends before its newest head has lost its end.
 *
 * - A head is put behind its slice and is a key of its own, never rewritten. Killed in between: there is no head of that slice, and the
 *   next one stands for it. A head without its slice is never left by us.
 * - Whoever reads lists the heads first and the slices then, so that an archive that runs meanwhile seems to have lost nothing.
 * - What is archived behind the newest head (a minute at most; nothing after a drain, a round that ended of itself or one that was stopped and had the
 *   seconds to say so) can be gone unnoticed;
 *   so can an end together with its heads. An end that is lost under an archive that goes on is a hole, and needs no head.
 */
const headEveryMs = minutes(1);
/** Within the grace that a job has between TERM and KILL. */
const leaveWithinMs = seconds(3);

interface Slice {
  from: LogPosition;
  to: LogPosition;
}

export interface HeadRoom {
  store: Store;
  keys: Keys;
  epoch: number;
  signal: AbortSignal;
}

/** Puts the heads of one timeline, for one writer of slices. */
export class HeadWriter {
  readonly #room: HeadRoom;
  readonly #scope: TimelineScope;
  readonly #nowMs: () => number;
  #putAtMs = -Infinity;
  /** newer than the newest head */
  #newest: Slice | undefined;

  constructor(room: HeadRoom, scope: TimelineScope, nowMs: () => number = () => performance.now()) {
    this.#room = room;
    this.#scope = scope;
    this.#nowMs = nowMs;
  }

  /** The slice is in the store, behind all that it touches. */
  async follow(slice: Slice): Promise<void> {
    this.#newest = slice;
    if (this.#nowMs() - this.#putAtMs >= headEveryMs) await this.end();
  }

  /** Puts the head of the newest slice. A store that does not answer costs the head and not the log: the next slice has one. */
  async end(signal = this.#room.signal): Promise<void> {
    const { store, keys, epoch } = this.#room;
    const { system, source, timeline } = this.#scope;
    const slice = this.#newest;
    if (!slice) return;
    const head: Head = { format: formatVersion, kind: 'head', system, source, timeline, epoch, from: slice.from, to: slice.to, archivedAt: new Date().toISOString() };
    try {
      // No question of the epoch: it says that a slice is there, which was asked for when that was put.
      await putSigned(store, keys, layout.head(this.#scope, slice.to), head, { ifAbsent: true, signal });
    } catch (error) {
      if (!(error instanceof HoldfastError) || (error.type !== 'AlreadyExists' && error.type !== 'StoreUnavailable')) throw error;
      if (error.type === 'StoreUnavailable') return;
    }
    this.#newest = undefined;
    this.#putAtMs = this.#nowMs();
  }

  /** As `end`, for a writer that was told to stop: its own signal takes nothing any more. Best effort: who asked waits, and kills it after seconds. */
  async leave(): Promise<void> {
    await this.end(AbortSignal.timeout(leaveWithinMs)).catch(() => undefined);
  }
}

/** So many heads that are not believed are tried. The furthest of them stands for the rest: it claims the most. */
const triedAtMost = 100;

/**
 * The newest head of a timeline that is believed.
 * @param believe - reads one by its key; undefined: it is not believed, which `believe` has told.
 */
export async function findNewestHead(
  { store, signal }: { store: Store } & ReadOptions,
  scope: TimelineScope,
  believe: (key: string) => Promise<Found<Head> | undefined>,
): Promise<Head | undefined> {
  const tried = new Set<string>();
  for (const since of lookBacks()) {
    const keys = await newestKeys(store, scope, { tried, ...(since ? { startAfter: layout.head(scope, since) } : {}), ...(signal ? { signal } : {}) });
    for (const key of keys.reverse()) {
      const found = await believe(key);
      if (found) return found.body;
      tried.add(key);
      if (tried.size >= triedAtMost) return undefined;
    }
  }
  return undefined;
}

async function newestKeys(store: Store, scope: TimelineScope, { tried, ...options }: { tried: ReadonlySet<string>; startAfter?: string } & ReadOptions): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key, isDeleteMarker } of store.list(layout.heads(scope), options)) {
    if (isDeleteMarker || tried.has(key) || key === keys.at(-1) || parseHeadKey(key) === undefined) continue;
    keys.push(key);
    if (keys.length > triedAtMost) keys.shift();
  }
  return keys;
}

/** Whether the log of a timeline ends before its head: then its end was there, and is not any more. */
export const endIsLost = (head: Head, spans: readonly CatalogSpan[]): boolean => spans.every((span) => span.timeline !== head.timeline || span.to < head.to);
