import { defineStep } from './step.ts';

/** Sends a message at this point of the runbook. It is done once the message is on its way: a dead receiver holds up nothing. */
export const notify = defineStep('notify', {
  about: 'sends a message to the receivers under notify',
  run(ctx, { text, audience }) {
    const receivers = ctx.tell(text, audience);
    if (receivers === 0) return Promise.resolve({ summary: `nobody is to be told: no ${audience} receiver under notify takes "note" of this kind of run`, passedOver: true });
    return Promise.resolve({ summary: `sent to ${receivers} ${audience} receiver${receivers > 1 ? 's' : ''}` });
  },
});
