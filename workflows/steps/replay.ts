import type { LogPosition } from '../domain/log-position.ts';
import { sourceCan } from '../sources.ts';
import { pointOf } from './point-of.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';

/** Replays one source's log before `limit`, and keeps what came of it for the RPO. Goes on from the target's own checkpoint. */
export async function replaySource(ctx: StepContext, source: string, limit: LogPosition): Promise<string> {
  const replayed = await ctx.call('replayLog', { target: targetOf(ctx, source), point: pointOf(ctx, source), limit }, `replay the log of ${source}`);
  const before = ctx.results.replays[source];
  // A tail without an entry leaves the last entry where it was.
  ctx.results.replays[source] = replayed.appliedTo === null && before ? { ...replayed, appliedTo: before.appliedTo, appliedToAt: before.appliedToAt } : replayed;
  ctx.results.limits[source] = limit;
  if (!sourceCan(ctx.view, source, 'log')) return `${source}: no log to replay, it is as its base was${replayed.appliedToAt ? `, which holds all up to ${replayed.appliedToAt}` : ''}`;
  return `${source}: ${replayed.entries} entries${replayed.appliedToAt ? `, the last of ${replayed.appliedToAt}` : ''}`;
}

export const replay = defineStep('replay', {
  about: 'replays the log of every source up to the recovery point',
  async run(ctx) {
    return { summary: (await forEachSource(ctx, (source) => replaySource(ctx, source, pointOf(ctx, source).limit))).join('; ') };
  },
});
