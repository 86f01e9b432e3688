import { describeCopies, describeExpiries } from '../domain/beside.ts';
import { HoldfastError } from '../domain/errors.ts';
import { copiesIn } from '../domain/recovery-point.ts';
import { epochOf, pointOf } from './point-of.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

/**
 * Copies what was restored and proved on the run's own server into the living source, under names that carry the run, and proves the copies. Living
 * collections are not touched. Killed anywhere: a copy that is equal is adopted, any other is made anew.
 */
export const copyBeside = defineStep('copy-beside', {
  about: 'copies what was restored into the living source, under names of its own, and proves each copy',
  // Another recovery point is another copy.
  renews: true,
  async run(ctx) {
    if (!ctx.view.copies) throw new HoldfastError('BadInput', `Step "${ctx.stepId}" belongs to a runbook with mode: beside or mode: swap.`);
    const copied = await forEachSource(ctx, async (source) => {
      const { copies } = await ctx.call('copyBeside', { target: targetOf(ctx, source), point: pointOf(ctx, source), epoch: epochOf(ctx) }, `copy what was restored into the living ${source}`);
      ctx.results.copies = { ...ctx.results.copies, [source]: copies };
      describeExpiries(copies).forEach((what) => ctx.warn(what));
      return `${source}: copied and proved equal by count and Σ SHA-256: ${describeCopies(copies)}`;
    });
    return { summary: copied.join('; ') };
  },
  async undo(ctx) {
    const dropped = await forEachSource(ctx, async (source) => {
      const point = ctx.results.points[source];
      const names = point ? copiesIn(point) : [];
      if (names.length === 0) return 'nothing was copied';
      const copied = ctx.results.copies?.[source] ?? [];
      const { summary } = await ctx.call('dropCopies', { target: targetOf(ctx, source), names, copied, epoch: ctx.results.epoch ?? 0 }, `drop the copies in the living ${source}`);
      return summary;
    });
    delete ctx.results.copies;
    delete ctx.results.swaps;
    return { summary: dropped.join('; ') };
  },
});
