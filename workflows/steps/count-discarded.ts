import { isCancellation } from '@temporalio/workflow';
import { describeDiscarded } from '../domain/discarded-writes.ts';
import { directionOf } from '../domain/homeward.ts';
import { momentAsked } from '../domain/recovery-point.ts';
import { describeFailure } from '../failure.ts';
import { sourceCan } from '../sources.ts';
import { forEachSource } from './side-by-side.ts';
import type { StepContext } from './step.ts';

/** A person waits for the gate that shows it: a sixtieth of the RTO is a minute of an hour. */
const shareOfRto = 1 / 60;

/** The latest discards nothing, and what leaves production alone discards nothing that serves. */
export const discards = ({ target, purpose, only }: StepContext): boolean => momentAsked(target) && purpose === 'recovery' && !only;

/**
 * What people must know before they approve a recovery to an earlier moment: how many writes it leaves out, by the archive as it is when they are
 * asked. A sentence a source. A count that fails is said, and never stops a run.
 */
export async function countDiscarded(ctx: StepContext): Promise<string[]> {
  const { system, rtoObjectiveMs } = ctx.view;
  const said = await forEachSource(ctx, async (source) => {
    const point = ctx.results.points[source];
    if (!point) return '';
    if (!sourceCan(ctx.view, source, 'log')) return `${source}: what was written since is discarded, and cannot be counted: it has no log.`;
    try {
      const counted = await ctx.call(
        'countDiscarded',
        { system, source, ...directionOf(ctx.view), point: { timeline: point.timeline, limit: point.limit }, forMs: Math.round(rtoObjectiveMs * shareOfRto) },
        `count the writes of ${source} that would be discarded`,
      );
      return describeDiscarded(source, counted);
    } catch (error) {
      if (isCancellation(error)) throw error;
      return `${source}: what was written since is discarded, and could not be counted: ${describeFailure(error).message}`;
    }
  });
  return said.filter((sentence) => sentence !== '');
}
