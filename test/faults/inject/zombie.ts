import assert from 'node:assert/strict';
import { pidFileOf } from '../../../scripts/stack/stack-file.ts';
import { pidOf } from '../bench.ts';
import { short, type Strike } from '../cell.ts';
import { until } from '../../harness/until.ts';

/**
 * The first worker hangs until the server has given it up and a second one has taken the activity over; then it wakes and goes on,
 * with its data plane, which never hung. Both act.
 */
export const zombie: Strike = async (bench, middle) => {
  const { stack } = bench;
  const first = pidOf(pidFileOf(stack.file, 'worker'));
  // At once: a health watch of two seconds is held by nothing else.
  process.kill(first, 'SIGSTOP');
  try {
    const second = await bench.startSecondWorker();
    // The server may give tries to the one that hangs, as long as its polls wait there: a minute; each is given up after ten seconds.
    const taken = await until(`the second worker to take over ${middle.activity}`, async () => {
      const { raw } = await stack.handle(middle.workflowId).describe();
      return raw.pendingActivities?.find(({ activityType, lastWorkerIdentity }) => activityType?.name === middle.activity && lastWorkerIdentity?.includes(`:${second.pid}/`));
    }, 300_000);
    assert.ok((taken.attempt ?? 1) > (middle.before?.tries.get(taken.activityId ?? '') ?? 0), 'as another try');
    middle.release();
    process.kill(first, 'SIGCONT');
    const end = await middle.finish();
    return { seen: `${middle.activity}, try ${taken.attempt}: ${short(taken.lastFailure?.cause?.message ?? taken.lastFailure?.message ?? '')}; another worker has it, and the first one wakes`, end };
  } finally {
    process.kill(first, 'SIGCONT');
    await bench.stopSecondWorker();
  }
};
