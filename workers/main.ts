import { Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.ts';
import { scrub } from '../activities/secrets.ts';
import { listSystems, loadSystemFile } from '../activities/system-files.ts';
import { bundleWorkflows } from './bundle-workflows.ts';
import { readDataConverter } from './codec/data-converter.ts';
import { connectTemporal, type WorkerConnection } from './connection.ts';
import { readEnvironment, type WorkerEnvironment } from './environment.ts';
import { openLog, temporalLogger } from './log.ts';
import { createWorkers, planQueues, runWorkers } from './run-workers.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { ensureCurrentBuild } from './versioning.ts';
import { startWatch } from './watch/start-watch.ts';

/**
 * `holdfast worker`: serves the task queues of its roles until it is told to stop, then ends what it does in order.
 *
 * @throws TemporalUnavailable - names the address. @throws BadInput - names the environment variable.
 */
export async function runWorker(signal: AbortSignal, environment: WorkerEnvironment = readEnvironment()): Promise<void> {
  const log = openLog(environment.logLevel);
  // Handlers of our own: all workers of the process stop together.
  const telemetry = environment.temporalMetrics === null ? {} : { telemetryOptions: { metrics: { prometheus: { bindAddress: environment.temporalMetrics } } } };
  Runtime.install({ logger: temporalLogger(log), shutdownSignals: [], ...telemetry });
  const dataConverter = await readDataConverter();
  const temporal = await connectTemporal();
  try {
    await registerSearchAttributes(temporal);
    const plans = planQueues(environment.roles, await readSites(log));
    const workers: Worker[] = [];
    const watch = await startWatch({ temporal, dataConverter, plans, workers, environment, log }, signal);
    const bundle = environment.roles.includes('control') ? await bundleWorkflows(log, dataConverter) : undefined;
    const activities = createActivities({ ...environment, owner: temporal.namespaceId });
    workers.push(...(await createWorkers(plans, temporal, environment, activities, bundle, dataConverter)));
    log.info({ address: temporal.address, namespace: temporal.namespace, taskQueues: plans.map((plan) => plan.taskQueue) }, 'worker polls');
    void watch.ping().catch((error: unknown) => log.warn({ error: scrub((error as Error).message) }, 'no monitor is told'));
    const { build } = environment;
    if (build !== null && bundle) void sayCurrentBuild(log, temporal, build, signal);
    await runWorkers(workers, signal);
    log.info('worker stopped');
  } finally {
    await temporal.connection.close();
  }
}

/** Beside the polling, which is what makes the build known. */
async function sayCurrentBuild(log: Logger, temporal: WorkerConnection, build: string, signal: AbortSignal): Promise<void> {
  try {
    const current = await ensureCurrentBuild(temporal, build, signal);
    log.info({ build, current }, current === build ? 'new workflows begin on this build' : 'new workflows begin on the current build, this one ends what it began');
  } catch (error) {
    if (!signal.aborted) log.error({ build, error: scrub((error as Error).message) }, 'no build is current: new workflows do not start');
  }
}

/** Sites of all system files. A bad file is said and passed over: it must not keep other systems from being recovered. */
async function readSites(log: Logger): Promise<string[]> {
  const sites = new Set(['main']);
  for (const name of await listSystems()) {
    try {
      sites.add((await loadSystemFile(name)).system.site);
    } catch (error) {
      log.warn({ system: name, error: scrub((error as Error).message) }, 'system file is not usable');
    }
  }
  return [...sites].sort();
}

if (import.meta.main) {
  const stopped = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopped.abort(new Error(`${name} received`)));
  await runWorker(stopped.signal).catch((error: unknown) => {
    process.stderr.write(`${scrub((error as Error).message)}\n`);
    process.exitCode = 1;
  });
}
