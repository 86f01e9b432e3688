import { describeComparison } from '../domain/comparison.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

/**
 * Holds what was restored against what lives: schema, counts, and the rows that only one of them has. It judges nothing: every gate behind it shows it, and people
 * judge. Only reads; killed anywhere it is done again.
 */
export const compare = defineStep('compare', {
  about: 'compares what was restored with what lives: schema, counts, rows missing on either side',
  // Of another recovery point it says something else.
  renews: true,
  async run(ctx) {
    const compared = await forEachSource(ctx, async (source) => {
      const comparison = await ctx.call('compareTarget', { target: targetOf(ctx, source), ...(ctx.only ? { tables: ctx.only } : {}) }, `compare what was restored of ${source} with what lives`);
      ctx.results.comparisons = { ...ctx.results.comparisons, [source]: comparison };
      return describeComparison(source, comparison);
    });
    return { summary: compared.join(' ') };
  },
});
