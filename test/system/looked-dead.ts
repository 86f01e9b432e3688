import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import { readPidFile } from '../../activities/tool/start-server.ts';
import { pidFileOf } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import { startStack, stackStatus, stopStack } from '../../scripts/stack/stack.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { readinessQuery, readinessSignals, type ReadinessAnswer } from '../../workflows/domain/readiness-watch.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { WatchState } from '../../workflows/domain/watch.ts';
import { failureOf } from '../harness/failures.ts';
import { firstWorkerUrl, startSecondWorker } from '../harness/second-worker.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

async function onStandby<T>({ file }: SystemStack, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${file.standby.port}/?directConnection=true`, { auth: { username: 'app', password: readSecret(file, 'app-password') }, authSource: 'admin', serverSelectionTimeoutMS: 5_000 });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Of a protected stack whose worker was started with HOLDFAST_HTTP. */
export async function tellAlike(t: TestContext, stack: SystemStack): Promise<void> {
  await t.test('two workers tell the same; one is killed, and backups, archive, readiness and what is told go on', async () => {
    const second = await startSecondWorker(stack.file, { HOLDFAST_DEMO_S3: stack.store.endpoint, HOLDFAST_REPORTS: stack.reports });
    await until('every role of both is ready', async () => (await Promise.all([firstWorkerUrl(stack.file), second.url].map(async (url) => (await fetch(`${url}/readyz`)).status))).every((status) => status === 200));
    const ofBackups = async (url: string): Promise<string[]> => (await (await fetch(`${url}/metrics`)).text()).split('\n').filter((line) => /^(backup_|holdfast_(backup|archive_running|storage_limit))/.test(line) && line.includes('"demo"'));
    const watch = await stack.client.workflow.start('watchReadiness', { taskQueue: taskQueues.control, workflowId: lockIds.ready('demo'), args: [{ system: 'demo' }] });
    const lookedAt = async (): Promise<number> => Number(/^holdfast_readiness_timestamp\{system="demo"\} (\S+)$/m.exec(await (await fetch(`${second.url}/metrics`)).text())?.[1] ?? 0);
    const firstLookAt = await until('readiness is looked at', lookedAt, 120_000, 2_000);
    const before = await ofBackups(second.url);
    assert.deepEqual(await ofBackups(firstWorkerUrl(stack.file)), before);
    const successAt = (lines: readonly string[]): number => Number(lines.find((line) => line.startsWith('backup_last_success_timestamp{') && line.includes('type="full"'))?.split(' ').at(-1));
    assert.ok(successAt(before) > 0, before.join('\n'));
    assert.ok(before.includes('holdfast_archive_running{system="demo",source="dictionary"} 1'), before.join('\n'));

    await stack.killWorker();
    await (await stack.start('backUpSystem', 'demo')).result();
    await stack.withApp(async (db) => await db.collection<{ _id: string }>('notes').insertOne({ _id: 'after the kill' }, { writeConcern: { w: 'majority' } }));
    await stack.archiveIsUpToDate(120_000);
    await until('the other one tells of the backup that was taken since', async () => successAt(await ofBackups(second.url)) > successAt(before), 60_000, 2_000);
    await watch.signal(readinessSignals.look.name);
    await until('and of a look at readiness since', async () => (await lookedAt()) > firstLookAt, 120_000, 2_000);
    const { readiness } = await watch.query<ReadinessAnswer>(readinessQuery);
    const told = await (await fetch(`${second.url}/metrics`)).text();
    assert.match(told, new RegExp(`^holdfast_ready\\{system="demo",verdict="${readiness!.verdict}"\\} 1$`, 'm'));
    assert.match(told, /^holdfast_restorable_to_timestamp\{system="demo",source="dictionary"\} \d/m);
    await watch.terminate('the test is over');
    const readyz = await fetch(`${second.url}/readyz`);
    assert.equal(readyz.status, 200, await readyz.text());
    await stack.startWorker();
    await second.stop();
  });
}

/** The system lives on its standby then. */
export async function lookDead(t: TestContext, stack: SystemStack): Promise<void> {
  await t.test('it hangs while the run begins, and comes back while the approval is waited for', async () => {
    const { pid } = readPidFile(pidFileOf(stack.file, 'primary'))!;
    process.kill(pid, 'SIGSTOP');
    t.after(() => {
      try {
        process.kill(pid, 'SIGCONT');
      } catch {
        return;
      }
    });
    const entry = await stack.start('recoverSystem', { system: 'demo', requestedBy: 'test' });
    const { state } = await stack.stepIs('approve-switch', 'waiting', 120_000);
    assert.doesNotMatch(state.warnings.join('\n'), /ANSWERS/);
    process.kill(pid, 'SIGCONT');
    const { state: told } = await stack.runIs('the run says that it is back', ({ state: run }) => run.warnings.some((warning) => /the old primary of dictionary ANSWERS: .* takes writes\. If it is well, abort; to approve fences it first/.test(warning)), 90_000);
    assert.equal(told.gates.find(({ gate }) => gate === 'approve-switch')!.status, 'open', 'and nothing was decided for the person');
    await stack.withApp(async (db) => await db.collection<{ _id: string }>('notes').insertOne({ _id: 'tail' }, { writeConcern: { w: 'majority' } }));
    await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });
    const report = (await entry.result()) as RunReport;
    assert.equal(report.outcome, 'done');
    assert.equal(report.fence['dictionary']?.outcome, 'proved');
    assert.ok(await onStandby(stack, async (client) => await client.db('dictionary').collection<{ _id: string }>('notes').findOne({ _id: 'tail' })), 'the tail is there');
  });
}

export async function recoverTwice(t: TestContext, stack: SystemStack): Promise<void> {
  await t.test('a second recovery is refused in both steps that run side by side, and the server that serves is left alone', async () => {
    const entry = await stack.start('recoverSystem', { system: 'demo', requestedBy: 'test' });
    const { state } = await stack.runIs('both have failed', ({ state: run }) => ['find-recovery-point', 'provision-standby'].every((id) => run.steps.find((step) => step.id === id)?.state === 'failed'));
    for (const id of ['find-recovery-point', 'provision-standby']) assert.equal(state.steps.find((step) => step.id === id)?.error?.type, 'TargetNotEmpty');
    assert.match(state.steps.find(({ id }) => id === 'provision-standby')!.error!.message, /not made over the server that serves/);
    const watch = await stack.client.workflow.getHandle(lockIds.watch('demo', 'dictionary')).query<WatchState>('state');
    assert.equal(watch.over, null, 'the fenced primary is still looked after');
    await stack.runHandle.signal('abort', { by: 'dana' });
    assert.equal((await failureOf(entry.result())).type, 'Aborted');
    assert.equal(await onStandby(stack, async (client) => (await client.db('admin').command({ hello: 1 }))['isWritablePrimary'] as boolean), true);
  });
}

/** Of a stack that serves from its standby; a worker is started again too. */
export async function goDownAndUp(t: TestContext, stack: SystemStack): Promise<void> {
  await t.test('up after down: the standby serves again, and the fenced primary stays down', async () => {
    await stopStack();
    await startStack({ tiedToUs: true });
    const running = new Map(stackStatus().map(({ part, running: runs }) => [part, runs]));
    assert.deepEqual([running.get('standby'), running.get('primary')], [true, false]);
    await until('the front door leads to it', async () => {
      const answer = await fetch(`${stack.file.frontDoor.url}/health`);
      return answer.status === 200 && answer.headers.get('x-holdfast-side') === 'dr';
    });
    await stack.startWorker();
  });
}
