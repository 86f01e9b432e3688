import { createInterface } from 'node:readline';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { runTool, startTool } from '../../activities/tool/run-tool.ts';
import type { ApplyPlan } from '../../workflows/domain/schedules/apply-plan.ts';
import type { Owner } from '../harness/cleanup.ts';
import { freePort } from '../harness/free-port.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { until } from '../harness/until.ts';
import { applier } from './many-systems.ts';
import { childWith } from './process-figures.ts';

/** Many systems on one worker (systems-worker.ts) and a server in memory. */
export interface SystemsWorld {
  env: TestWorkflowEnvironment;
  /** of their files */
  directory: string;
  serverPid: number;
  workerPid: number;
  /** log tails that the worker has now */
  tails(): number;
  /** Requests that the server has answered, by operation: those of workers and clients, not its own. */
  requests(): Promise<Map<string, number>>;
}

/** @param most - systems that there will be at most: each has a log tail. */
export async function openSystemsWorld(owner: Owner, most: number): Promise<SystemsWorld> {
  const directory = join(tempDir(owner, 'holdfast-systems-'), 'systems');
  const metricsPort = await freePort();
  const env = await startTemporalServer(owner, metricsPort);
  const worker = startTool('node', [join(import.meta.dirname, 'systems-worker.ts'), env.address], { env: { HOLDFAST_SYSTEMS: directory, HOLDFAST_ARCHIVES: String(most) } });
  worker.done.catch(() => undefined);
  owner.after(async () => await worker.kill());
  let tails: number | undefined;
  createInterface({ input: worker.stdout }).on('line', (line) => (tails = (JSON.parse(line) as { tails: number }).tails));
  await Promise.race([until('the worker is there', () => tails !== undefined, 120_000), worker.done]);
  return { env, directory, serverPid: childWith('start-dev'), workerPid: worker.pid, tails: () => tails!, requests: async () => await requestsAt(metricsPort) };
}

async function requestsAt(port: number): Promise<Map<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const counts = new Map<string, number>();
  for (const [, operation, count] of text.matchAll(/^service_requests\{[^}]*operation="(\w+)",service_name="frontend"\} (\S+)$/gm)) counts.set(operation!, (counts.get(operation!) ?? 0) + Number(count));
  if (counts.size === 0) throw new Error(`the metrics of the server at port ${port} have no service_requests of its frontend`);
  return counts;
}

/** `holdfast apply` of all systems, as a person types it. */
export async function applyAll({ env, directory }: SystemsWorld): Promise<{ ms: number; changed: number }> {
  const startedMs = performance.now();
  const args = [join(import.meta.dirname, '../../scripts/holdfast.ts'), 'apply', '--yes', '--json', '--by', applier];
  const { stdout } = await runTool('node', args, { env: { HOLDFAST_SYSTEMS: directory, TEMPORAL_ADDRESS: env.address } });
  const { plans } = JSON.parse(stdout) as { plans: ApplyPlan[] };
  return { ms: performance.now() - startedMs, changed: plans.flatMap(({ rows }) => rows).filter(({ change }) => change !== 'unchanged').length };
}
