import { z } from 'zod';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

export const promote = defineStep({
  about: 'turns each proved target into a server that takes writes',
  settings: z.strictObject({}),
  async run(ctx) {
    const promoted = await forEachSource(ctx, (source) => ctx.call('promoteTarget', { target: targetOf(ctx, source) }, `promote the target of ${source}`));
    return { summary: promoted.map(({ summary }) => summary).join('; ') };
  },
});
