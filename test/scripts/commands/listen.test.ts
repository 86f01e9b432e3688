import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { parse, stringify } from 'yaml';
import { findTool } from '../../../activities/tool/find-tool.ts';
import { runTool, startTool, type RunningTool } from '../../../activities/tool/run-tool.ts';
import { taskQueues } from '../../../workflows/contract.ts';
import { incidentsSchema, listenSchema, toIncidentsView } from '../../../workflows/domain/incident-schema.ts';
import { automatic, type IncidentState } from '../../../workflows/domain/incident.ts';
import { searchAttributes } from '../../../workflows/domain/names.ts';
import { freePort } from '../../harness/free-port.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { until as eventually } from '../../harness/until.ts';
import { gateOpen, stepIs, until, workflowBundle } from '../../workflows/lab.ts';
import { stubActivities, view } from '../../workflows/stub-activities.ts';

const program = join(import.meta.dirname, '..', '..', '..', 'scripts', 'holdfast.ts');
const listen = { alertmanager: { token: 'file:token' }, alerts: { down: { match: { alertname: 'Down' }, severity: 'P1', auto: true } } };

/** A real Temporal with a worker whose activities are stubs of the contract. */
async function openTemporal(t: TestContext): Promise<TestWorkflowEnvironment> {
  const env = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path: findTool('temporal') } } });
  await env.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes: Object.fromEntries(Object.values(searchAttributes).map((name) => [name, 2])) });
  const incidents = toIncidentsView(incidentsSchema.parse({}), listenSchema.parse(listen));
  const stubs = stubActivities({ loadSystem: () => Promise.resolve({ ...view, incidents }) });
  const common = { connection: env.nativeConnection, activities: stubs.activities, maxHeartbeatThrottleInterval: '100ms', shutdownGraceTime: '10ms' } as const;
  const workers = await Promise.all([
    Worker.create({ ...common, taskQueue: taskQueues.control, workflowBundle: await workflowBundle() }),
    ...[taskQueues.data('main'), taskQueues.archive('main'), taskQueues.recover('main')].map((taskQueue) => Worker.create({ ...common, taskQueue })),
  ]);
  const running = workers.map((worker) => worker.run());
  t.after(async () => {
    stubs.release();
    workers.forEach((worker) => worker.shutdown());
    await Promise.allSettled(running);
    await env.teardown();
  });
  return env;
}

interface Listener {
  process: RunningTool;
  url: string;
}

async function startListener(t: TestContext, directory: string, temporalAddress: string): Promise<Listener> {
  const listener = startTool('node', [program, 'listen', '--port', '0', '--json'], { env: { HOLDFAST_SYSTEMS: directory, TEMPORAL_ADDRESS: temporalAddress, HOLDFAST_HOME: directory }, graceMs: 5_000 });
  listener.done.catch(() => undefined);
  t.after(async () => await listener.kill());
  let said = '';
  listener.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const { url, paths } = await eventually('it listens', () => JSON.parse(said) as { url: string; paths: string[] });
  assert.deepEqual(paths, ['/alertmanager/demo']);
  return { process: listener, url };
}

function writeSystem(t: TestContext): string {
  const directory = tempDir(t);
  const shipped = parse(readFileSync(join(import.meta.dirname, '..', '..', '..', 'systems', 'ai-writing.yaml'), 'utf8')) as Record<string, unknown>;
  writeFileSync(join(directory, 'demo.yaml'), stringify({ ...shipped, system: 'demo', listen }));
  writeFileSync(join(directory, 'token'), 'a token of alertmanager\n');
  return directory;
}

const post = async ({ url }: Listener, startsAt: string): Promise<{ status: number; body: { taken: { workflowId: string; known: boolean }[] } }> => {
  const body = { version: '4', status: 'firing', alerts: [{ status: 'firing', labels: { alertname: 'Down' }, annotations: { summary: 'the primary does not answer' }, startsAt, fingerprint: 'f1' }] };
  const response = await fetch(`${url}/alertmanager/demo`, { method: 'POST', headers: { authorization: 'Bearer a token of alertmanager' }, body: JSON.stringify(body) });
  return { status: response.status, body: (await response.json()) as { taken: [] } };
};

test('an alert with auto: true starts a recovery that waits at its approval; a listener killed before it answered, and its sender’s retry, make one incident and one run', { timeout: 120_000 }, async (t) => {
  const directory = writeSystem(t);
  const at = new Date().toISOString();
  const astray = await startListener(t, directory, `127.0.0.1:${await freePort()}`);
  assert.equal((await post(astray, at)).status, 503, 'Temporal is away');
  const env = await openTemporal(t);
  const { workflow } = env.client;
  const first = await startListener(t, directory, env.address);
  // Its answer comes to nobody: it is killed as soon as Temporal knows of the start.
  const lost = post(first, at).catch(() => undefined);
  const entry = await eventually('the alert was handed over', async () => {
    for await (const { workflowId } of workflow.list({ query: 'WorkflowType="openIncident"' })) return workflowId;
    return undefined;
  }, 30_000, 5);
  process.kill(first.process.pid, 'SIGKILL');
  await first.process.done.catch(() => undefined);
  await lost;
  const second = await startListener(t, directory, env.address);
  const retried = await post(second, at);
  assert.deepEqual([retried.status, retried.body.taken.map(({ workflowId, known }) => [workflowId, known])], [200, [[entry, true]]]);

  const run = await until(workflow.getHandle('recover/demo'), gateOpen('approve-switch'));
  const state = await workflow.getHandle('incident/demo').query<IncidentState>('state');
  assert.deepEqual([run.incidentAt, run.requestedBy, run.severity, state.startedAt], [at, automatic, 'P1', at]);
  assert.ok(stepIs('fence', 'pending')(run), 'nothing of production was touched');
  assert.deepEqual([state.runs.length, state.alerts.map(({ count }) => count)], [1, [1]]);
  const count = async (type: string): Promise<number> => (await workflow.count(`WorkflowType="${type}"`)).count;
  await eventually('they are listed', async () => (await count('recoverSystem')) === 1);
  assert.deepEqual([await count('openIncident'), await count('runIncident'), await count('runRecovery')], [1, 1, 1]);

  const incident = async (...args: string[]): Promise<string> => (await runTool('node', [program, 'incident', ...args], { env: { HOLDFAST_SYSTEMS: directory, TEMPORAL_ADDRESS: env.address, HOLDFAST_HOME: directory } })).stdout;
  const cli = async (...args: string[]): Promise<Record<string, unknown>> => JSON.parse(await incident(...args, '--json')) as Record<string, unknown>;
  assert.equal((await cli('show', 'demo'))['id'], state.id);
  assert.deepEqual((await cli('update', 'demo', '--status', 'identified', '--text', 'the disk is lost', '--by', 'dana'))['answer'], { accepted: true, status: 'identified' });
  await assert.rejects(incident('resolve', 'demo', '--text', 'over', '--by', 'dana'), /run r1 \(recover\/demo\) goes on/);
  await workflow.getHandle('recover/demo').terminate();
  await cli('resolve', 'demo', '--text', 'a false alarm', '--by', 'dana');
  await cli('review', 'demo', '--cause', 'the network', '--lessons', 'two paths', '--lessons', 'a better alert', '--by', 'dana');
  assert.equal((await post(second, at)).body.taken[0]!.known, true, 'long after its end it is the same occurrence');
  assert.equal(await count('runIncident'), 1);
  process.kill(second.process.pid, 'SIGTERM');
  await second.process.done;
});
