import type { TimelineScope } from '../../../../workflows/domain/layout.ts';
import { nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { listSlices } from '../../../store/list-slices.ts';
import type { StoredSlice } from '../../../store/slice-names.ts';
import { checkSlice, SliceObjects } from './slice-object.ts';

export interface OpenedSlice {
  slice: StoredSlice;
  plain: Buffer;
}

/** Slices fetched and opened while the reader is busy with an earlier one: at most this many slices lie in memory. */
const slicesAhead = 3;

/**
 * The log after `after` and before `limit`, slice by slice, authenticated and opened ahead of the reader. The first
 * slice may begin before `after`, and the last may hold entries at or behind `limit`: the reader leaves those out. Without a
 * limit, as far as the slices touch.
 *
 * @throws ChainBroken - a slice is missing; Tampered, WrongKey - names the slice. None is helped by another try.
 */
export async function* readLog(
  context: SourceContext,
  scope: TimelineScope,
  range: { after: LogPosition; limit?: LogPosition | undefined },
): AsyncGenerator<OpenedSlice> {
  if (range.limit !== undefined && nextLogPosition(range.after) >= range.limit) return;
  const objects = new SliceObjects(context, scope);
  const listed = listSlices(context, scope, range);
  const ahead: Promise<OpenedSlice>[] = [];
  const fetch = async (slice: StoredSlice): Promise<OpenedSlice> => {
    const plain = await objects.open(slice);
    checkSlice(slice, plain);
    return { slice, plain };
  };
  try {
    for (let more = true; more || ahead.length > 0; ) {
      while (more && ahead.length < slicesAhead) {
        const next = await listed.next();
        if (next.done) {
          more = false;
          break;
        }
        const opened = fetch(next.value);
        // Whoever takes it sees the error; until then it must not count as unhandled.
        opened.catch(() => undefined);
        ahead.push(opened);
      }
      const opened = await ahead.shift();
      context.signal.throwIfAborted();
      if (opened) yield opened;
    }
  } finally {
    await listed.return(undefined);
    await Promise.allSettled(ahead);
  }
}

export const scopeOf = (point: Pick<RecoveryPoint, 'system' | 'source' | 'timeline'>): TimelineScope =>
  ({ system: point.system, source: point.source, timeline: point.timeline });

/**
 * How far the slices must reach for a limit: to the limit itself, unless it is a time beyond the archive's end, which
 * the recovery point has already judged (`reaches`). A limit behind the point's own is a position that was drained.
 */
export const coverFor = (point: RecoveryPoint, limit: LogPosition): LogPosition => {
  const reached = nextLogPosition(point.reaches);
  return limit > point.limit || limit < reached ? limit : reached;
};
