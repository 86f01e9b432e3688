import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { Cli } from '../cli.ts';
import { readStackAddress } from '../stack-address.ts';

/** `holdfast worker`: serves the task queues until ctrl-C or SIGTERM. */
export function worker(cli: Cli): void {
  cli.add<[], object>('worker', 'run a worker in the foreground (HOLDFAST_ROLES, HOLDFAST_SLOTS, HOLDFAST_ARCHIVES, HOLDFAST_CACHED_WORKFLOWS, HOLDFAST_REPORTS, HOLDFAST_LOG_LEVEL, HOLDFAST_SPILL, HOLDFAST_BUILD, HOLDFAST_HTTP, HOLDFAST_PING, HOLDFAST_PING_EVERY, HOLDFAST_TEMPORAL_METRICS, TEMPORAL_UI_URL)', (command) => command, async () => {
    const embedded = readStackAddress();
    if (loadClientConnectConfig().connectionOptions.address === undefined && embedded) process.env['TEMPORAL_ADDRESS'] = embedded.temporalAddress;
    const stopped = new AbortController();
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stopped.abort(new Error(`${name} received`)));
    // Loaded here: the worker's native library is slow to load, and no other command wants it.
    const { runWorker } = await import('../../workers/main.ts');
    await runWorker(stopped.signal);
  });
}
