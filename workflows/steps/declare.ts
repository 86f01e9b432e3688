import { defineStep } from './step.ts';

/** Takes the command: from here on another control plane that holds an older epoch stops writing. */
export const declare = defineStep('declare', {
  about: 'takes the command of the system, and reads how long earlier runs took',
  async run(ctx) {
    const { system } = ctx.view;
    const why = `${ctx.purpose} ${ctx.run}`;
    const { epoch } = await ctx.call('claimEpoch', { system, why, takeOver: ctx.takeOver }, `claim the command of ${system}`);
    ctx.results.epoch = epoch;
    try {
      ctx.results.history = await ctx.call('readStepHistory', { system }, 'how long earlier runs took');
    } catch {
      // A recovery does not wait for its forecast.
      ctx.warn('the history of earlier runs could not be read: the forecast stands on budgets alone');
    }
    return { summary: `epoch ${epoch}${ctx.reason ? `; ${ctx.reason}` : ''}` };
  },
});
