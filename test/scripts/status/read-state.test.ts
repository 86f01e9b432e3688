import assert from 'node:assert/strict';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startTool, type RunningTool } from '../../../activities/tool/run-tool.ts';
import { askWorker } from '../../../scripts/status/read-state.ts';
import { formatStatus, readStatus } from '../../../scripts/status/read-status.ts';
import { formatWork } from '../../../scripts/status/read-work.ts';
import { lockIds } from '../../../workflows/domain/names.ts';
import { startTemporalServer } from '../../harness/temporal-server.ts';
import { until } from '../../harness/until.ts';

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
  // Side by side: each is given to the hung one first, and waits for that.
  await Promise.all(handles.map(async (handle) => {
    const startedMs = Date.now();
    assert.equal(await askWorker(handle, 'how'), 'runs');
    t.diagnostic(`answered after ${Date.now() - startedMs} ms`);
  }));
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

test('where its workers fail at a run it is said why, and not that they hang', { timeout: 120_000 }, async (t) => {
  const { client, address } = await startTemporalServer(t);
  await startWorker(t, address);
  const handle = await client.workflow.start('breaks', { taskQueue, workflowId: 'asked/broken' });
  const why = await until('Temporal gives up asking', async () => await askWorker(handle, 'how').then(() => undefined, (error: Error) => (/workers fail/.test(error.message) ? error : undefined)));
  assert.equal(why.name, 'TimedOut');
  assert.match(why.message, /the workers fail at asked\/broken, and so none answers for it: not of this release.*HINT/);
});

test('where Temporal does not list what runs, status says why, and not that nothing does', { timeout: 60_000 }, async (t) => {
  // As on a server that nobody has set up for Holdfast.
  const { client } = await startTemporalServer(t, undefined, []);
  await assert.rejects(readStatus(client, 'demo'), (error: Error) => error.name !== 'NotWaiting' && /HoldfastSystem/.test(`${error.message} ${String(error.cause)}`));
  assert.equal(formatStatus({ system: 'demo', readAt: '2026-01-01T00:00:00.000Z', work: [], unlisted: 'the list is away' }), 'what else runs is not known, Temporal does not list it: the list is away');
});
