import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startTool, type RunningTool } from '../../../activities/tool/run-tool.ts';
import { askWorker } from '../../../scripts/status/read-state.ts';
import { readStatus } from '../../../scripts/status/read-status.ts';
import { formatWork } from '../../../scripts/status/read-work.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { startTemporalServer } from '../../harness/temporal-server.ts';

const taskQueue = 'asked';

async function startWorker(t: TestContext, address: string): Promise<RunningTool> {
  const worker = startTool('node', [join(import.meta.dirname, '..', '..', 'workers', 'stale-worker.ts'), address, taskQueue, '100']);
  t.after(async () => {
    try {
      process.kill(-worker.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
    await worker.done.catch(() => undefined);
  });
  await once(worker.stdout, 'data');
  return worker;
}

test('while a worker hangs another one answers, whatever the hung one was given; where none does it is said who polls', { timeout: 300_000 }, async (t) => {
  const { client, address } = await startTemporalServer(t);
  const hung = await startWorker(t, address);
  const handles = await Promise.all([0, 1, 2].map(async (n) => await client.workflow.start('twoEnds', { taskQueue, workflowId: `asked/${n}` })));
  // Cached by it: Temporal gives it what is asked of these runs first.
  for (const handle of handles) assert.equal(await askWorker(handle, 'how'), 'runs');
  const other = await startWorker(t, address);
  process.kill(-hung.pid, 'SIGSTOP');
  for (const handle of handles) {
    const startedMs = Date.now();
    assert.equal(await askWorker(handle, 'how'), 'runs');
    t.diagnostic(`answered after ${Date.now() - startedMs} ms`);
  }
  const run = await client.workflow.start('twoEnds', { taskQueue, workflowId: lockIds.recover('demo') });
  assert.equal(await askWorker(run, 'how'), 'runs');
  process.kill(-other.pid, 'SIGSTOP');
  const startedMs = Date.now();
  const meanwhile: { afterMs: number; said: string }[] = [];
  const { state, work } = await readStatus(client, 'demo', (kept) => meanwhile.push({ afterMs: Date.now() - startedMs, said: formatWork(kept) }));
  assert.equal(state, undefined);
  assert.match(work[0]!.unanswered!.why, /no worker answered for recover\/demo within \d+ s; the workers of its queue asked were last heard of \d+ s, \d+ s ago/);
  assert.equal(meanwhile.length, 1);
  assert.match(meanwhile[0]!.said, /^recover\/demo {2}RUNNING {2}no worker has answered for 3 s; others are asked/);
  t.diagnostic(`what Temporal keeps after ${meanwhile[0]!.afterMs} ms, the end after ${Date.now() - startedMs} ms`);
  assert.ok(meanwhile[0]!.afterMs < (Date.now() - startedMs) / 2, 'long before the end');
});

test('where no worker runs it is said at once', { timeout: 120_000 }, async (t) => {
  const { client } = await startTemporalServer(t);
  const handle = await client.workflow.start('twoEnds', { taskQueue, workflowId: 'asked/nobody' });
  const startedMs = Date.now();
  await assert.rejects(askWorker(handle, 'how'), { name: 'TimedOut', message: /no worker answered for asked\/nobody within \d+ s: none polls its queue asked/ });
  assert.ok(Date.now() - startedMs < 20_000);
});
