import { condition, defineQuery, defineSignal, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

const { slow, next } = proxyActivities<{ slow(): Promise<void>; next(): Promise<void> }>({ taskQueue: 'stale-activities', startToCloseTimeout: '5m' });

/**
 * An activity and a timer end, and each has something begun. The way from the activity to that is longer by some turns of the event loop's microtasks: met in one
 * portion, what the timer begins comes first, though the activity ended before it.
 */
export async function twoEnds(): Promise<string> {
  let over = false;
  setHandler(defineSignal('end'), () => void (over = true));
  setHandler(defineQuery<string>('how'), () => (over ? 'ends' : 'runs'));
  const afterSlow = async (): Promise<void> => {
    await slow();
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    await next();
  };
  const afterTimer = async (): Promise<void> => {
    await sleep('6s');
    await sleep('1ms');
  };
  await Promise.all([afterSlow(), afterTimer()]);
  await condition(() => over);
  return 'ended';
}

/** Fails its task, again and again, as one does that does not replay. */
export async function breaks(): Promise<never> {
  return await Promise.reject(new Error('not of this release'));
}
