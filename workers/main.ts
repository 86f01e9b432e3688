import { Runtime, type Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { createActivities } from '../activities/index.ts';
import { resolveSecret, scrub } from '../activities/secrets.ts';
import { openKeys } from '../activities/stream/open-keys.ts';
import { listSystems, loadSystemFile } from '../activities/system-files.ts';
import { abilitiesOf } from '../workflows/domain/engines.ts';
import { HoldfastError } from '../workflows/domain/errors.ts';
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
  await sayBadKeys(log);
  const dataConverter = await readDataConverter();
  const temporal = await connectTemporal();
  try {
    await registerSearchAttributes(temporal);
    const { sites, logs } = await readSystems(log);
    const plans = planQueues(environment.roles, sites);
    sayArchives(log, environment, logs);
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

/** Sites of all system files, and how many sources of each have a log. A bad file is said and passed over: it must not keep other systems from being recovered. */
async function readSystems(log: Logger): Promise<{ sites: string[]; logs: Map<string, number> }> {
  const logs = new Map([['main', 0]]);
  for (const name of await listSystems()) {
    try {
      const { site, sources } = (await loadSystemFile(name)).system;
      logs.set(site, (logs.get(site) ?? 0) + Object.values(sources).filter(({ engine }) => abilitiesOf(engine).log).length);
    } catch (error) {
      log.warn({ system: name, error: scrub((error as Error).message) }, 'system file is not usable');
    }
  }
  return { sites: [...logs.keys()].sort(), logs };
}

/**
 * A key that is none is said at once, not by the first backup. A worker that serves one system alone does not start: nothing that it could do is left. One that is not there yet may be mounted later.
 * @throws BadSystemFile - names the field and its variable or file, never what stands there.
 */
async function sayBadKeys(log: Logger): Promise<void> {
  const names = await listSystems();
  for (const name of names) {
    const loaded = await loadSystemFile(name).catch(() => undefined);
    if (!loaded) continue;
    try {
      await openKeys(loaded.system.key, async (ref) => await resolveSecret(ref, loaded.directory));
    } catch (error) {
      if (names.length === 1 && error instanceof HoldfastError && error.details['malformedKey'] === true) throw error;
      log.error({ system: name, error: scrub((error as Error).message) }, 'the keys of the system are not usable: nothing of it is backed up or opened here');
    }
  }
}

/** A log for which there is no place waits up to an hour for one, and nothing of it is archived meanwhile. */
function sayArchives(log: Logger, { roles, slots }: WorkerEnvironment, logs: ReadonlyMap<string, number>): void {
  if (!roles.includes('archive')) return;
  for (const [site, count] of logs) {
    if (count > slots.archive) log.warn({ site, logs: count, atATime: slots.archive }, 'more logs than this worker archives at a time: they take turns of an hour each unless other workers of the site take the rest (HOLDFAST_ARCHIVES)');
  }
}

if (import.meta.main) {
  const stopped = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopped.abort(new Error(`${name} received`)));
  await runWorker(stopped.signal).catch((error: unknown) => {
    process.stderr.write(`${scrub((error as Error).message)}\n`);
    process.exitCode = 1;
  });
}
