import type { DataConverter } from '@temporalio/common';
import { Worker, type WorkerOptions, type WorkflowBundle } from '@temporalio/worker';
import type { ActivitiesByRole } from '../activities/index.ts';
import { taskQueues } from '../workflows/contract.ts';
import type { WorkerConnection } from './connection.ts';
import type { Role, WorkerEnvironment } from './environment.ts';
import { deploymentOptions } from './versioning.ts';

/** One of our workers serves one task queue; a process has one for each of its roles and sites. */
export interface QueuePlan {
  role: Role;
  taskQueue: string;
}

export function planQueues(roles: readonly Role[], sites: readonly string[]): QueuePlan[] {
  return roles.flatMap((role): QueuePlan[] =>
    role === 'control' ? [{ role, taskQueue: taskQueues.control }] : sites.map((site) => ({ role, taskQueue: taskQueues[role](site) })),
  );
}

/** Makes a worker for each queue. They poll when they are run. */
export async function createWorkers(
  plans: readonly QueuePlan[],
  { connection, namespace }: WorkerConnection,
  environment: WorkerEnvironment,
  activities: ActivitiesByRole,
  workflowBundle: WorkflowBundle | undefined,
  dataConverter: DataConverter,
): Promise<Worker[]> {
  return await Promise.all(
    plans.map(async ({ role, taskQueue }) => {
      const options: WorkerOptions = {
        connection,
        namespace,
        dataConverter,
        taskQueue,
        identity: `${environment.identity}/${taskQueue}`,
        activities: activities[role],
        maxConcurrentActivityTaskExecutions: environment.slots[role],
        // A cancel reaches an activity with the answer to a heartbeat; the default would send one a minute.
        maxHeartbeatThrottleInterval: '2s',
        defaultHeartbeatThrottleInterval: '2s',
        // Then what still runs is cancelled; its next attempt, on another worker, goes on from the store.
        shutdownGraceTime: '5s',
        // A child process that does not end by itself is killed well before.
        shutdownForceTime: '30s',
      };
      if (role !== 'control') return await Worker.create(options);
      const versioned = environment.build === null ? {} : { workerDeploymentOptions: deploymentOptions(environment.build) };
      return await Worker.create({ ...options, ...versioned, workflowBundle, maxCachedWorkflows: environment.cachedWorkflows });
    }),
  );
}

/**
 * Runs all workers until `signal` aborts or one of them fails, then shuts all down in order.
 * @throws what made the first one fail.
 */
export async function runWorkers(workers: readonly Worker[], signal: AbortSignal): Promise<void> {
  const stop = (): void => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const runs = workers.map(async (worker) => await worker.run().finally(stop));
    if (signal.aborted) stop();
    const ends = await Promise.allSettled(runs);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
