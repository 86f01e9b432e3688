import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { parseRangeKey } from '../../../../workflows/domain/layout.ts';
import type { SourceContext } from '../../../context.ts';
import { checkSlice, SliceObjects } from '../oplog/slice-object.ts';

/** One set of opened keys for all that a job verifies: without it each slice fetches and unwraps its key anew. */
const opened = new WeakMap<SourceContext, Map<string, SliceObjects>>();

function slicesOf(context: SourceContext, timeline: string): SliceObjects {
  const timelines = opened.get(context) ?? new Map<string, SliceObjects>();
  opened.set(context, timelines);
  const slices = timelines.get(timeline) ?? new SliceObjects(context, { system: context.system.system, source: context.sourceName, timeline });
  timelines.set(timeline, slices);
  return slices;
}

/**
 * Reads one stored slice to its end, authenticating every byte, and checks that it holds whole entries in order from
 * behind `from` to exactly `to`. Only reads.
 * @throws Tampered, WrongKey, ObjectMissing - names the slice.
 */
export async function verifySlice(context: SourceContext, slice: { key: string; versionId: string }): Promise<{ entries: number; bytes: number }> {
  const range = parseRangeKey(slice.key);
  const timeline = slice.key.split('/').at(-3);
  if (!range || !timeline) throw new HoldfastError('Tampered', `${slice.key} is not the name of a slice`, { details: { key: slice.key } });
  const objects = slicesOf(context, timeline);
  const plain = await objects.open({ ...slice, ...range });
  return { entries: checkSlice({ ...slice, ...range }, plain), bytes: plain.length };
}
