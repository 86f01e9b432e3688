import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Timeline } from '../../../workflows/domain/source-records.ts';
import type { SourceContext } from '../../context.ts';
import { currentOrFirstTimeline } from '../base/timelines.ts';

/**
 * The timeline that this replica set lives in; makes the first one. Safe to repeat, and from two jobs at once.
 * @throws BadInput - the server is another replica set than the timeline's: its log is no continuation of it.
 */
export async function sourceTimeline(context: SourceContext, of: { identity: string; epoch: number; why: string }): Promise<Timeline> {
  const timeline = await currentOrFirstTimeline(context, of);
  if (timeline.sourceIdentity === of.identity) return timeline;
  const where = timeline.environment ?? context.source.environment;
  throw new HoldfastError('BadInput', `${context.sourceName} in ${where} is replica set ${of.identity}; timeline ${timeline.timeline} is the log of ${timeline.sourceIdentity}`, {
    hint: `correct the endpoint of ${context.sourceName} in ${where} if that is the wrong server; a replica set that was made anew on purpose is another source: give it a name of its own in the system file, or bring the old data back with recoverSystem`,
  });
}
