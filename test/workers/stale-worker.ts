import { NativeConnection, Runtime, Worker, DefaultLogger, makeTelemetryFilterString } from '@temporalio/worker';
import { join } from 'node:path';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { openLog } from '../../workers/log.ts';

/** A worker process for workflows alone, to be killed: `node stale-worker.ts <address> <task queue> <runs that it caches>`. It says `polls`. */
Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } } });
const [address, taskQueue, cached] = process.argv.slice(2);
const worker = await Worker.create({
  connection: await NativeConnection.connect({ address: address! }),
  taskQueue: taskQueue!,
  // Few slots: tasks wait while queries are answered.
  maxCachedWorkflows: Number(cached),
  maxConcurrentWorkflowTaskExecutions: 2,
  workflowBundle: await bundleWorkflows(openLog('error'), {}, join(import.meta.dirname, 'stale-workflow.ts')),
});
// However the test ended: nothing of it stays.
process.stdin.once('close', () => process.exit(1)).resume();
const running = worker.run();
process.stdout.write('polls\n');
await running;
