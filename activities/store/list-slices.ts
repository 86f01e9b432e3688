import { coverSlices, type CoverEvent, type SliceRange } from '../../workflows/domain/chain.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import { formatLogPosition, logPosition, nextLogPosition, parseLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import { hours } from '../../workflows/domain/units.ts';
import { listByTime } from './list-by-time.ts';
import type { Store } from './store.ts';

/** One slice in the store: the version that was there first. */
export interface StoredSlice extends SliceRange {
  versionId: string;
  bytes: number;
}

export interface ListSlicesOptions {
  /** the log is wanted after this position */
  after: LogPosition;
  /** up to, not including, this one; left out: as far as the slices touch, and an error if others follow */
  limit?: LogPosition | undefined;
  signal?: AbortSignal | undefined;
}

/** How far before `after` the listing begins: longer than any slice ought to be. Found too short, all is listed. */
const lookBackSeconds = 600;

/**
 * The slices that hold the log after `after` and before `limit`, in order, each once, one touching the next.
 *
 * The first one may begin before `after` and the last may end at or after `limit`: the reader leaves out the entries
 * outside. Nothing is yielded when `limit` is the very next position. Streams: memory does not grow with the log.
 * Slices are named by a listing and not opened here: whoever opens one authenticates it.
 *
 * @throws ChainBroken - a slice is missing inside the range; names both sides of the hole and the nearest good point.
 */
export async function* listSlices(store: Store, scope: TimelineScope, options: ListSlicesOptions): AsyncGenerator<StoredSlice> {
  const { after, limit } = options;
  let reached = after;
  let first = true;
  const enough = (): boolean => limit !== undefined && nextLogPosition(reached) >= limit;
  const near = layout.slice(scope, logPosition(Math.max(0, parseLogPosition(after).seconds - lookBackSeconds), 0), logPosition(0, 0));
  for (const startAfter of [near, undefined]) {
    let hole: LogPosition | null = null;
    for await (const slice of chosenSlices(store, scope, startAfter, options.signal)) {
      if (enough()) return;
      if (slice.to <= reached) continue;
      if (first ? slice.from > reached : slice.from !== reached) {
        hole = slice.from;
        break;
      }
      first = false;
      reached = slice.to;
      yield slice;
    }
    // Nothing found near by: the one slice that holds `after` may begin further back.
    if (enough() || (limit === undefined && hole === null && (!first || startAfter === undefined))) return;
    if (startAfter === undefined) throw chainBroken(scope, reached, hole, limit);
  }
}

async function* chosenSlices(store: Store, scope: TimelineScope, startAfter: string | undefined, signal: AbortSignal | undefined): AsyncGenerator<StoredSlice> {
  const cover = coverSlices<StoredSlice>();
  for await (const slice of readSliceNames(store, scope, { startAfter, signal })) {
    if (!('unreadable' in slice)) yield* chosenOf(cover.add(slice));
  }
  yield* chosenOf(cover.end());
}

function* chosenOf(events: CoverEvent<StoredSlice>[]): Generator<StoredSlice> {
  for (const event of events) if ('chosen' in event) yield event.chosen;
}

/**
 * Every slice's key once, in order, with its oldest version; keys that are no slice's come as `unreadable`. So do names that
 * end later than tomorrow: anybody who may put could write one, and then the archive would seem up to date for ever.
 */
export async function* readSliceNames(
  store: Store,
  scope: TimelineScope,
  options: { startAfter?: string | undefined; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<StoredSlice | { key: string; unreadable: true }> {
  let previous = '';
  const tomorrow = logPosition(Math.floor((Date.now() + hours(24)) / 1000), 0);
  for await (const version of listByTime(store, layout.slices(scope), options)) {
    // The oldest version is the one that was written under put-if-absent; what came later came round the lock.
    if (version.isDeleteMarker || version.key === previous) continue;
    previous = version.key;
    const range = parseRangeKey(version.key);
    if (!range || range.to > tomorrow || version.key !== layout.slice(scope, range.from, range.to)) yield { key: version.key, unreadable: true };
    else yield { ...range, key: version.key, versionId: version.versionId, bytes: version.bytes };
  }
}

function chainBroken(scope: TimelineScope, reached: LogPosition, hole: LogPosition | null, limit: LogPosition | undefined): HoldfastError {
  const where = `${scope.system}/${scope.source}/${scope.timeline}`;
  const farSide = hole ?? limit ?? reached;
  return new HoldfastError(
    'ChainBroken',
    `${where}: chain broken between ${formatLogPosition(reached)} and ${formatLogPosition(farSide)} (no slice)`,
    {
      hint: `restore up to and including ${formatLogPosition(reached)} (target position ${nextLogPosition(reached)}), or take a base backup`,
      details: { timeline: scope.timeline, from: reached, to: farSide },
    },
  );
}
