import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTool } from '../../activities/tool/run-tool.ts';
import { planApply } from '../../activities/schedules/apply-system.ts';
import { readPidFile } from '../../activities/tool/start-server.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { pidFileOf } from '../../scripts/stack/stack-file.ts';
import { startTemporal } from '../../scripts/stack/temporal.ts';
import { changes } from '../../workflows/domain/schedules/apply-plan.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ReportResult } from '../../workflows/report-system.ts';
import { until } from '../harness/until.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';

/** Enough that an apply is under way for a while. */
const many = 300;

const program = join(import.meta.dirname, '../../scripts/holdfast.ts');

test('apply on a whole stack, under fire: it ends, what it made fires by itself, and what the file does not name any more is paused', { timeout: 400_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  await stack.startWorker();
  await fillDictionary(stack, 1);
  const holdfast = async (...args: string[]): Promise<string> => (await runTool('node', [program, ...args], { env: { HOLDFAST_HOME: stack.home } })).stdout;
  await stack.startArchive();
  await stack.archiveIsUpToDate();
  await holdfast('backup', 'demo');
  const path = join(stack.home, 'systems', 'demo.yaml');
  const shipped = readFileSync(path, 'utf8');
  // The first of them, so that its minute passes while the others are made.
  const yearly = Array.from({ length: many }, (_, n) => `  yearly-${n}: { does: verification, at: ['01:00'], on: day 1 of the year, paused: only to be applied }\n`);
  writeFileSync(path, shipped.replace(/^schedules:[^]*/m, `schedules:\n  every-minute: { does: report, every: 1m, catchUp: 10s }\n${yearly.join('')}`));
  await t.test('an apply whose worker is killed, and then its Temporal server, ends all the same; the next one finds nothing to change', async () => {
    const made = async (): Promise<number> => {
      const { schedules } = await stack.client.workflowService.listSchedules({ namespace: 'default', maximumPageSize: 500 });
      return (schedules ?? []).length;
    };
    const applied = holdfast('apply', 'demo', '--yes', '--by', 'dana').catch((error: unknown) => error);
    const atLeast = async (count: number): Promise<void> => void (await until(`${count} schedules are there`, async () => (await made().catch(() => 0)) >= count, 60_000));
    await atLeast(5);
    await stack.killWorker();
    const left = await made();
    assert.ok(left < many, `killed in the middle: ${left}`);
    await stack.startWorker();
    await atLeast(left + 5);
    const temporal = readPidFile(pidFileOf(stack.file, 'temporal'))!;
    process.kill(temporal.pid, 'SIGKILL');
    await until('Temporal is gone', () => readPidFile(pidFileOf(stack.file, 'temporal')) === undefined);
    await startTemporal(stack.file, { tiedToUs: true });
    // Whoever waits for the answer may have lost its connection; the workflow has not.
    await applied;
    await until('the apply has ended', async () => {
      for await (const { status } of stack.client.workflow.list({ query: 'WorkflowType="applySystem"' })) return status.name === 'COMPLETED';
      return false;
    }, 90_000);
    const { system } = await loadSystemFile('demo');
    await until('nothing is left to change', async () => changes((await planApply({ client: stack.client, system })).rows).length === 0);
    assert.match(await holdfast('apply', 'demo', '--dry-run'), /^demo: nothing to change$/m);
  });
  await t.test('a schedule that was applied has started what it says by itself, and what it wrote is in the bucket', async () => {
    const query = 'WorkflowType="reportSystem" AND TemporalScheduledById="demo/every-minute" AND ExecutionStatus="Completed"';
    const { workflowId } = await until('it has fired', async () => {
      for await (const found of stack.client.workflow.list({ query })) return found;
      return undefined;
    }, 90_000);
    assert.match(workflowId, /^report\/demo\/every-minute-2\d{3}-\d\d-\d\dT\d\d:\d\d:00Z$/);
    const { report, text } = (await stack.client.workflow.getHandle(workflowId).result()) as ReportResult;
    assert.equal(report.to, `${workflowId.slice(-20, -1)}.000Z`, 'up to the moment that it was due at');
    assert.deepEqual([report.unread, report.sources[0]!.madeCount, report.sources[0]!.bases, report.work!.kinds.backup.failed], [[], 1, 1, 0]);
    assert.ok(report.acts!.byAct['back-up']! >= 1);
    assert.match(text, /daily report/);
    assert.deepEqual([report.anomalies, report.capacity!.usedBytes > 0, report.readiness!.sources.map(({ source, newest }) => [source, newest !== null])], [[], true, [['dictionary', true]]], 'by the facts of the metrics, and by readiness');
    const [key] = await stack.keys(layout.keptReport('demo', report.id, 'report.json'));
    assert.equal(key, layout.keptReport('demo', report.id, 'report.json'));
  });
  writeFileSync(path, shipped.replace(/^schedules:[^]*/m, ''));
  await holdfast('apply', 'demo', '--yes', '--by', 'dana');
  await until('what the file does not name is paused', async () => (await stack.client.schedule.getHandle('demo/every-minute').describe()).state.paused);
});
