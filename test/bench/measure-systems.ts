import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { applySystem } from '../../activities/schedules/apply-system.ts';
import { inParallel } from '../../activities/store/in-parallel.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { runTool, startTool } from '../../activities/tool/run-tool.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { ApplyPlan } from '../../workflows/domain/schedules/apply-plan.ts';
import { numbersTo } from '../../workflows/domain/schedules/when.ts';
import type { Owner } from '../harness/cleanup.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { startTemporalServer } from '../harness/temporal-server.ts';
import { until } from '../harness/until.ts';
import type { Figure } from './figures.ts';
import { applier, onceAt, quietSchedules, systemName, writeSystems, type Schedules } from './many-systems.ts';
import { childWith, memoryMib, processMs } from './process-figures.ts';
import { percentile } from './race.ts';

/**
 * A thousand declared systems on one worker and the dev server: `holdfast apply` as people type it, schedules and archive workflows real, the engine stubbed at the
 * contract (systems-worker.ts). Three schedules a system; of two of them all systems' starts are measured, spread over five minutes and due in the same second.
 */
const bench = 'systems';

interface Scale {
  count: number;
  /** how long the starts are spread over */
  spreadMs: number;
  /** how long it rests while its processor time is looked at */
  restMs: number;
  /** until the first start is due, at least; applying takes some of it */
  leadMs: number;
}

const scaleOf = (quick: boolean): Scale => (quick ? { count: 20, spreadMs: 3_000, restMs: 1_000, leadMs: 2_000 } : { count: 1_000, spreadMs: 300_000, restMs: 60_000, leadMs: 60_000 });

interface Many extends Scale {
  env: TestWorkflowEnvironment;
  directory: string;
  serverPid: number;
  workerPid: number;
  /** log tails that the worker has now */
  tails(): number;
  /** of the first apply, once it is known */
  applyMs: number;
  say(line: string): void;
  add(of: string, value: number, unit?: Figure['unit'], note?: string): void;
}

async function startWorker(owner: Owner, { address, directory, count }: { address: string; directory: string; count: number }): Promise<{ pid: number; tails: () => number }> {
  const worker = startTool('node', [join(import.meta.dirname, 'systems-worker.ts'), address], { env: { HOLDFAST_SYSTEMS: directory, HOLDFAST_ARCHIVES: String(count) } });
  worker.done.catch(() => undefined);
  owner.after(async () => await worker.kill());
  let tails: number | undefined;
  createInterface({ input: worker.stdout }).on('line', (line) => (tails = (JSON.parse(line) as { tails: number }).tails));
  await Promise.race([until('the worker is there', () => tails !== undefined, 120_000), worker.done]);
  return { pid: worker.pid, tails: () => tails! };
}

/** `holdfast apply` of all systems, as a person types it. */
async function apply({ env, directory }: Pick<Many, 'env' | 'directory'>): Promise<{ ms: number; changed: number }> {
  const startedMs = performance.now();
  const args = [join(import.meta.dirname, '../../scripts/holdfast.ts'), 'apply', '--yes', '--json', '--by', applier];
  const { stdout } = await runTool('node', args, { env: { HOLDFAST_SYSTEMS: directory, TEMPORAL_ADDRESS: env.address } });
  const { plans } = JSON.parse(stdout) as { plans: ApplyPlan[] };
  return { ms: performance.now() - startedMs, changed: plans.flatMap(({ rows }) => rows).filter(({ change }) => change !== 'unchanged').length };
}

async function measureApply(many: Many): Promise<void> {
  const { count, add, say } = many;
  say(`  apply of ${count} systems`);
  const first = await apply(many);
  many.applyMs = first.ms;
  const second = await apply(many);
  if (first.changed !== 5 * count || second.changed !== 0) throw new Error(`apply changed ${first.changed}, then ${second.changed}; expected ${5 * count} and 0`);
  add(`apply of ${count} systems`, first.ms, 'ms', `${3 * count} schedules made, ${count} archives and as many watches on readiness started`);
  add('apply once more, nothing to change', second.ms, 'ms');
  await until(`${count} logs are archived`, () => many.tails() >= count, 600_000);
}

/** Share of one processor, in %. */
async function measureRest({ restMs, serverPid, workerPid, add, say, count }: Many): Promise<void> {
  say('  at rest');
  // What apply left behind settles.
  await sleep(restMs / 2);
  const before = [workerPid, serverPid].map(processMs);
  const startedMs = performance.now();
  await sleep(restMs);
  const tookMs = performance.now() - startedMs;
  const [worker, server] = [workerPid, serverPid].map((pid, n) => ((processMs(pid) - before[n]!) / tookMs) * 100);
  const note = `of one processor, over ${restMs / 1_000} s; ${count} log tails heartbeat`;
  add('at rest, the worker', worker!, '%', note);
  add('at rest, the server', server!, '%', note);
  add('at rest, memory of the worker', memoryMib(workerPid, 'VmRSS'), 'MiB');
}

interface Started {
  lagMs: number;
  doneMs: number;
}

async function startsOf({ env, count }: Many, workflow: string, sinceMs: number): Promise<Started[]> {
  const query = `WorkflowType="${workflow}" AND TemporalScheduledStartTime >= "${new Date(sinceMs).toISOString()}"`;
  return await until(`${count} of ${workflow} have ended`, async () => {
    const starts: Started[] = [];
    for await (const { startTime, closeTime, status, searchAttributes } of env.client.workflow.list({ query })) {
      if (status.name !== 'RUNNING' && status.name !== 'COMPLETED') throw new Error(`${workflow}: ${status.name}`);
      const due = (searchAttributes['TemporalScheduledStartTime']?.[0] as Date | undefined)?.getTime();
      if (closeTime && due !== undefined) starts.push({ lagMs: startTime.getTime() - due, doneMs: closeTime.getTime() - due });
    }
    return starts.length >= count ? starts : undefined;
  }, 1_800_000, count > 100 ? 5_000 : 200);
}

async function measureStarts(many: Many, what: string, workflow: string, sinceMs: number): Promise<void> {
  const { add, say } = many;
  say(`  ${what}`);
  const starts = await startsOf(many, workflow, sinceMs - 500);
  const sorted = (of: (started: Started) => number): number[] => starts.map(of).sort((a, b) => a - b);
  const [lags, dones] = [sorted(({ lagMs }) => lagMs), sorted(({ doneMs }) => doneMs)];
  add(`${what}: started late by, p50`, percentile(lags, 0.5), 'ms', `${starts.length} starts`);
  add(`${what}: started late by, p99`, percentile(lags, 0.99), 'ms');
  add(`${what}: done after, p50`, percentile(dones, 0.5), 'ms');
  add(`${what}: done after, the last`, dones.at(-1)!, 'ms');
}

/**
 * One change of the files for both: verifications spread out, and behind them all backups in the same second. It is applied as the workers' activity does,
 * from here: how long people's apply takes is known by now.
 */
async function measureLag(many: Many): Promise<void> {
  const { env, directory, count, leadMs, applyMs, spreadMs, add } = many;
  const spreadAtMs = Math.ceil((Date.now() + leadMs + applyMs / 2) / 1_000) * 1_000;
  const togetherAtMs = spreadAtMs + spreadMs + leadMs;
  const integrity = (n: number): Schedules[string] => ({ does: 'verification', ...onceAt(spreadAtMs + (n / count) * spreadMs) });
  writeSystems(directory, count, (n) => ({ ...quietSchedules(spreadAtMs), integrity: integrity(n), 'full-backup': { does: 'backup', ...onceAt(togetherAtMs) } }));
  process.env['HOLDFAST_SYSTEMS'] = directory;
  const startedMs = performance.now();
  await inParallel(numbersTo(0, count - 1), 16, async (n) => void (await applySystem({ client: env.client, system: (await loadSystemFile(systemName(n))).system })));
  add(`${2 * count} schedules changed`, performance.now() - startedMs, 'ms', 'by what the workers run for apply, sixteen systems at a time');
  if (Date.now() > spreadAtMs) throw new Error(`the first start was due ${Date.now() - spreadAtMs} ms before all was applied`);
  await measureStarts(many, `starts spread over ${spreadMs / 1_000} s`, 'verifySystem', spreadAtMs);
  await measureStarts(many, `${count} backups due in the same second`, 'backUpSystem', togetherAtMs);
}

/** What the histories of what goes on have come to since the first apply. */
async function measureHistories({ env, count, add }: Many): Promise<void> {
  for (const [what, idOf] of [['an archive', (system: string) => lockIds.archive(system, 'documents')], ['a watch on readiness', lockIds.ready]] as const) {
    const sizes = await Promise.all(numbersTo(0, count - 1).map(async (n) => await env.client.workflow.getHandle(idOf(systemName(n))).describe()));
    if (sizes.some(({ status }) => status.name !== 'RUNNING')) throw new Error(`${what} of ${sizes.filter(({ status }) => status.name !== 'RUNNING').length} systems does not run any more`);
    const minutes = Math.max(...sizes.map(({ startTime }) => Date.now() - startTime.getTime())) / 60_000;
    const note = `the run that goes on, ${minutes.toFixed(0)} minutes old at most`;
    add(`history of ${what}, at most`, Math.max(...sizes.map(({ historyLength }) => historyLength)), undefined, `events; ${note}`);
    add(`history of ${what}, at most`, Math.max(...sizes.map(({ historySize = 0 }) => historySize)) / 1024, 'KiB', note);
  }
}

export async function measureSystems(owner: Owner, { quick, say }: { quick: boolean; say(line: string): void }): Promise<Figure[]> {
  const scale = scaleOf(quick);
  const { count } = scale;
  const figures: Figure[] = [];
  const directory = join(tempDir(owner, 'holdfast-systems-'), 'systems');
  writeSystems(directory, count, () => quietSchedules(Date.now()));
  const env = await startTemporalServer(owner);
  const worker = await startWorker(owner, { address: env.address, directory, count });
  const add: Many['add'] = (of, value, unit, note) => void figures.push({ bench, of, value, unit, note });
  const many: Many = { ...scale, env, directory, serverPid: childWith('start-dev'), workerPid: worker.pid, tails: worker.tails, applyMs: 0, say, add };
  await measureApply(many);
  await measureRest(many);
  await measureLag(many);
  await measureHistories(many);
  if (many.tails() < count) throw new Error(`${count - many.tails()} logs are not archived any more`);
  add('peak memory of the worker', memoryMib(worker.pid, 'VmHWM'), 'MiB');
  add('peak memory of the server', memoryMib(many.serverPid, 'VmHWM'), 'MiB', 'it keeps all in memory');
  return figures;
}
