import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { TimelineScope } from '../../workflows/domain/layout.ts';
import { ArchiveKeys } from '../stream/archive-key.ts';
import { sliceContext } from '../stream/contexts.ts';
import type { Keys } from '../stream/keys.ts';
import { contextOf, keyIdOf, open } from '../stream/sealed.ts';
import { readOrFault } from './findings.ts';
import { readSliceNames, type StoredSlice } from './slice-names.ts';
import type { Store } from './store.ts';

export interface SliceRoom {
  store: Store;
  keys: Keys;
  signal?: AbortSignal | undefined;
}

/** Opens slices of one timeline to find out whether they are what their names say. The archive keys are opened once. */
export class SliceBelief {
  readonly #room: SliceRoom;
  readonly #scope: TimelineScope;
  readonly #keys: ArchiveKeys;

  constructor(room: SliceRoom, scope: TimelineScope) {
    this.#room = room;
    this.#scope = scope;
    this.#keys = new ArchiveKeys(room.store, room.keys);
  }

  /**
   * Why the slice is not what its name says; undefined: it is.
   * @param beside - another slice: when the store gives that one and not this, this one is damaged.
   * @throws StoreUnavailable - nothing is known then.
   */
  async faultOf(slice: StoredSlice, beside?: StoredSlice): Promise<HoldfastError | undefined> {
    const { store, signal } = this.#room;
    const stored = async (of: StoredSlice): Promise<Buffer> => await store.getVersion(of, signal ? { signal } : {});
    const outcome = await readOrFault(async () => await this.#open(slice, await stored(slice)), beside && (() => stored(beside)));
    return 'fault' in outcome ? outcome.fault : undefined;
  }

  async #open({ from, to }: StoredSlice, stored: Buffer): Promise<void> {
    const key = await this.#keys.forReading(this.#scope, keyIdOf(stored));
    // Which epoch wrote it only the slice itself knows; opening authenticates that word with the others.
    await open(key, stored, sliceContext(this.#scope, { from, to, epoch: Number(contextOf(stored)['epoch']) }));
  }
}

export interface BelievedOptions {
  startAfter?: string | undefined;
  /** slices that somebody has found damaged, by key, with the reason: left out */
  distrust?: ReadonlyMap<string, string> | undefined;
  reject?: ((key: string, why: string) => void) | undefined;
}

/** In a bucket that was copied, which gives every object another time, half of all slices may seem put late: of those no more are opened. */
const lateOpenedAtMost = 100;

/**
 * The slices of a timeline in the order of their keys, without those that cannot be.
 *
 * A slice that overlaps no other is taken by its name: opening 259,200 of them would take longer than a recovery may, and
 * whoever reads one authenticates it. Where two overlap, one may have been forged to lead away from the log, or beyond its
 * end: then both are opened, and only what opens is passed on. So is one that was put after the slice that follows it: an archive puts them
 * one after another, so that is how a name looks that was forged to fill a hole. Memory: two slices.
 */
export async function* believedSlices(room: SliceRoom, scope: TimelineScope, { startAfter, distrust, reject }: BelievedOptions = {}): AsyncGenerator<StoredSlice> {
  const belief = new SliceBelief(room, scope);
  /** not passed on yet: the next one may overlap it */
  let last: { slice: StoredSlice; opened: boolean } | undefined;
  /** how far reach those that were opened and passed on */
  let openedTo = '';
  let lateOpened = 0;
  const opens = async (slice: StoredSlice, beside: StoredSlice | undefined): Promise<boolean> => {
    const fault = await belief.faultOf(slice, beside);
    if (fault) reject?.(slice.key, fault.message);
    return fault === undefined;
  };
  /** Where the one behind it does not open either, no key may fit anything here, which says nothing of it; a forged one is then met as a span's end. */
  const isForged = async (slice: StoredSlice, behind: StoredSlice): Promise<boolean> => {
    const fault = await belief.faultOf(slice, behind);
    if (!fault || (await belief.faultOf(behind, slice))) return false;
    reject?.(slice.key, fault.message);
    return true;
  };
  for await (const slice of readSliceNames(room.store, scope, { startAfter, signal: room.signal })) {
    const why = 'unreadable' in slice ? 'its name is not that of a slice, or ends later than tomorrow' : distrust?.get(slice.key);
    if ('unreadable' in slice || why !== undefined) {
      reject?.(slice.key, why!);
      continue;
    }
    if (last && !last.opened && slice.from < last.slice.to) {
      if (await opens(last.slice, slice)) last.opened = true;
      else last = undefined;
    } else if (last && !last.opened && last.slice.putAt > slice.putAt && lateOpened < lateOpenedAtMost) {
      lateOpened += 1;
      if (await isForged(last.slice, slice)) last = undefined;
    }
    const overlaps = slice.from < openedTo || (last !== undefined && slice.from < last.slice.to);
    if (overlaps && !(await opens(slice, last?.slice))) continue;
    if (last) {
      yield last.slice;
      if (last.opened && last.slice.to > openedTo) openedTo = last.slice.to;
    }
    last = { slice, opened: overlaps };
  }
  if (last) yield last.slice;
}
