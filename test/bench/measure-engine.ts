import { setInterval as every } from 'node:timers';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ActivitiesByRole } from '../../activities/index.ts';
import { bundleWorkflows } from '../../workers/bundle-workflows.ts';
import { readEnvironment } from '../../workers/environment.ts';
import { openLog } from '../../workers/log.ts';
import { createWorkers, planQueues, runWorkers } from '../../workers/run-workers.ts';
import { taskQueues } from '../../workflows/contract.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import type { Owner } from '../harness/cleanup.ts';
import '../harness/quiet-runtime.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { stubActivities, view } from '../workflows/stub-activities.ts';
import type { Figure } from './figures.ts';
import { percentile } from './race.ts';

/**
 * What the engine itself costs: a real Temporal server in memory, the worker as it ships, and activities that answer at once. Worker and client share this
 * process, the server is another on the same processors.
 */
const bench = 'engine';

/** Steps in rows; each needs all of the row before. One activity a step. */
const runbookOf = (rows: number, width: number): SystemView['runbook'] =>
  runbookSchema.parse({
    steps: Array.from({ length: rows * width }, (_, n) => {
      const row = Math.floor(n / width);
      return { id: `s${n}`, uses: 'provision', budget: '1h', needs: row === 0 ? [] : Array.from({ length: width }, (_unused, i) => `s${(row - 1) * width + i}`) };
    }),
  });

interface Engine {
  env: TestWorkflowEnvironment;
  /** runbooks by system */
  runbooks: Map<string, SystemView['runbook']>;
}

interface Taken {
  wallMs: number;
  cpuMs: number;
  events: number;
  historyKib: number;
}

async function runOne({ env, runbooks }: Engine, system: string, runbook: SystemView['runbook']): Promise<Taken> {
  runbooks.set(system, runbook);
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  const report = (await env.client.workflow.execute('recoverSystem', { taskQueue: taskQueues.control, workflowId: `bench/${system}`, args: [{ system, requestedBy: 'bench' }] })) as { outcome: string };
  const wallMs = performance.now() - startedMs;
  const { user, system: kernel } = process.cpuUsage(cpu);
  if (report.outcome !== 'done') throw new Error(`${system}: ${report.outcome}`);
  return { wallMs, cpuMs: (user + kernel) / 1000, ...(await sizeOf(env.client.workflow.getHandle(lockIds.recover(system)))) };
}

async function sizeOf(run: WorkflowHandle): Promise<{ events: number; historyKib: number }> {
  const { historyLength, historySize = 0 } = await run.describe();
  return { events: historyLength, historyKib: historySize / 1024 };
}

async function costPerStep(engine: Engine): Promise<Figure[]> {
  await runOne(engine, 'warm', runbookOf(20, 1));
  const [few, many] = [await runOne(engine, 'few', runbookOf(20, 1)), await runOne(engine, 'many', runbookOf(120, 1))];
  const per = (of: (taken: Taken) => number): number => (of(many) - of(few)) / 100;
  const note = 'a chain of 120 steps less one of 20, by 100; one activity a step';
  return [
    { bench, of: 'a step, wall', value: per(({ wallMs }) => wallMs), unit: 'ms', note },
    { bench, of: 'a step, processor time of the worker', value: per(({ cpuMs }) => cpuMs), unit: 'ms', note: 'the client is in it' },
    { bench, of: 'a step, events of history', value: per(({ events }) => events) },
    { bench, of: 'a step, history', value: per(({ historyKib }) => historyKib), unit: 'KiB' },
  ];
}

async function largeRunbook(engine: Engine): Promise<Figure[]> {
  const { wallMs, events, historyKib } = await runOne(engine, 'large', runbookOf(20, 10));
  return [
    { bench, of: 'runbook of 200 steps, ten side by side', value: wallMs, unit: 'ms' },
    { bench, of: 'runbook of 200 steps, events of history', value: events, note: 'one run, not continued as new: the server asks for that at 4,096 events, and ends a workflow at 51,200' },
    { bench, of: 'runbook of 200 steps, history', value: historyKib, unit: 'KiB', note: 'the server’s limit is 50 MiB' },
  ];
}

async function manyRuns(engine: Engine, count: number): Promise<Figure[]> {
  const runbook = runbookOf(10, 1);
  let peakRss = 0;
  const before = process.memoryUsage().rss;
  const watch = every(() => (peakRss = Math.max(peakRss, process.memoryUsage().rss)), 50);
  const runs = Array.from({ length: count }, (_, n) => runOne(engine, `at-once-${n}`, runbook));
  const startedMs = performance.now();
  const taken = await Promise.all(runs).finally(() => clearInterval(watch));
  const allMs = performance.now() - startedMs;
  const sorted = taken.map(({ wallMs }) => wallMs).sort((a, b) => a - b);
  const what = `${count} runs of 10 steps at once, one worker`;
  return [
    { bench, of: `${what}: finished`, value: taken.length },
    { bench, of: `${what}: the last one after`, value: allMs, unit: 'ms' },
    { bench, of: `${what}: p50 of a run`, value: percentile(sorted, 0.5), unit: 'ms' },
    { bench, of: `${what}: p99 of a run`, value: percentile(sorted, 0.99), unit: 'ms' },
    { bench, of: `${what}: peak memory of the worker`, value: peakRss / 1024 / 1024, unit: 'MiB', note: `${Math.round(before / 1024 / 1024)} MiB before` },
  ];
}

export async function measureEngine(owner: Owner, { quick, say }: { quick: boolean; say(line: string): void }): Promise<Figure[]> {
  const env = await startTemporalServer(owner);
  const runbooks: Engine['runbooks'] = new Map();
  const { activities } = stubActivities({ loadSystem: ({ system }) => Promise.resolve({ ...view, system, runbook: runbooks.get(system)! }) });
  const byRole = { control: activities, data: activities, archive: activities, recover: activities } as unknown as ActivitiesByRole;
  const environment = { ...readEnvironment({}), slots: { control: 32, data: 32, archive: 32, recover: 32 } };
  const temporal = { connection: env.nativeConnection, namespace: 'default', address: env.address, namespaceId: '' };
  const stopped = new AbortController();
  const running = runWorkers(await createWorkers(planQueues(environment.roles, ['main']), temporal, environment, byRole, await bundleWorkflows(openLog('error')), {}), stopped.signal);
  owner.after(async () => {
    stopped.abort();
    await running;
  });
  const figures: Figure[] = [];
  for (const [what, measure] of [['cost of a step', costPerStep], ['200 steps', largeRunbook], ['runs at once', (engine: Engine) => manyRuns(engine, quick ? 10 : 100)]] as const) {
    say(`  ${what}`);
    figures.push(...(await measure({ env, runbooks })));
  }
  return figures;
}
