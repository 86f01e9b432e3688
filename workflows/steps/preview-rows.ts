import { HoldfastError } from '../domain/errors.ts';
import { describeRows } from '../domain/rows.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';

/** The source is restored whole: what is chosen are the tables whose rows go back. @throws BadInput - none are. */
export function chosenTables({ only, stepId }: Pick<StepContext, 'only' | 'stepId'>): readonly string[] {
  if (!only) throw new HoldfastError('BadInput', `Step "${stepId}" has no tables to put rows back into.`, { hint: 'start the run with only: ["public.orders"]' });
  return only;
}

/**
 * Tries what putting rows back would do, in a transaction of the living source that is rolled back: every foreign key is checked by the server, and nothing is left. Every gate
 * behind it shows what came of it. Killed anywhere it is done again.
 */
export const previewRows = defineStep('preview-rows', {
  about: 'tries what putting rows back into the living source would do, and rolls it back',
  renews: true,
  async run(ctx, { changed }) {
    const shown = await forEachSource(ctx, async (source) => {
      const plan = await ctx.call('planRows', { target: targetOf(ctx, source), tables: chosenTables(ctx), changed }, `try what putting rows back into ${source} would do, and roll it back`);
      ctx.results.rows = { ...ctx.results.rows, [source]: { ...plan, changed } };
      return describeRows(source, plan, changed);
    });
    return { summary: shown.join(' ') };
  },
});
