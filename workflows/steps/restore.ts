import { WorkMeter } from '../domain/progress.ts';
import { formatBytes } from '../domain/units.ts';
import { pointOf } from './point-of.ts';
import { forEachSource, sideBySide } from './side-by-side.ts';
import { defineStep, targetOf } from './step.ts';

/** Loads the base. Safe to repeat: a group loads again over what it loaded before. */
export const restore = defineStep('restore', {
  about: 'restores the base of every source, groups of parts side by side',
  async run(ctx, { width }) {
    const meter = new WorkMeter(Date.parse(ctx.now()));
    ctx.results.restored[ctx.stepId] = meter;
    const restored = await forEachSource(ctx, async (source) => {
      const target = targetOf(ctx, source);
      const point = pointOf(ctx, source);
      const { groups, lacks } = await ctx.call('prepareRestore', { target, point }, `verify the base of ${source}, make its collections`);
      if (lacks) ctx.warn(`${source}: ${lacks.what} HINT: ${lacks.hint}`);
      meter.expect(groups.reduce((sum, { pieces = 0 }) => sum + pieces, 0));
      const done = await sideBySide(groups, width, async ({ group, index, plainBytes, pieces }) => {
        const restoredGroup = await ctx.call('restoreGroup', { target, point, group: { group, index } }, `${source} ${group}: ${formatBytes(plainBytes)}`);
        meter.add(plainBytes, Date.parse(ctx.now()), pieces);
        ctx.moved();
        return restoredGroup;
      });
      const documents = done.reduce((sum, group) => sum + group.documents, 0);
      const what = point.base.program ? `what ${point.base.program} dumped` : `${documents} documents`;
      return `${source}: ${what}, ${formatBytes(done.reduce((sum, group) => sum + group.plainBytes, 0))}`;
    });
    return { summary: restored.join('; ') };
  },
});
