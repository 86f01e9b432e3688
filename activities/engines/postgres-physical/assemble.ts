import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { StoredSlice } from '../../store/slice-names.ts';
import type { SliceObjects } from '../base/slice-objects.ts';
import { checkSegment, numberOfSlice, readPiece } from './segment.ts';

/** One segment, in the slices that hold it. */
export interface ListedSegment {
  number: number;
  slices: StoredSlice[];
  /** what there is of it is all of it */
  ends: boolean;
}

/** What is received comes in several pieces of one segment: slices of a chain, in order, by segment. */
export async function* groupSegments(slices: AsyncIterable<StoredSlice>): AsyncGenerator<ListedSegment> {
  let open: ListedSegment | undefined;
  for await (const slice of slices) {
    const { number, ends } = numberOfSlice(slice);
    if (open && open.number !== number) yield open;
    open = { number, slices: open?.number === number ? [...open.slices, slice] : [slice], ends };
  }
  if (open) yield open;
}

/**
 * A segment as its server has it. What was not logged yet when the last piece was cut is zeros, as in a segment that a server has begun: there its log ends.
 * @throws Tampered, WrongKey, ObjectMissing - each names the slice. ChainBroken - its pieces do not touch.
 */
export async function assembleSegment(objects: SliceObjects, { slices }: ListedSegment): Promise<Buffer> {
  const pieces = await Promise.all(slices.map(async (slice) => {
    const plain = await objects.open(slice);
    checkSegment(slice, plain);
    return { key: slice.key, ...readPiece(plain, slice.key) };
  }));
  const last = pieces.at(-1)!;
  if (last.body.length === last.bytes) return last.body;
  const whole = Buffer.alloc(last.bytes);
  let reached: number | undefined;
  for (const { key, offset, body } of pieces) {
    if (offset !== 0 && reached !== undefined && offset !== reached) throw new HoldfastError('ChainBroken', `${key} begins at byte ${offset} of its WAL segment, and what is before it ends at ${reached}`, { details: { key } });
    body.copy(whole, offset);
    reached = offset + body.length;
  }
  return whole;
}
