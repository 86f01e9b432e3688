import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../workflows/domain/layout.ts';
import { parseLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { Reading } from '../../workflows/domain/progress.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { readOrNote, untilTime, type Findings, type ReadLimits } from './findings.ts';
import { inParallel } from './in-parallel.ts';
import { listSlices } from './list-slices.ts';
import type { StoredSlice } from './slice-names.ts';

export interface LogRange {
  after: LogPosition;
  /** exclusive; left out: as far as the slices touch */
  limit?: LogPosition | undefined;
  /** slices known as damaged: not read again, and what they would hold is a hole */
  distrust?: ReadonlyMap<string, string> | undefined;
  /** where it is expected to end, for the time left; left out: at the limit, and unknown without one */
  endsAt?: LogPosition | undefined;
}

export interface VerifiedLog {
  /** all before it and up to it was read, and is whole */
  wholeTo: LogPosition;
  /** some slice is damaged */
  damaged: boolean;
  /** the listing ended in a hole */
  hole: { from: LogPosition; to: LogPosition; problem: string } | undefined;
}

/**
 * Reads and authenticates the slices of a range, and adds what is wrong to `found`. Goes on after a damaged one, so that
 * one run names them all. A hole in the listing is returned: whether it is damage only the caller knows.
 */
export async function verifyLog(
  context: SourceContext,
  scope: TimelineScope,
  range: LogRange,
  { verifySlice, probe, found, limits }: { verifySlice: Engine['verifySlice']; probe: ObjectRef; found: Findings; limits: ReadLimits },
): Promise<VerifiedLog> {
  const { signal } = context;
  let last = range.after;
  let readBytes = 0;
  let firstBad: LogPosition | undefined;
  const verify = async (slice: StoredSlice): Promise<void> => {
    last = slice.to > last ? slice.to : last;
    const whole = await readOrNote(found, slice.key, () => context.store.get(probe, { signal }), () => verifySlice(context, slice));
    if (whole) found.entries += whole.entries;
    else if (firstBad === undefined || slice.from < firstBad) firstBad = slice.from;
    found.objects += 1;
    found.slices += 1;
    found.bytes += slice.bytes;
    readBytes += slice.bytes;
    // Of the bytes the whole is not known before the listing ends; the seconds say how far it is.
    context.progress({ phase: 'verify log', done: readBytes, of: 0, unit: 'bytes', slices: found.slices, ...logSecondsOf(range, last) });
  };
  let hole: VerifiedLog['hole'];
  try {
    await inParallel(untilTime(listSlices(context, scope, range), limits.untilMs), limits.atOnce, verify, signal);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'ChainBroken') throw error;
    hole = { ...(error.details as { from: LogPosition; to: LogPosition }), problem: error.message };
  }
  return { wholeTo: firstBad ?? last, damaged: firstBad !== undefined, hole };
}

function logSecondsOf({ after, limit, endsAt = limit }: LogRange, last: LogPosition): Pick<Reading, 'logSeconds' | 'logSecondsOf'> {
  if (endsAt === undefined) return {};
  const secondsTo = (position: LogPosition): number => Math.max(0, parseLogPosition(position).seconds - parseLogPosition(after).seconds);
  return { logSeconds: Math.min(secondsTo(last), secondsTo(endsAt)), logSecondsOf: secondsTo(endsAt) };
}

/** The slice that would fill a hole. */
export const missingSlice = (scope: TimelineScope, { from, to }: { from: LogPosition; to: LogPosition }): string => layout.slice(scope, from, to);
