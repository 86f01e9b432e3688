import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { defineSearchAttributeKey } from '@temporalio/common';
import { runTool } from '../../activities/tool/run-tool.ts';
import { currentTimeline } from '../../activities/store/timelines.ts';
import { directoryOf } from '../../scripts/stack/stack-file.ts';
import { errorTable, HoldfastError } from '../../workflows/domain/errors.ts';
import type { ExportSummary, ImportSummary } from '../../workflows/domain/exchange.ts';
import type { VerifyResult } from '../../workflows/contract.ts';
import { importTimeline } from '../../workflows/domain/layout.ts';
import type { PointsPage } from '../../workflows/domain/list-points.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { DisposalResult } from '../../workflows/dispose-point.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import { fillDictionary, SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const program = join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts');

/** A partial restore through the whole stack: proved, waiting to be taken out, told in a page, and gone; production serves all the while. */
async function takeOutPart(stack: SystemStack, run: (...args: string[]) => Promise<string>, json: <T>(...args: string[]) => Promise<T>): Promise<void> {
  const { workflowId } = await json<{ workflowId: string }>('recover', 'demo', '--only', 'dictionary.senses', '--by', 'ada');
  const { state } = await stack.stepIs('report', 'waiting', 180_000);
  const restored = await stack.withTarget(async (client) => {
    const names = (await client.db('dictionary').listCollections().toArray()).map(({ name }) => name);
    return { names, count: await client.db('dictionary').collection('senses').countDocuments() };
  });
  const production = await stack.withApp(async (db) => await db.collection('senses').countDocuments());
  assert.deepEqual(restored, { names: ['senses'], count: production });
  const page = readFileSync(state.steps.find(({ id }) => id === 'report')!.summary!.split(';')[0]!, 'utf8');
  for (const said of [/A part of .* was restored, to take data out of/, /Production was left alone: this run moved no traffic and fenced nothing/, /<h3>Partial restore<\/h3><strong class="">dictionary\.senses<\/strong><span>nothing else was restored/, /equality: passed/, /Take out what you need \(mongodump, mongoexport, a query\), then approve the gate that waits/]) {
    assert.match(page, said);
  }
  assert.doesNotMatch(page, /Time to recover \(RTO\)|The old side from now on/);
  await run('approve', 'demo', '--gate', 'data-taken-out', '--by', 'ada');
  const report = (await stack.handle(workflowId).result()) as RunReport;
  assert.deepEqual([report.outcome, report.validation.map(({ ok }) => ok)], ['done, partial', [true, true]]);
  assert.equal(existsSync(join(directoryOf(stack.file, 'standby'), 'server.pid')), false, 'its target is stopped');
  const answer = await fetch(`${stack.file.frontDoor.url}/health`);
  assert.deepEqual([answer.status, answer.headers.get('x-holdfast-side')], [200, 'production']);
}

/** A lock that is really waited for, a worker killed while it waits and another among the parts; then nothing of it is left, and the certificate holds. */
async function disposeOf(stack: SystemStack, point: string, run: (...args: string[]) => Promise<string>, json: <T>(...args: string[]) => Promise<T>): Promise<void> {
  const atKeys = stack.store.hold(({ method, key }) => method === 'DELETE' && key.includes(`${importTimeline(point)}/`) && key.includes('/keys/'));
  const { workflowId } = await json<{ workflowId: string }>('dispose', point, '--system', 'demo', '--reason', 'a test', '--by', 'ada', '--no-wait');
  const handle = stack.handle(workflowId);
  await atKeys.reached;
  // Only now, so that however long it took to get here there is a lock to wait for.
  const { store } = await stack.source();
  for await (const version of store.list(`demo/dictionary/${importTimeline(point)}/`)) if (version.key.includes('/keys/')) await store.extendLock(version, new Date(Date.now() + 12_000));
  atKeys.release();
  const phase = async (): Promise<unknown> => (await handle.describe()).typedSearchAttributes.get(defineSearchAttributeKey(searchAttributes.phase, 'KEYWORD'));
  await until('it waits for the lock', async () => (await phase()) === 'waiting');
  await stack.killWorker();
  const held = stack.store.hold(({ method, key }) => method === 'DELETE' && key.includes('/parts/'));
  await stack.startWorker();
  await held.reached;
  await stack.killWorker();
  held.release();
  assert.deepEqual((await stack.keys(`demo/dictionary/${importTimeline(point)}/`)).filter((key) => /\/keys\/|manifest\.json$/.test(key)), [], 'keys and manifest are gone');
  await assert.rejects(run('plan', 'demo', '--point', point), ({ details }: HoldfastError) => details['exitCode'] === errorTable.NoRecoveryPoint.exitCode);
  await stack.startWorker();
  const { outcome, certificate } = (await handle.result()) as DisposalResult;
  assert.deepEqual([outcome, certificate!.certificate.by, certificate!.certificate.left], ['destroyed', 'ada', []]);
  assert.ok(certificate!.certificate.wrappings.length >= 1 && certificate!.certificate.destroyed.bytes > 0);
  assert.deepEqual(await stack.keys(`demo/dictionary/${importTimeline(point)}/`), []);
  assert.match(await run('disposals', 'verify', point, '--system', 'demo'), /1 signed, as the audit has it, and nothing of it is in the store/);
  assert.match(await run('audit', 'list', 'demo', '--act', 'dispose'), new RegExp(`dictionary/${point} is destroyed: a test`));
}

test('a system is exported, the dump imported, one collection taken out of it, and the system recovered from the import that is named by its id', { timeout: 600_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  await stack.startWorker();
  await fillDictionary(stack, 1);
  await (await stack.start('backUpSystem', 'demo')).result();
  const exchange = join(stack.home, 'exchange');
  const run = async (...args: string[]): Promise<string> => (await runTool('node', [program, ...args], { env: { HOLDFAST_HOME: stack.home } })).stdout;
  const json = async <T>(...args: string[]): Promise<T> => JSON.parse(await run(...args, '--json')) as T;

  const dump = join(exchange, 'dictionary.archive.gz');
  const exported = await json<ExportSummary>('export', 'demo', 'latest', '--gzip', '--to', dump);
  assert.match(exported.restoreCommand, /^mongorestore --gzip .*--archive=\//);
  assert.deepEqual(readdirSync(exchange), ['dictionary.archive.gz']);
  await assert.rejects(run('export', 'demo', 'latest', '--to', dump), (error: HoldfastError) => {
    assert.equal(error.details['exitCode'], errorTable.BadInput.exitCode);
    assert.match(error.message, /expected nothing there, found something.*HINT: /s);
    return true;
  });
  await assert.rejects(run('import', 'demo', '/etc/passwd'), /lies in no directory that demo exchanges dumps in/);

  const text = await run('import', 'demo', dump);
  const id = /holdfast recover demo --point (\S+)/.exec(text)![1]!;
  assert.match(text, new RegExp(`^import ${id} of demo/dictionary$`, 'm'));
  // The second is going to be disposed of, as soon as its lock ends.
  stack.changeSystem(({ stores }) => void ((stores[0] as { lock: { retain: string } }).lock.retain = '5s'));
  const imported = await json<ImportSummary>('import', 'demo', dump);
  assert.notEqual(imported.backup, id, 'an import has an id of its own');

  const points = await json<{ sources: PointsPage[] }>('points', 'demo');
  assert.deepEqual(new Set(points.sources[0]!.windows.slice(-2).map(({ base }) => base.backup)), new Set([id, imported.backup]));
  const [verified] = (await json<{ results: VerifyResult[] }>('verify', 'demo', '--source', 'dictionary', '--backup', id)).results;
  assert.deepEqual([verified!.ok, verified!.timeline], [true, importTimeline(id)]);
  const plan = await json<RecoveryPlan>('plan', 'demo', '--point', id);
  assert.equal(plan.points[0]!.base.backup, id);
  const latest = await json<RecoveryPlan>('plan', 'demo');
  assert.notEqual(latest.points[0]!.base.backup, id, 'the latest is never somebody’s dump');
  const record = process.env['HOLDFAST_RECORD_HISTORIES'];
  if (record) await stack.recordHistories(record);

  await disposeOf(stack, imported.backup, run, json);
  stack.changeSystem(({ stores }) => void ((stores[0] as { lock: { retain: string } }).lock.retain = '24h'));

  await takeOutPart(stack, run, json);

  const started = await json<{ workflowId: string }>('recover', 'demo', '--point', id, '--by', 'ada');
  await stack.stepIs('approve-switch', 'waiting', 180_000);
  await run('approve', 'demo', '--by', 'dana');
  const report = (await stack.handle(started.workflowId).result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual(report.validation.map(({ ok }) => ok), [true, true]);
  assert.equal(report.state.steps.find(({ id: step }) => step === 'drain-log')!.state, 'skipped');
  const { store, keys } = await stack.source();
  const now = await currentTimeline(store, keys, { system: 'demo', source: 'dictionary' });
  assert.deepEqual([now!.timeline, now!.parent!.timeline], ['t00000002', importTimeline(id)]);
});
