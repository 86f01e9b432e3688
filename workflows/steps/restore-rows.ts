import { HoldfastError } from '../domain/errors.ts';
import { describeRestoredRows } from '../domain/rows.ts';
import { epochOf } from './point-of.ts';
import { chosenTables } from './preview-rows.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

/**
 * Puts chosen rows back into the living source, all of a source in one transaction, in which every foreign key holds. What was there before is kept there, under the run's
 * name, which is also how a second try knows that the first was committed.
 */
export const restoreRows = defineStep('restore-rows', {
  about: 'puts rows that are missing back into the living source, foreign keys held',
  renews: true,
  async run(ctx) {
    const restored = await forEachSource(ctx, async (source) => {
      const shown = ctx.results.rows?.[source];
      if (!shown) throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has nothing that people were shown of ${source}.`, { hint: 'let it need a step that uses preview-rows, and do not skip that' });
      const done = await ctx.call('restoreRows', { target: targetOf(ctx, source), tables: chosenTables(ctx), changed: shown.changed, epoch: epochOf(ctx) }, `put rows back into the living ${source}`);
      const { summary, otherwise } = describeRestoredRows(source, done, shown);
      otherwise.forEach((what) => ctx.warn(what));
      return summary;
    });
    return { summary: restored.join('; ') };
  },
  async undo(ctx) {
    const back = await forEachSource(ctx, async (source) => {
      if (!ctx.results.rows?.[source]) return `${source}: nothing was put back`;
      const { summary } = await ctx.call('removeRows', { target: targetOf(ctx, source), epoch: ctx.results.epoch ?? 0 }, `take the rows out of the living ${source} again`);
      return summary;
    });
    return { summary: back.join('; ') };
  },
});
