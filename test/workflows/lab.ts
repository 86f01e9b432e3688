import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import type { ThreadedVMWorkflowCreator } from '@temporalio/worker/lib/workflow/threaded-vm.js';
import { findTool } from '../../activities/tool/find-tool.ts';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { openLog } from '../../workers/log.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import '../harness/quiet-runtime.ts';
import type { Owner } from '../harness/cleanup.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { stubActivities, type Stubs } from './stub-activities.ts';

const bundles = new Map<string, Promise<WorkflowBundle>>();

/** The workflows as a worker runs them, with interceptors of the test's own, bundled once for the file. */
export function workflowBundle(...interceptors: string[]): Promise<WorkflowBundle> {
  const key = interceptors.join('\0');
  const bundle = bundles.get(key) ?? bundleWorkflows(openLog('error'), {}, undefined, interceptors);
  bundles.set(key, bundle);
  return bundle;
}

type Creating = (typeof Worker)['createWorkflowCreator'];
type Parsing = (typeof Worker)['getOrCreateBundle'];

/**
 * Workers of one process that run the same bundle share the thread that runs workflows, as all runs of one worker do (workflows/share-domain.ts): to make one, which loads the SDK again
 * and evaluates zod and all schemas, takes more than most tests of a lab. Each has its own connection, pollers and cache; of the thread a worker that ends gives back its runs alone.
 */
class LabWorker extends Worker {
  static readonly #parsed = new Map<string, ReturnType<Parsing>>();
  static readonly #creators = new Map<string, ReturnType<Creating>>();

  protected static override async getOrCreateBundle(...given: Parameters<Parsing>): ReturnType<Parsing> {
    const bundle = given[0].workflowBundle as WorkflowBundle;
    const parsed = LabWorker.#parsed.get(bundle.code) ?? super.getOrCreateBundle(...given);
    LabWorker.#parsed.set(bundle.code, parsed);
    return await parsed;
  }

  protected static override async createWorkflowCreator(...given: Parameters<Creating>): ReturnType<Creating> {
    const [{ code }] = given;
    const creator = LabWorker.#creators.get(code) ?? super.createWorkflowCreator(...given).then((made) => {
      // Nobody ends it: a process whose tests are over does not wait for it.
      for (const client of (made as ThreadedVMWorkflowCreator)['workerThreadClients']) client['workerThread'].unref();
      return made;
    });
    LabWorker.#creators.set(code, creator);
    return { createWorkflow: async (options) => await (await creator).createWorkflow(options), destroy: () => Promise.resolve() };
  }
}

export interface Lab {
  env: TestWorkflowEnvironment;
  stubs: Stubs;
  start(type: string, input: unknown, workflowId?: string): Promise<WorkflowHandle>;
  /** the run of a system's recovery */
  run(system?: string): WorkflowHandle;
}

const keyword = 2;

/**
 * A Temporal of this test's own, whose clock skips while a result is waited for, with workers on every task queue of site `main`.
 * The activities are stubs of the contract: what is tested is the engine and the workflows.
 *
 * @param interceptors - files of workflow interceptors, such as quick-retries.ts
 */
export async function openLab(t: Owner, overrides: Partial<Stubs['answers']> = {}, interceptors: string[] = []): Promise<Lab> {
  const env = await startSkippingServer();
  return await openLabIn(t, env, { overrides, interceptors, teardown: async () => await env.teardown() });
}

/** Time skips in it while a result is waited for. */
export async function startSkippingServer(): Promise<TestWorkflowEnvironment> {
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path: findTool('temporal-test-server') } },
  });
  await env.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(Object.values(searchAttributes).map((name) => [name, keyword])),
  });
  return env;
}

/** As `openLab`, with a real server: what it keeps of a workflow, and how long it takes, is what it is. Its clock is the machine's. */
export async function openRealLab(t: Owner, overrides: Partial<Stubs['answers']> = {}): Promise<Lab> {
  const ends: (() => void | Promise<void>)[] = [];
  const env = await startTemporalServer({ after: (end) => void ends.push(end) });
  const teardown = async (): Promise<void> => {
    for (const end of ends) await end();
  };
  return await openLabIn(t, env, { overrides, interceptors: [], teardown });
}

async function openLabIn(t: Owner, env: TestWorkflowEnvironment, { overrides, interceptors, teardown }: { overrides: Partial<Stubs['answers']>; interceptors: string[]; teardown: () => Promise<void> }): Promise<Lab> {
  const stubs = stubActivities(overrides);
  const stop = await startWorkers(env, stubs.activities, interceptors);
  t.after(async () => {
    stubs.release();
    await stop();
    await teardown();
  });
  return labOf(env, stubs);
}

/** One on each task queue of site `main`. @returns what ends them. */
export async function startWorkers(env: TestWorkflowEnvironment, activities: Stubs['activities'], interceptors: string[]): Promise<() => Promise<void>> {
  // The SDK takes a stack trace for every promise of a workflow, for a question that nobody asks here: a third of what a workflow costs.
  setFlagsFromString('--stack-trace-limit=0');
  const common = { connection: env.nativeConnection, activities, maxHeartbeatThrottleInterval: '100ms', shutdownGraceTime: '10ms' } as const;
  const queues = [taskQueues.data('main'), taskQueues.archive('main'), taskQueues.recover('main')];
  const workers = await Promise.all([
    LabWorker.create({ ...common, taskQueue: taskQueues.control, workflowBundle: await workflowBundle(...interceptors) }),
    ...queues.map((taskQueue) => Worker.create({ ...common, taskQueue })),
  ]);
  const running = workers.map((worker) => worker.run());
  return async () => {
    workers.forEach((worker) => worker.shutdown());
    await Promise.allSettled(running);
  };
}

export function labOf(env: TestWorkflowEnvironment, stubs: Stubs): Lab {
  return {
    env,
    stubs,
    start: (type, input, workflowId = `entry/${type}`) =>
      env.client.workflow.start(type, { taskQueue: taskQueues.control, workflowId, args: input === undefined ? [] : [input] }),
    run: (system = 'demo') => env.client.workflow.getHandle(`recover/${system}`),
  };
}

/** What a workflow failed with. */
export async function failureOf(handle: WorkflowHandle): Promise<ApplicationFailure> {
  try {
    await handle.result();
  } catch (error) {
    if (error instanceof WorkflowFailedError && error.cause instanceof ApplicationFailure) return error.cause;
    throw error;
  }
  throw new Error('the workflow did not fail');
}

/** What the UI shows beside a workflow. */
export const details = async (handle: WorkflowHandle): Promise<string> =>
  (await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata')).currentDetails ?? '';

export const stateOf = (handle: WorkflowHandle): Promise<RunState> => handle.query<RunState>('state');

/** Waits for a state; fails with the last one seen. */
export async function until(handle: WorkflowHandle, wanted: (state: RunState) => boolean): Promise<RunState> {
  const deadline = Date.now() + 60_000;
  let last: unknown;
  // Each ask is work for the worker that is waited for.
  for (let everyMs = 15; Date.now() < deadline; everyMs = Math.min(60, everyMs * 1.3)) {
    try {
      const state = await stateOf(handle);
      if (wanted(state)) return state;
      last = state;
    } catch (error) {
      last = error;
    }
    await delay(everyMs);
  }
  throw new Error(`not reached within 60 s; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
}

export const gateOpen = (name: string) => (state: RunState): boolean => state.gates.some(({ gate, status }) => gate === name && status === 'open');
export const stepIs = (id: string, wanted: string) => (state: RunState): boolean => state.steps.some((step) => step.id === id && step.state === wanted);
