import { HoldfastError } from '../domain/errors.ts';
import { sourceCan } from '../sources.ts';
import { pointOf } from './point-of.ts';
import { forEachSource } from './side-by-side.ts';
import { defineStep, targetOf, type StepContext } from './step.ts';

/** @throws ValidationFailed - some index could not be built: the data breaks a rule that its source held. */
export async function buildIndexesOf(ctx: StepContext, source: string): Promise<string> {
  if (!sourceCan(ctx.view, source, 'units')) return `${source}: its restore program built its own`;
  const built = await ctx.call('buildIndexes', { target: targetOf(ctx, source), point: pointOf(ctx, source) }, `build the indexes of ${source}`);
  if (built.failed.length > 0) {
    const shown = built.failed.slice(0, 5).map(({ ns, index, why }) => `${ns} ${index}: ${why}`);
    throw new HoldfastError('ValidationFailed', `${built.failed.length} indexes of ${source} could not be built: ${shown.join('; ')}`, {
      hint: 'queries on them will be slow, and unique ones let doubles in; skip with a reason only if you can live with it',
    });
  }
  return `${source}: ${built.indexes} indexes`;
}

export const buildIndexes = defineStep('build-indexes', {
  about: 'builds the indexes that stood at the recovery point',
  async run(ctx) {
    return { summary: (await forEachSource(ctx, (source) => buildIndexesOf(ctx, source))).join('; ') };
  },
});
