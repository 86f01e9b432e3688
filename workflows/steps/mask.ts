import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

/**
 * Masks what was restored by the system file's rules, and looks afterwards that nothing unmasked is left. Where the data goes on to serve production it is left as it is. Killed
 * in its middle: a table is masked whole or not at all, and masking what is masked changes nothing that anybody could read.
 */
export const mask = defineStep('mask', {
  about: 'masks what was restored, before people are let in to it',
  renews: true,
  async run(ctx) {
    const { masks = {}, protections = {}, standbyEnvironment } = ctx.view;
    if (protections[standbyEnvironment] === 'production') return { summary: `${standbyEnvironment} is of production: nothing is masked`, passedOver: true };
    const masked = await forEachSource(ctx, async (source) => {
      if (!masks[source]) return `${source}: no rules`;
      const { columns, notes } = await ctx.call('maskTarget', { target: targetOf(ctx, source) }, `mask what was restored of ${source}`);
      notes.forEach((note) => ctx.warn(`${source}: ${note}`));
      const values = columns.reduce((sum, column) => sum + column.values, 0);
      return `${source}: ${values.toLocaleString('en-US')} values of ${columns.length} columns, and none is left unmasked`;
    });
    return { summary: masked.join('; ') };
  },
});
