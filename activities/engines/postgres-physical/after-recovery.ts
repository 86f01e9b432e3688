import type { DiscardedWrites } from '../../../workflows/domain/discarded-writes.ts';
import { parseRangeKey } from '../../../workflows/domain/layout.ts';
import { logPositionAt, parseLogPosition } from '../../../workflows/domain/log-position.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { findSliceEnd } from '../../store/find-resume-position.ts';
import { SliceObjects } from '../base/slice-objects.ts';
import { startRecoveredTimeline, type RecoveredSource } from '../base/timelines.ts';
import { withSource } from './connect.ts';
import { keepHistoryOf } from './history.ts';
import { checkSegment } from './segment.ts';
import { identityOf, readServerFacts } from './server.ts';

/**
 * Starts the log of a recovered server, with the history that it tells. Safe to repeat. @throws EpochSuperseded - another control plane has the command. AlreadyExists - the timeline is that of another server.
 */
export async function startTimeline(context: SourceContext, input: RecoveredSource): Promise<{ timeline: string }> {
  return await withSource(context, async (client, place) => {
    const facts = await readServerFacts(client);
    const begun = await startRecoveredTimeline(context, input, identityOf(facts));
    await keepHistoryOf(context, place, begun, facts).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'SourceUnavailable') throw error;
      // Its configuration may let nobody stream from this machine: then its first segment, or base, brings it.
      context.log?.('warn', error.message);
    });
    return { timeline: begun.timeline };
  }, { environment: input.environment });
}

/** How much log lies behind a moment is known, and how many rows it changes is not: nobody here reads it row by row. */
export async function countDiscarded(context: SourceContext, { point }: { point: Pick<RecoveryPoint, 'timeline' | 'limit'> }): Promise<DiscardedWrites> {
  const end = await findSliceEnd(context, { system: context.system.system, source: context.sourceName, timeline: point.timeline });
  const none = { inserts: 0, updates: 0, deletes: 0, commands: 0, firstAt: null, lastAt: null, namespaces: [], namespaceCount: 0, countedTo: null };
  if (end === null || end < point.limit) return { ...none, atLeast: [] };
  return { ...none, atLeast: [`the WAL behind it reaches ${logPositionAt(end)}, segment ${parseLogPosition(end).ordinal}, and is not read row by row`] };
}

/** Reads one stored slice to its end, authenticating every byte, and checks that it is the segment of its name. @throws Tampered, WrongKey, ObjectMissing. */
export async function verifySlice(context: SourceContext, slice: { key: string; versionId: string }): Promise<{ entries: number; bytes: number }> {
  const range = parseRangeKey(slice.key);
  const timeline = slice.key.split('/').at(-3);
  if (!range || !timeline) throw new HoldfastError('Tampered', `${slice.key} is not the name of a slice`, { details: { key: slice.key } });
  const plain = await slicesOf(context, timeline).open({ ...slice, ...range });
  return { entries: checkSegment({ ...slice, ...range }, plain), bytes: plain.length };
}

/** One set of opened keys for all that a job verifies. */
const opened = new WeakMap<SourceContext, Map<string, SliceObjects>>();

function slicesOf(context: SourceContext, timeline: string): SliceObjects {
  const timelines = opened.get(context) ?? new Map<string, SliceObjects>();
  opened.set(context, timelines);
  const slices = timelines.get(timeline) ?? new SliceObjects(context, { system: context.system.system, source: context.sourceName, timeline }, checkSegment);
  timelines.set(timeline, slices);
  return slices;
}
