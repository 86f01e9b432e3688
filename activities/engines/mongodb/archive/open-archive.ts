import type { MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { Timeline } from '../../../../workflows/domain/source-records.ts';
import type { SourceContext } from '../../../context.ts';
import { createTimeline, currentTimeline } from '../../../store/timelines.ts';
import { readServerFacts } from '../server-facts.ts';

/**
 * The timeline that the source's log is archived to; makes the first one.
 * @throws BadInput - the server is another replica set than the timeline's: its log is no continuation of it.
 */
export async function openArchive(context: SourceContext, client: MongoClient): Promise<Timeline> {
  const { identity } = await readServerFacts(client);
  const of = { system: context.system.system, source: context.sourceName };
  const timeline = (await currentTimeline(context.store, context.keys, of, { signal: context.signal })) ?? (await createTimeline(context.store, context.keys, {
    ...of,
    epoch: context.epoch,
    startedAt: new Date().toISOString(),
    why: 'first archive of the source',
    sourceIdentity: identity,
    parent: null,
  }, { signal: context.signal }));
  requireIdentity(context, timeline, identity);
  return timeline;
}

export function requireIdentity(context: SourceContext, timeline: Timeline, identity: string): void {
  if (timeline.sourceIdentity === identity) return;
  const where = timeline.environment ?? context.source.environment;
  throw new HoldfastError('BadInput', `${context.sourceName} in ${where} is replica set ${identity}; timeline ${timeline.timeline} is the log of ${timeline.sourceIdentity}`, {
    hint: `correct the endpoint of ${context.sourceName} in ${where} if that is the wrong server; a replica set that was made anew on purpose is another source: give it a name of its own in the system file, or bring the old data back with recoverSystem`,
  });
}
