import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerDeploymentOptions } from '@temporalio/worker';
import { HoldfastError } from '../workflows/domain/errors.ts';
import type { WorkerConnection } from './connection.ts';

/** What Temporal calls all builds of the workers that run workflows. */
export const deploymentName = 'holdfast';

/**
 * Pins each workflow to the build that it began on: a changed runbook engine never takes over a run in the middle. Long-lived workflows go over to the
 * current build when they continue as new. Of the workers that run workflows only: an activity keeps to the contract, whichever build asks for it.
 */
export const deploymentOptions = (buildId: string): WorkerDeploymentOptions => ({ version: { deploymentName, buildId }, useWorkerVersioning: true, defaultVersioningBehavior: 'PINNED' });

const knownWithinMs = 60_000;

/**
 * Makes this build the current one if there is none yet: without a current build no workflow would ever start. Where there is one it stays: which build new
 * runs go to is said by people, and a worker of an older build that is started again must not take them back. Safe to repeat.
 *
 * @returns the current build. @throws Unsupported - the server knows no worker deployments. @throws TemporalUnavailable - it does not know this build after a minute.
 */
export async function ensureCurrentBuild({ connection, namespace }: Pick<WorkerConnection, 'connection' | 'namespace'>, buildId: string, signal: AbortSignal): Promise<string> {
  const { workflowService } = connection;
  const endsAt = performance.now() + knownWithinMs;
  for (;;) {
    try {
      const { workerDeploymentInfo, conflictToken } = await workflowService.describeWorkerDeployment({ namespace, deploymentName });
      const current = workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId;
      if (current) return current;
      await workflowService.setWorkerDeploymentCurrentVersion({ namespace, deploymentName, buildId, ...(conflictToken ? { conflictToken } : {}), identity: `holdfast ${buildId}` });
    } catch (error) {
      if ((error as { code?: unknown }).code === unimplemented) throw new HoldfastError('Unsupported', 'HOLDFAST_BUILD is set, and the Temporal server knows no worker deployments', { hint: 'leave it out, or take a newer server', cause: error });
      // Known only once its workers have polled; and another worker may have been first.
      if (performance.now() > endsAt) throw new HoldfastError('TemporalUnavailable', `build "${buildId}" could not be made the current one: ${(error as Error).message}`, { hint: `temporal worker deployment set-current-version --deployment-name ${deploymentName} --build-id ${buildId}`, cause: error });
      await sleep(200, undefined, { signal });
    }
  }
}

/** The gRPC status code UNIMPLEMENTED. */
const unimplemented = 12;
