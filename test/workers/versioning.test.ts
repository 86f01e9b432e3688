import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import type { ActivitiesByRole } from '../../activities/index.ts';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { readEnvironment } from '../../workers/environment.ts';
import { openLog } from '../../workers/log.ts';
import { createWorkers, planQueues, runWorkers } from '../../workers/run-workers.ts';
import { deploymentName, ensureCurrentBuild } from '../../workers/versioning.ts';
import { taskQueues } from '../../workflows/contract.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { until as eventually } from '../harness/until.ts';
import { gateOpen, until, workflowBundle } from '../workflows/lab.ts';
import { stubActivities } from '../workflows/stub-activities.ts';

/** Which builds answered the workflow tasks of a run. */
async function buildsOf(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  return [...new Set((events ?? []).flatMap((event) => event.workflowTaskCompletedEventAttributes?.deploymentVersion?.buildId ?? []))];
}

test('a run that began on one build ends on it, also after a restart; what starts once another is current begins there', { timeout: 120_000 }, async (t) => {
  const stops: (() => Promise<void>)[] = [];
  // Before the server's own clean-up: it does not go while workers hold on to it.
  t.after(async () => {
    for (const stop of stops) await stop();
  });
  const env = await startTemporalServer(t);
  const temporal = { connection: env.nativeConnection, namespace: 'default', address: env.address, namespaceId: '' };
  const { activities, answers } = stubActivities({});
  let handOver = (): void => undefined;
  const handedOver = new Promise<void>((resolve) => (handOver = resolve));
  answers.archiveLog = async () => {
    const beat = setInterval(() => Context.current().heartbeat(), 500);
    await Promise.race([handedOver, Context.current().cancelled]).finally(() => clearInterval(beat));
    return { why: 'handover', gap: null, timeline: 't00000001', archivedTo: '1763700000-0000000001', slices: 0, entries: 0 };
  };
  const byRole = { control: activities, data: activities, archive: activities, recover: activities } as unknown as ActivitiesByRole;
  const start = async (build: string, bundle: WorkflowBundle | undefined, roles = 'control'): Promise<() => Promise<void>> => {
    const stopped = new AbortController();
    const environment = readEnvironment({ HOLDFAST_BUILD: build, HOLDFAST_ROLES: roles });
    const workers = await createWorkers(planQueues(environment.roles, ['main']), temporal, environment, byRole, bundle, {});
    const running = runWorkers(workers, stopped.signal);
    const stop = async (): Promise<void> => {
      stopped.abort();
      await running;
    };
    stops.push(stop);
    return stop;
  };
  const signal = new AbortController().signal;
  const recover = async (workflowId: string): Promise<WorkflowHandle> => {
    const entry = await env.client.workflow.start('recoverSystem', { taskQueue: taskQueues.control, workflowId, args: [{ system: 'demo', requestedBy: 'dana' }] });
    await until(run, gateOpen('approve-switch'));
    return entry;
  };
  const run = env.client.workflow.getHandle('recover/demo');

  const shipped = await workflowBundle();
  const next = await bundleWorkflows(openLog('error'), {}, join(import.meta.dirname, 'next-build.ts'));
  await start('any', undefined, 'data,archive,recover');
  const stopFirst = await start('build-1', shipped);
  assert.equal(await ensureCurrentBuild(temporal, 'build-1', signal), 'build-1', 'the first build there is becomes the current one by itself');
  const first = await recover('entry/1');
  const begun = await run.fetchHistory();
  await assert.rejects(Worker.runReplayHistory({ workflowBundle: next }, begun), { name: 'DeterminismViolationError' }, 'the change is one that would break the run');

  await start('build-2', next);
  assert.equal(await ensureCurrentBuild(temporal, 'build-2', signal), 'build-1', 'a new worker does not take the new runs by itself');
  for (let set = false; !set; ) {
    // The server has to have seen its worker.
    set = await env.connection.workflowService.setWorkerDeploymentCurrentVersion({ namespace: 'default', deploymentName, buildId: 'build-2' }).then(() => true, () => false);
  }
  await stopFirst();
  await start('build-1', shipped);
  assert.equal(await ensureCurrentBuild(temporal, 'build-1', signal), 'build-2', 'an old worker that is started again does not take them back');
  await run.executeUpdate('approve', { args: [{ by: 'erik' }] });
  assert.equal(((await first.result()) as RunReport).outcome, 'done');
  assert.deepEqual([await buildsOf(run), await buildsOf(first)], [['build-1'], ['build-1']]);

  const second = await recover('entry/2');
  await run.executeUpdate('approve', { args: [{ by: 'erik' }] });
  assert.equal(((await second.result()) as RunReport).outcome, 'done');
  assert.deepEqual([await buildsOf(run), await buildsOf(second)], [['build-2'], ['build-2']]);

  const archive = env.client.workflow.getHandle('archive/demo/documents');
  const { runId } = await archive.describe();
  assert.deepEqual(await buildsOf(archive), ['build-1'], 'what lives for years is pinned as well');
  handOver();
  await eventually('it has continued as new on the current build', async () => (await archive.describe()).runId !== runId && (await buildsOf(archive)).join() === 'build-2');
});
