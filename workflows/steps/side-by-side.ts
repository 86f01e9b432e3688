import type { StepContext } from './step.ts';

/**
 * Does `work` for each item, at most `width` at a time. After a failure nothing new starts, but what runs is waited for:
 * a step that has failed must have nothing in flight, or its next try would run beside it.
 * @throws the first failure, once everything has ended.
 */
export async function sideBySide<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await work(items[index]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** Does `work` for every source of the step at once; the results in the sources' order. */
export const forEachSource = <R>(ctx: StepContext, work: (source: string) => Promise<R>): Promise<R[]> => {
  return sideBySide(ctx.sources, ctx.sources.length, work);
};
