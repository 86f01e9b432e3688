import { condition, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow';

type Name = 'unheard' | 'first' | 'behindFirst' | 'atOnce';
const { unheard, first, behindFirst, atOnce } = proxyActivities<Record<Name, () => Promise<void>>>({ startToCloseTimeout: '1 minute' });

/**
 * Two activities end, and nothing is begun for either. An update then begins two more: one behind what came of the first, by a way of several promises, and one at once.
 * Met before the end of the first, it begins them in the other order.
 */
export async function told(): Promise<void> {
  let done = false;
  let settled: Promise<void> = first();
  for (let link = 0; link < 10; link += 1) settled = settled.then(() => undefined);
  setHandler(defineUpdate<void>('tell'), async () => {
    const behind = settled.then(async () => await behindFirst());
    await Promise.resolve();
    await Promise.all([behind, atOnce()]);
    done = true;
  });
  await unheard();
  await condition(() => done);
}
