import { nextLogPosition } from '../domain/log-position.ts';
import { momentAsked } from '../domain/recovery-point.ts';
import { sourceCan } from '../sources.ts';
import { buildIndexesOf } from './build-indexes.ts';
import { leaveProduction } from './leave-production.ts';
import { epochOf, limitOf, pointOf } from './point-of.ts';
import { replaySource } from './replay.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, type StepContext } from './step.ts';
import { validateSource } from './validate.ts';

/** Brings what the fenced primary still held: without it, everything between the last replay and the fence is lost. */
async function drainSource(ctx: StepContext, source: string): Promise<{ drained: boolean; summary: string }> {
  const passed = (why: string): { drained: boolean; summary: string } => ({ drained: false, summary: `${source}: ${why}` });
  if (!sourceCan(ctx.view, source, 'log')) {
    ctx.warn(`${source} has no log to drain: what its dump does not hold is lost`);
    return passed('no log to drain');
  }
  const fenced = ctx.results.fences[source];
  if (!fenced) return passed('not drained: it was not fenced, so its log has no end');
  if (!fenced.logReachable) return passed('not drained: the old primary’s log cannot be read');
  const { system } = ctx.view;
  const point = pointOf(ctx, source);
  const drained = await ctx.call(
    'drainLog',
    { system, source, epoch: epochOf(ctx), timeline: point.timeline },
    `archive what the fenced primary of ${source} still holds`,
  );
  const unvalidated = ctx.results.unvalidated[source];
  if (!drained.drained) {
    ctx.warn(`${source} was not drained: ${drained.note}`);
    if (unvalidated === undefined) return passed(`not drained: ${drained.note}`);
  }
  const end = drained.to === null ? limitOf(ctx, source) : nextLogPosition(drained.to);
  const limit = unvalidated !== undefined && unvalidated > end ? unvalidated : end;
  if (limit <= limitOf(ctx, source) && unvalidated === undefined) return { drained: true, summary: `${source}: nothing came after the last replay` };
  // Until the validation has passed: a retry must not take the tail that is there by now for a proved one.
  ctx.results.unvalidated[source] = limit;
  const replayed = await replaySource(ctx, source, limit);
  await buildIndexesOf(ctx, source);
  await validateSource(ctx, source, undefined);
  delete ctx.results.unvalidated[source];
  return { drained: true, summary: `${replayed}; validated again` };
}

export const drain = defineStep('drain', {
  about: 'archives and replays what the fenced primary still held, and validates again',
  production: true,
  async run(ctx) {
    const left = leaveProduction(ctx);
    if (left) return left;
    if (momentAsked(ctx.target)) {
      return { summary: 'a moment was asked for: what came after it is left out on purpose', passedOver: true };
    }
    const sources = await forEachSource(ctx, (source) => drainSource(ctx, source));
    return { summary: sources.map(({ summary }) => summary).join(' · '), passedOver: sources.every(({ drained }) => !drained) };
  },
});
