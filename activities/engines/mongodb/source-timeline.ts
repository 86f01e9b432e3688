import type { SourceContext } from '../../context.ts';
import { createTimeline, currentTimeline } from '../../store/timelines.ts';
import { requireIdentity } from './archive/open-archive.ts';

/**
 * The timeline that this source lives in: the current one, or the first one when there is none.
 *
 * Safe to repeat, and from two jobs at once: see `createTimeline`.
 *
 * @throws BadInput - the server is another replica set than the timeline's. A timeline for it would hide every recovery
 *   point of the source, so only a recovery starts the next one (`startTimeline`).
 */
export async function sourceTimeline(context: SourceContext, of: { identity: string; epoch: number; why: string }): Promise<string> {
  const { store, keys, signal } = context;
  const source = { system: context.system.system, source: context.sourceName };
  const timeline = (await currentTimeline(store, keys, source, { signal })) ?? (await createTimeline(store, keys, {
    ...source,
    epoch: of.epoch,
    startedAt: new Date().toISOString(),
    why: of.why,
    sourceIdentity: of.identity,
    parent: null,
  }, { signal }));
  requireIdentity(context, timeline, of.identity);
  return timeline.timeline;
}
