import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Worker } from '@temporalio/worker';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { openLog } from '../../workers/log.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { until } from '../harness/until.ts';

test('an update behind tasks without commands, met by a worker that does not hold the run, replays', { timeout: 120_000 }, async (t) => {
  const { client, nativeConnection } = await startTemporalServer(t);
  const taskQueue = 'told';
  const workflowBundle = await bundleWorkflows(openLog('error'), {}, join(import.meta.dirname, 'update-workflow.ts'));
  const first = Promise.withResolvers<void>();
  const quick = async (): Promise<void> => await Promise.resolve();
  const activities = { unheard: quick, first: async () => await first.promise, behindFirst: quick, atOnce: quick };
  // It holds no run: each task is met by way of the history, as behind a worker's death.
  const worker = await Worker.create({ connection: nativeConnection, taskQueue, workflowBundle, activities, maxCachedWorkflows: 0 });
  await worker.runUntil(async () => {
    const run = await client.workflow.start('told', { taskQueue, workflowId: 'told' });
    const tasks = async (): Promise<number> => (await run.fetchHistory()).events!.filter(({ workflowTaskCompletedEventAttributes }) => workflowTaskCompletedEventAttributes).length;
    await until('the end of one activity was heard', async () => (await tasks()) === 2);
    first.resolve();
    await until('the end of the other was heard', async () => (await tasks()) === 3);
    await run.executeUpdate('tell');
    const history = await run.fetchHistory();
    await Worker.runReplayHistory({ workflowBundle }, history, 'told');
    await run.result();
    assert.deepEqual(
      history.events!.flatMap(({ activityTaskScheduledEventAttributes: scheduled }) => (scheduled ? [scheduled.activityType!.name] : [])),
      ['first', 'unheard', 'behindFirst', 'atOnce'],
    );
  });
});
