import { layout, type TimelineScope } from '../../../workflows/domain/layout.ts';
import { logPosition, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import { findSliceEnd } from '../../store/find-resume-position.ts';
import { readSliceNames } from '../../store/slice-names.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { checkSegment, endOf, readPiece } from './segment.ts';

/** Where the stored log of a timeline ends, as its position and as the place in the log. Null: none is stored. The slice at the end is opened before it is believed. */
export async function findStoredEnd(context: SourceContext, scope: TimelineScope): Promise<{ position: LogPosition; lsn: bigint } | null> {
  const position = await findSliceEnd(context, scope);
  if (position === null) return null;
  const objects = new SliceObjects(context, scope, checkSegment);
  const { seconds } = parseLogPosition(position);
  for (const startAfter of [layout.slice(scope, logPosition(Math.max(0, seconds - 3600), 0), logPosition(0, 0)), undefined]) {
    for await (const slice of readSliceNames(context.store, scope, { startAfter, signal: context.signal })) {
      if (!('unreadable' in slice) && slice.to === position) return { position, lsn: endOf(readPiece(await objects.open(slice), slice.key)) };
    }
  }
  throw new HoldfastError('ObjectMissing', `the slice of ${layout.slices(scope)} that ends at ${position} is not there any more`);
}
