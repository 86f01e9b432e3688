import { defineStep } from './step.ts';

/** What no program can do: a checklist that people confirm, item by item, by the message `confirm`. Nothing is undone of it: the journal says what was done. */
export const manual = defineStep('manual', {
  about: 'a checklist that people confirm, item by item',
  run: (_ctx, { instructions, items }) => Promise.resolve({ summary: instructions ?? 'confirmed', confirms: items }),
});
