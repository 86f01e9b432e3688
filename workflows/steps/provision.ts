import { z } from 'zod';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

export const provision = defineStep({
  about: 'makes an empty restore target for every source',
  settings: z.strictObject({}),
  perSource: true,
  async run(ctx) {
    const made = await forEachSource(ctx, (source) => ctx.call('provisionTarget', targetOf(ctx, source), `make the target of ${source}`));
    return { summary: made.map(({ summary }) => summary).join('; ') };
  },
  renews: true,
  async undo(ctx) {
    const removed = await forEachSource(ctx, (source) => ctx.call('removeTarget', targetOf(ctx, source), `remove the target of ${source}`));
    return { summary: removed.map(({ summary }) => summary).join('; ') };
  },
});
