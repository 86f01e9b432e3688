import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ApplicationFailure, WorkflowFailedError } from '@temporalio/client';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { taskQueues } from '../../workflows/contract.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { startTool } from '../../activities/tool/run-tool.ts';
import { connectTemporal } from '../../workers/connection.ts';
import { readEnvironment } from '../../workers/environment.ts';
import { openLog, temporalLogger } from '../../workers/log.ts';
import { planQueues } from '../../workers/run-workers.ts';
import { registerSearchAttributes } from '../../workers/search-attributes.ts';
import { rememberSecret } from '../../activities/secrets.ts';
import { freePort } from '../harness/free-port.ts';
import { listingPackages, packagesIn } from '../harness/loaded-packages.ts';

async function startTemporal(t: TestContext): Promise<TestWorkflowEnvironment> {
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path: findTool('temporal') } } });
  t.after(async () => await environment.teardown());
  return environment;
}

const withAddress = async <T>(address: string, use: () => Promise<T>): Promise<T> => {
  process.env['TEMPORAL_ADDRESS'] = address;
  return await use().finally(() => delete process.env['TEMPORAL_ADDRESS']);
};

test('the worker registers search attributes, polls, answers for an unknown system, and stops in order; nothing of it needed a driver, a store or a chart', async (t) => {
  const environment = await startTemporal(t);
  const worker = startTool('node', [...listingPackages, join(import.meta.dirname, '..', '..', 'workers', 'main.ts')], { env: { TEMPORAL_ADDRESS: environment.address }, graceMs: 20_000 });
  t.after(async () => await worker.kill());
  worker.done.catch(() => undefined);
  worker.stdout.resume();
  const { workflow } = environment.client;
  const run = workflow.execute('recoverSystem', { taskQueue: taskQueues.control, workflowId: 'typed-by-hand', args: [{ system: 'shpo' }] });
  await assert.rejects(run, (error) => {
    const failure = error instanceof WorkflowFailedError ? error.cause : undefined;
    assert.ok(failure instanceof ApplicationFailure);
    assert.deepEqual([failure.type, failure.nonRetryable], ['UnknownSystem', true]);
    assert.match(failure.message, /no system "shpo"; known: .*demo/);
    return true;
  });
  process.kill(worker.pid, 'SIGTERM');
  const { stderr } = await worker.done;
  assert.match(stderr, /worker stopped/);
  const loaded = packagesIn(stderr);
  assert.ok(loaded.includes('@temporalio/worker'));
  assert.deepEqual(loaded.filter((name) => ['mongodb', 'pg', '@aws-sdk/client-s3', '@observablehq/plot', 'linkedom', 'nodemailer', 'otpauth'].includes(name)), []);
});

test('search attributes are registered once, and one of another type is refused by name', async (t) => {
  const environment = await startTemporal(t);
  await withAddress(environment.address, async () => {
    const temporal = await connectTemporal();
    t.after(async () => await temporal.connection.close());
    assert.match(temporal.namespaceId, /^[0-9a-f-]{36}$/);
    await registerSearchAttributes(temporal);
    await registerSearchAttributes(temporal);
    const { customAttributes } = await temporal.connection.operatorService.listSearchAttributes({ namespace: temporal.namespace });
    for (const name of Object.values(searchAttributes)) assert.equal(customAttributes?.[name], 2);
  });
  const other = await startTemporal(t);
  await other.connection.operatorService.addSearchAttributes({ namespace: 'default', searchAttributes: { [searchAttributes.phase]: 3 } });
  await withAddress(other.address, async () => {
    const temporal = await connectTemporal();
    t.after(async () => await temporal.connection.close());
    await assert.rejects(registerSearchAttributes(temporal), { name: 'NotPermitted', message: /search attribute HoldfastPhase .* is not of type Keyword/ });
  });
});

test('no server at the address is an error that names it', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  await withAddress(address, async () => {
    await assert.rejects(connectTemporal(), { name: 'TemporalUnavailable', message: new RegExp(`no Temporal server answers at ${address} HINT`) });
  });
});

test('roles choose queues, one for each site; a wrong one is named', () => {
  const { roles } = readEnvironment({ HOLDFAST_ROLES: 'recover, control' });
  assert.deepEqual(planQueues(roles, ['east', 'main']).map((plan) => plan.taskQueue), ['holdfast', 'recover/east', 'recover/main']);
  assert.deepEqual(readEnvironment({}).roles, ['control', 'data', 'archive', 'recover']);
  assert.throws(() => readEnvironment({ HOLDFAST_ROLES: 'contrl' }), { name: 'BadInput', message: /unknown role contrl; expected some of control, data, archive, recover/ });
  assert.throws(() => readEnvironment({ HOLDFAST_SLOTS: 'many' }), { name: 'BadInput', message: /HOLDFAST_SLOTS=many: expected a number from 1 to 256/ });
  assert.throws(() => readEnvironment({ HOLDFAST_ARCHIVES: '0' }), { name: 'BadInput', message: /HOLDFAST_ARCHIVES=0: expected a number from 1 to 10000/ });
  const { slots, cachedWorkflows } = readEnvironment({ HOLDFAST_ARCHIVES: '1000', HOLDFAST_CACHED_WORKFLOWS: '2500' });
  assert.deepEqual([slots.archive, cachedWorkflows], [1_000, 2_500]);
});

test('a log line is JSON, and holds no secret wherever it stood', () => {
  const lines: string[] = [];
  rememberSecret('correct-horse-battery');
  const log = openLog('info', { write: (line) => void lines.push(line) });
  temporalLogger(log).warn('failed with correct-horse-battery', { activityType: 'dumpGroup', error: new Error('mongodb://app:pass@h/ refused') });
  log.info({ at: { uri: 'correct-horse-battery' } }, 'said by us');
  const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual({ ...first, time: 0 }, { level: 'warn', time: 0, activityType: 'dumpGroup', error: { type: 'Error', message: 'mongodb://[credentials]@h/ refused' }, msg: 'failed with [secret]' });
  assert.deepEqual({ ...second, time: 0 }, { level: 'info', time: 0, at: { uri: '[secret]' }, msg: 'said by us' });
});
