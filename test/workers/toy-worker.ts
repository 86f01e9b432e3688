import { join } from 'node:path';
import { Runtime } from '@temporalio/worker';
import { pino } from 'pino';
import { attempt, attemptInDataPlane } from '../../activities/attempt.ts';
import type { ActivitiesByRole } from '../../activities/index.ts';
import { resolveSecret } from '../../activities/secrets.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { readDataConverter } from '../../workers/codec/data-converter.ts';
import { connectTemporal } from '../../workers/connection.ts';
import { readEnvironment } from '../../workers/environment.ts';
import { openLog, temporalLogger } from '../../workers/log.ts';
import { createWorkers, planQueues, runWorkers } from '../../workers/run-workers.ts';

/** A worker process as the real one, whose only activity is a toy job of the data plane. */
const program = join(import.meta.dirname, '..', 'activities', 'data-plane', 'toy-main.ts');
const inDataPlane = new Map<string, (input: unknown) => Promise<unknown>>();
const activities = {
  runJob: async ({ job, input }: { job: string; input: unknown }): Promise<unknown> => {
    if (job === 'inProcess') return await refuseInProcess(undefined);
    const known = inDataPlane.get(job) ?? attemptInDataPlane(job, { program });
    inDataPlane.set(job, known);
    return await known(input);
  },
};
const refuseInProcess = attempt(async () => {
  const { system, directory } = await loadSystemFile('shop');
  const secret = await resolveSecret(system.key.aes256!, directory);
  throw new TypeError(`cannot use ${secret} at mongodb://app:${secret}@127.0.0.1/`);
});

const stopped = new AbortController();
process.once('SIGTERM', () => stopped.abort());
const environment = { ...readEnvironment(), roles: ['control'] as const };
const log = openLog('debug', pino.destination(process.env['TOY_LOG'] ?? 2));
Runtime.install({ logger: temporalLogger(log), shutdownSignals: [] });
const temporal = await connectTemporal();
const dataConverter = await readDataConverter();
const bundle = await bundleWorkflows(log, dataConverter, join(import.meta.dirname, 'toy-workflows.ts'));
const byRole = { control: activities, data: {}, archive: {}, recover: {} } as unknown as ActivitiesByRole;
const workers = await createWorkers(planQueues(environment.roles, []), temporal, environment, byRole, bundle, dataConverter);
process.stdout.write('polls\n');
await runWorkers(workers, stopped.signal);
await temporal.connection.close();
process.stdout.write('stopped\n');
