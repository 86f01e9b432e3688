import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { Client, type WorkflowClient, type WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { startTool, type RunningTool } from '../../activities/tool/run-tool.ts';
import { askAgain } from '../../workers/ask-again.ts';
import { madeAnew } from '../../workflows/domain/made-anew.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { until } from '../harness/until.ts';

const taskQueue = 'stale';
const taskEnd = 'workflowTaskCompleted';
const activityEnd = 'activityTaskCompleted';
const timerEnd = 'timerFired';

async function startWorker(t: TestContext, address: string, cached: number): Promise<RunningTool> {
  const worker = startTool('node', [join(import.meta.dirname, 'stale-worker.ts'), address, taskQueue, String(cached)]);
  t.after(async () => await kill(worker));
  await once(worker.stdout, 'data');
  return worker;
}

async function kill(worker: RunningTool): Promise<void> {
  try {
    process.kill(-worker.pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
  await worker.done.catch(() => undefined);
}

const eventsOf = async (handle: WorkflowHandle): Promise<string[]> =>
  (await handle.fetchHistory()).events!.map((event) => {
    const failed = event.workflowTaskFailedEventAttributes;
    return failed ? `failed: ${failed.failure?.message ?? ''}` : Object.keys(event).find((key) => key.endsWith('EventAttributes'))!.replace('EventAttributes', '');
  });

async function every(handles: readonly WorkflowHandle[], what: string, is: (events: string[]) => boolean): Promise<void> {
  await until(what, async () => (await Promise.all(handles.map(eventsOf))).every(is), 40_000);
}

interface Round {
  client: WorkflowClient;
  address: string;
  /** the activities are held until then, and how many of them are */
  held: () => number;
  letGo: () => void;
}

/**
 * Runs whose worker has died are asked a query, their activity ends, and the next worker answers from a history with that end, ahead of its task. Before it comes to
 * the task a timer fires too. Then this worker dies.
 * @returns why workflow tasks have failed.
 */
async function askAheadOfTask(t: TestContext, name: string, { client, address, held, letGo }: Round): Promise<string[]> {
  // It caches nothing, so no sticky queue waits for it when it is dead.
  const first = await startWorker(t, address, 0);
  const handles = await Promise.all(Array.from({ length: 12 }, async (_, n) => await client.start('twoEnds', { taskQueue, workflowId: `${name}/${n}` })));
  await until('the activities run', () => held() === handles.length);
  await kill(first);
  let answered = 0;
  const asked = handles.map(async (handle) => {
    // Several, as who watches a run asks: each may meet more events than the one before.
    const hows = await Promise.all([1, 2, 3].map(async () => await handle.query<string>('how')));
    answered += 1;
    return hows.join();
  });
  // A query that the server takes after the activity's end comes with the task, and shows nothing here; how many did not is seen at the end.
  await delay(500);
  letGo();
  await every(handles, 'the activities have ended', (events) => events.includes(activityEnd));
  const second = await startWorker(t, address, 100);
  await until('some are answered', () => answered > 3, 40_000, 1);
  process.kill(-second.pid, 'SIGSTOP');
  await every(handles, 'the timers have fired', (events) => events.includes(timerEnd));
  process.kill(-second.pid, 'SIGCONT');
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(['runs,runs,runs']));
  await every(handles, 'the timers were met', (events) => events.lastIndexOf(taskEnd) > events.lastIndexOf(timerEnd));
  await kill(second);
  const third = await startWorker(t, address, 100);
  await Promise.all(handles.map(async (handle) => await handle.signal('end')));
  await every(handles, 'the runs have ended, or cannot', (events) => events.includes('workflowExecutionCompleted') || events.some((event) => /Nondeterminism/.test(event)));
  await kill(third);
  return (await Promise.all(handles.map(eventsOf))).flat().filter((event) => event.startsWith('failed: '));
}

test('a run that a worker was asked for ahead of its task goes on after the next death: it was made anew from its history', { timeout: 300_000 }, async (t) => {
  const { client: { connection }, nativeConnection, address } = await startTemporalServer(t);
  const client = new Client({ connection, interceptors: { workflow: [askAgain] } });
  let held = 0;
  let gate = Promise.withResolvers<void>();
  const activities = {
    slow: async (): Promise<void> => {
      held += 1;
      await gate.promise;
    },
    next: async (): Promise<void> => await Promise.resolve(),
  };
  const activityWorker = await Worker.create({ connection: nativeConnection, taskQueue: 'stale-activities', activities });
  await activityWorker.runUntil(async () => {
    let failures: string[] = [];
    // On a busy machine all the queries of a round may come too late.
    for (let round = 0; round < 3 && failures.length === 0; round += 1) {
      held = 0;
      gate = Promise.withResolvers<void>();
      failures = await askAheadOfTask(t, `stale-${round}`, { client: client.workflow, address, held: () => held, letGo: () => gate.resolve() });
    }
    assert.deepEqual(new Set(failures), new Set([`failed: ${madeAnew}`]));
  });
});
