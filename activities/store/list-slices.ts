import { coverSlices, type CoverEvent } from '../../workflows/domain/chain.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../workflows/domain/layout.ts';
import { formatLogPosition, logPosition, nextLogPosition, parseLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import { believedSlices, type BelievedOptions, type SliceRoom } from './believed-slices.ts';
import type { StoredSlice } from './slice-names.ts';

export interface ListSlicesOptions {
  /** the log is wanted after this position */
  after: LogPosition;
  /** up to, not including, this one; left out: as far as the slices touch, and an error if others follow */
  limit?: LogPosition | undefined;
  /** slices known as damaged, by key, with the reason: as if they were not there */
  distrust?: ReadonlyMap<string, string> | undefined;
}

/** How far before `after` the listing begins: longer than any slice ought to be. Found too short, all is listed. */
const lookBackSeconds = 600;

/**
 * The slices that hold the log after `after` and before `limit`, in order, each once, one touching the next.
 *
 * The first one may begin before `after` and the last may end at or after `limit`: the reader leaves out the entries
 * outside. Nothing is yielded when `limit` is the very next position. Streams: memory does not grow with the log.
 * Slices are named by a listing, and opened only where they overlap: whoever reads one authenticates it.
 *
 * @throws ChainBroken - a slice is missing inside the range; names both sides of the hole and the nearest good point.
 */
export async function* listSlices(room: SliceRoom, scope: TimelineScope, options: ListSlicesOptions): AsyncGenerator<StoredSlice> {
  const { after, limit } = options;
  let reached = after;
  let first = true;
  const enough = (): boolean => limit !== undefined && nextLogPosition(reached) >= limit;
  const near = layout.slice(scope, logPosition(Math.max(0, parseLogPosition(after).seconds - lookBackSeconds), 0), logPosition(0, 0));
  for (const startAfter of [near, undefined]) {
    let hole: LogPosition | null = null;
    for await (const slice of chosenSlices(room, scope, { startAfter, distrust: options.distrust })) {
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

async function* chosenSlices(room: SliceRoom, scope: TimelineScope, options: BelievedOptions): AsyncGenerator<StoredSlice> {
  const cover = coverSlices<StoredSlice>();
  for await (const slice of believedSlices(room, scope, options)) yield* chosenOf(cover.add(slice));
  yield* chosenOf(cover.end());
}

function* chosenOf(events: CoverEvent<StoredSlice>[]): Generator<StoredSlice> {
  for (const event of events) if ('chosen' in event) yield event.chosen;
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
