import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readAudit } from '../../activities/audit/read-audit.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { planApply } from '../../activities/schedules/apply-system.ts';
import { makeRetentionPlan } from '../../activities/retention/make-plan.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { readPidFile } from '../../activities/tool/start-server.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { pidFileOf } from '../../scripts/stack/stack-file.ts';
import { startTemporal } from '../../scripts/stack/temporal.ts';
import { readState } from '../../scripts/status/read-state.ts';
import type { RetentionResult } from '../../workflows/apply-retention.ts';
import type { VerifyResult } from '../../workflows/contract.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { changes } from '../../workflows/domain/schedules/apply-plan.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ReportResult } from '../../workflows/report-system.ts';
import type { StoreRequest } from '../harness/store-proxy.ts';
import { until } from '../harness/until.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';

/** Enough that an apply is under way for a while. */
const many = 100;

const source = 'dictionary';
const scope = { system: 'demo', source, timeline: 't00000001' };
const isDeleted = (of: StoreRequest, what: string): boolean => of.method === 'DELETE' && of.key.includes(what);

async function killTemporal(stack: SystemStack): Promise<void> {
  process.kill(readPidFile(pidFileOf(stack.file, 'temporal'))!.pid, 'SIGKILL');
  await until('Temporal is gone', () => readPidFile(pidFileOf(stack.file, 'temporal')) === undefined);
}

const program = join(import.meta.dirname, '../../scripts/holdfast.ts');

test('apply, and retention, on a whole stack, under fire: they end, what was applied fires by itself or is paused, and what a kept base needs stays', { timeout: 570_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  stack.changeSystem((file) => {
    // Nothing is locked, or retention would take nothing for a day.
    delete file.stores[0]!.lock;
    file.retention = { wait: '1s', approval: 'let-go', sources: { dictionary: { atLeast: 1, atMost: '1KiB', log: '0h' } } };
    file.approvals!['let-go'] = { description: 'May it go?' };
  });
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
    await killTemporal(stack);
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
  await t.test('a retention whose worker is killed among the parts of a base, and then its Temporal server among the log, ends once: what stays is whole', async () => {
    const [held] = await basesOf(stack);
    for (const note of [1, 2]) {
      // A slice before each base.
      await stack.withApp(async (db) => void (await db.collection('notes').insertOne({ note })));
      await stack.archiveIsUpToDate();
      await (await stack.start('backUpSystem', { system: 'demo' })).result();
    }
    await (await stack.start('markPoint', { system: 'demo', point: held!, state: 'hold', reason: 'a court asks for it', requestedBy: 'dana' })).result();
    const [, goes, newest] = await basesOf(stack);
    await until('that one goes, and log', async () => {
      const { plan, log } = await makeRetentionPlan(await stack.source());
      return plan.bases.some((base) => base.backup === goes && base.goes) && log.some((of) => of.goes && of.slices > 0);
    });
    const before = new Set(await stack.keys(`demo/${source}/`));
    const entry = await stack.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'dana' });
    await until('its gate is open', async () => (await readState<RunState>(entry).catch(() => undefined))?.gates[0]?.status === 'open');
    const parts = stack.store.hold((of) => isDeleted(of, `${goes}/parts/`));
    await assert.rejects(holdfast('approve', 'demo', '--workflow', entry.workflowId, '--by', 'dana'), /dana asked for this run/);
    await holdfast('approve', 'demo', '--workflow', entry.workflowId, '--by', 'erik');
    await parts.reached;
    await stack.killWorker();
    parts.release();
    assert.deepEqual(await basesOf(stack), [held, newest], 'its manifest went first');
    const slices = stack.store.hold((of) => isDeleted(of, '/slices/'));
    await stack.startWorker();
    await slices.reached;
    await killTemporal(stack);
    slices.release();
    await startTemporal(stack.file, { tiedToUs: true });
    await until('it has ended', async () => (await entry.describe().catch(() => undefined))?.status.name === 'COMPLETED', 90_000);
    const { outcome, expired: [done] } = (await entry.result()) as RetentionResult;
    const now = new Set(await stack.keys(`demo/${source}/`));
    const gone = [...before].filter((key) => !now.has(key));
    assert.deepEqual([outcome, done!.bases, done!.left], ['applied', 1, []]);
    const slicesGone = gone.filter((key) => key.startsWith(layout.slices(scope))).length;
    assert.ok(slicesGone > 0 && done!.slices <= slicesGone && done!.objects <= gone.length, `${done!.slices} of ${slicesGone} slices, ${done!.objects} of ${gone.length} objects: nothing is counted twice`);
    assert.deepEqual([gone.filter((key) => key.includes(`${held}/`) || key.includes(`${newest}/`)), [...now].filter((key) => key.includes(`${goes}/`) || key.includes(`/${goes}.json`))], [[], []]);
    const [verified] = (await (await stack.start('verifySystem', { system: 'demo', scope: 'all' })).result()) as VerifyResult[];
    assert.deepEqual([verified!.ok, verified!.problems], [true, []]);
    const { store, keys } = await stack.source();
    const catalog = await rebuildCatalog({ store, keys }, { system: 'demo', source });
    const at = { now: new Date().toISOString() };
    for (const target of [{}, { point: held! }, { point: newest! }]) assert.equal(findRecoveryPoint(catalog, target, at).base.backup, 'point' in target ? target.point : newest);
    const acts = (await readAudit({ store, keys }, 'demo')).entries.filter(({ workflowId }) => workflowId === entry.workflowId);
    assert.deepEqual(acts.map(({ by, act }) => [by, act]), [['dana', 'retain'], ['erik', 'approve'], ['dana', 'dispose']]);
  });
});

/** The oldest first. */
const basesOf = async (stack: SystemStack): Promise<string[]> => (await rebuildCatalog(await stack.source(), { system: 'demo', source })).bases.map(({ backup }) => backup).sort();
