import { coverSlices, type CoverEvent } from '../../workflows/domain/chain.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import { logPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import { gapSchema } from '../../workflows/domain/source-records.ts';
import type { Keys } from '../stream/keys.ts';
import { SliceBelief } from './believed-slices.ts';
import { lookBacks } from './look-backs.ts';
import { readSliceNames, type StoredSlice } from './slice-names.ts';
import { findSigned } from './signed-object.ts';
import type { Store } from './store.ts';

export interface ChainRoom {
  store: Store;
  keys: Keys;
  signal?: AbortSignal | undefined;
}

/** Where the log of a timeline goes on: behind its last slice, or behind a gap that was found after it. Null: it never began. */
export async function findResumePosition(room: ChainRoom, scope: TimelineScope): Promise<LogPosition | null> {
  const slices = await findSliceEnd(room, scope);
  const gap = await lastGapEnd(room, scope);
  if (slices === null || gap === null) return slices ?? gap;
  return slices > gap ? slices : gap;
}

/** That many slices at the end that do not open are no stray object any more: a person has to look. */
const refusedAtMost = 100;

/**
 * Where the slices of a timeline end; gaps do not count. Null: there is none that is to be believed.
 *
 * The slice at the end is opened before it is believed, and passed over if it is not what its name says: anybody who may
 * put could write a name that ends later, and then log would be skipped that is nowhere else.
 *
 * @throws WrongKey, ObjectMissing - slices are there, and the key of none of them: the log is not begun again for that.
 * @throws Tampered - a hundred slices at the end do not open; names the last one that was tried.
 */
export async function findSliceEnd(room: ChainRoom, scope: TimelineScope): Promise<LogPosition | null> {
  const belief = new SliceBelief(room, scope);
  const refused = new Set<string>();
  let keyError: HoldfastError | undefined;
  for (;;) {
    const last = await findLastSlice(room, scope, refused);
    if (!last && keyError) throw keyError;
    if (!last) return null;
    const error = await belief.faultOf(last);
    if (!error) return last.to;
    if (error.type === 'WrongKey' || error.type === 'ObjectMissing') keyError ??= error;
    refused.add(last.key);
    if (refused.size >= refusedAtMost) {
      throw new HoldfastError(error.type, `the last ${refused.size} slices of ${layout.slices(scope)} do not open: ${last.key}: ${error.message}`, { details: { key: last.key }, cause: error });
    }
  }
}

async function findLastSlice(room: ChainRoom, scope: TimelineScope, refused: ReadonlySet<string>): Promise<StoredSlice | undefined> {
  for (const since of lookBacks()) {
    const startAfter = since && layout.slice(scope, since, logPosition(0, 0));
    const last = await lastChosen(room, scope, startAfter, refused);
    if (last) return last;
  }
  return undefined;
}

async function lastChosen({ store, signal }: ChainRoom, scope: TimelineScope, startAfter: string | undefined, refused: ReadonlySet<string>): Promise<StoredSlice | undefined> {
  const cover = coverSlices<StoredSlice>();
  let last: StoredSlice | undefined;
  const take = (events: CoverEvent<StoredSlice>[]): void => {
    for (const event of events) if ('chosen' in event && (!last || event.chosen.to > last.to)) last = event.chosen;
  };
  for await (const slice of readSliceNames(store, scope, { startAfter, signal })) {
    if (!('unreadable' in slice) && !refused.has(slice.key)) take(cover.add(slice));
  }
  take(cover.end());
  return last;
}

async function lastGapEnd({ store, keys, signal }: ChainRoom, scope: TimelineScope): Promise<LogPosition | null> {
  const options = signal ? { signal } : {};
  let last: { key: string; to: LogPosition } | null = null;
  for await (const version of store.list(layout.gaps(scope), options)) {
    const range = parseRangeKey(version.key);
    if (!version.isDeleteMarker && range && (last === null || range.to > last.to)) last = { key: version.key, to: range.to };
  }
  if (!last) return null;
  const { found } = await findSigned(store, keys, gapSchema, last.key, options);
  return found ? found.body.to : null;
}
