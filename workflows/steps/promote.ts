import { describePartial } from '../domain/chosen-namespaces.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

export const promote = defineStep('promote', {
  about: 'turns each proved target into a server that takes writes',
  async run(ctx) {
    if (ctx.only) return { summary: `${describePartial(ctx.only)}; the target stays a standalone on loopback`, passedOver: true };
    const promoted = await forEachSource(ctx, (source) => ctx.call('promoteTarget', { target: targetOf(ctx, source) }, `promote the target of ${source}`));
    return { summary: promoted.map(({ summary }) => summary).join('; ') };
  },
});
