import { setTimeout as sleep } from 'node:timers/promises';
import { isGrpcServiceError, ServiceError } from '@temporalio/client';
import { applySystem } from '../../activities/schedules/apply-system.ts';
import { inParallel } from '../../activities/store/in-parallel.ts';
import { loadSystemFile } from '../../activities/system-files.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { numbersTo } from '../../workflows/domain/schedules/when.ts';
import type { Owner } from '../harness/cleanup.ts';
import { until } from '../harness/until.ts';
import type { AloneOptions, Figure } from './figures.ts';
import { onceAt, quietSchedules, systemName, writeSystems, type Schedules } from './many-systems.ts';
import { memoryMib, processMs } from './process-figures.ts';
import { percentile } from './race.ts';
import { applyAll, openSystemsWorld, type SystemsWorld } from './systems-world.ts';

/**
 * A thousand declared systems on one worker and the dev server, in steps: `holdfast apply` as people type it, schedules, archive and readiness workflows real, the engine stubbed
 * at the contract (systems-worker.ts). Each step has all figures, so that a run that is broken off has those of the steps before. Three schedules a system; of two of them all
 * systems' starts are measured, spread out and due in the same second.
 */
const bench = 'systems';
/** of gRPC */
const [deadlineExceeded, unavailable] = [4, 14];

interface Scale {
  steps: readonly number[];
  /** steps of which starts are measured, too: those take most of the time */
  started: readonly number[];
  /** starts that are spread out: from one system's to the next */
  apartMs: number;
  /** how long it rests while its processor time is looked at */
  restMs: number;
  /** until the first start is due, beside what changing the schedules takes */
  leadMs: number;
  /** what has not ended by then is counted, and left behind */
  patienceMs: number;
}

const scaleOf = (quick: boolean): Scale =>
  quick
    ? { steps: [3, 8], started: [3, 8], apartMs: 150, restMs: 1_000, leadMs: 2_000, patienceMs: 120_000 }
    : { steps: [100, 300, 1_000], started: [100, 1_000], apartMs: 150, restMs: 30_000, leadMs: 10_000, patienceMs: 240_000 };

interface Step extends Scale {
  world: SystemsWorld;
  count: number;
  /** systems of the step before: theirs is applied already */
  known: number;
  /** how long changing the schedules of a system takes, as far as is known */
  changeMs: number;
  /** schedules of all systems as they were applied last */
  schedulesOf: (n: number) => Schedules;
  say(line: string): void;
  add(of: string, value: number, unit?: Figure['unit'], note?: string): void;
}

async function measureApply({ world, count, known, schedulesOf, add, say }: Step): Promise<{ msOfOne: number }> {
  say(`  apply of ${count} systems`);
  writeSystems(world.directory, count, schedulesOf);
  const first = await applyAll(world);
  const added = count - known;
  if (first.changed !== 5 * added) throw new Error(`apply changed ${first.changed}, expected ${5 * added}`);
  add(`apply${known > 0 ? ` of ${added} more` : ''}`, first.ms, 'ms', `${3 * added} schedules made, ${added} archives and as many watches on readiness started${known > 0 ? `; ${known} had nothing to change` : ''}`);
  await until(`${count} logs are archived`, () => world.tails() >= count, 600_000);
  const second = await applyAll(world);
  if (second.changed !== 0) throw new Error(`apply once more changed ${second.changed}`);
  add('apply once more, nothing to change', second.ms, 'ms');
  return { msOfOne: first.ms / added };
}

/** Share of one processor, in %. */
async function measureRest({ world: { serverPid, workerPid, requests }, restMs, add, say }: Step): Promise<void> {
  say('  at rest');
  // What apply left behind settles.
  await sleep(restMs / 2);
  const sum = async (): Promise<number> => [...(await requests()).values()].reduce((all, one) => all + one, 0);
  const [asked, before, startedMs] = [await sum(), [workerPid, serverPid].map(processMs), performance.now()];
  await sleep(restMs);
  const tookMs = performance.now() - startedMs;
  const [worker, server] = [workerPid, serverPid].map((pid, n) => ((processMs(pid) - before[n]!) / tookMs) * 100);
  const note = `of one processor, over ${restMs / 1_000} s`;
  add('at rest, the server', server!, '%', `${note}; ${(((await sum()) - asked) / (tookMs / 1_000)).toFixed(0)} requests a second`);
  add('at rest, the worker', worker!, '%', note);
  add('at rest, memory of the worker', memoryMib(workerPid, 'VmRSS'), 'MiB');
  add('at rest, memory of the server', memoryMib(serverPid, 'VmRSS'), 'MiB', 'it keeps all in memory');
}

interface Started {
  lagMs: number;
  /** undefined: it has not ended */
  doneMs: number | undefined;
}

/** Starts by schedules of one time; waits until all have begun, and for their ends as long as there is patience. */
async function startsOf({ world: { env }, count, apartMs, patienceMs }: Step, workflow: string, sinceMs: number): Promise<Started[]> {
  const query = `WorkflowType="${workflow}" AND TemporalScheduledStartTime >= "${new Date(sinceMs).toISOString()}"`;
  const givenUpAtMs = Math.max(Date.now(), sinceMs) + count * apartMs + patienceMs;
  return await until(`${count} of ${workflow} have begun`, async () => {
    const starts: Started[] = [];
    for await (const { startTime, closeTime, status, searchAttributes } of env.client.workflow.list({ query })) {
      if (status.name !== 'RUNNING' && status.name !== 'COMPLETED') throw new Error(`${workflow}: ${status.name}`);
      const due = (searchAttributes['TemporalScheduledStartTime']?.[0] as Date | undefined)?.getTime();
      if (due !== undefined) starts.push({ lagMs: startTime.getTime() - due, doneMs: closeTime ? closeTime.getTime() - due : undefined });
    }
    const isOver = starts.every(({ doneMs }) => doneMs !== undefined) || Date.now() > givenUpAtMs;
    return starts.length >= count && isOver ? starts : undefined;
  }, 5 * patienceMs, count > 100 ? 5_000 : 200);
}

async function measureStarts(step: Step, what: string, workflow: string, sinceMs: number): Promise<void> {
  const { add, say } = step;
  say(`  ${what}`);
  const starts = await startsOf(step, workflow, sinceMs - 500);
  const sorted = (values: (number | undefined)[]): number[] => values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const [lags, dones] = [sorted(starts.map(({ lagMs }) => lagMs)), sorted(starts.map(({ doneMs }) => doneMs))];
  add(`${what}: started late by, p50`, percentile(lags, 0.5), 'ms', `${starts.length} starts`);
  add(`${what}: started late by, p99`, percentile(lags, 0.99), 'ms');
  if (dones.length < starts.length) add(`${what}: not done yet`, starts.length - dones.length, undefined, `${((Date.now() - sinceMs) / 1_000).toFixed(0)} s after they were due; nobody waited longer`);
  if (dones.length === 0) return;
  const ofThose = dones.length < starts.length ? `of the ${dones.length} that are` : undefined;
  add(`${what}: done after, p50`, percentile(dones, 0.5), 'ms', ofThose);
  add(`${what}: done after, the last`, dones.at(-1)!, 'ms', ofThose);
}

/** A call that a busy server did not answer in its time is made again, as Temporal makes an activity again; the time counts. */
async function triedAgain(call: () => Promise<unknown>, triesLeft = 3): Promise<void> {
  try {
    await call();
  } catch (error) {
    const said = error instanceof ServiceError ? error.cause : error;
    if (triesLeft === 0 || !isGrpcServiceError(said) || ![deadlineExceeded, unavailable].includes(said.code)) throw error;
    await triedAgain(call, triesLeft - 1);
  }
}

/**
 * One change of the files for both: verifications spread out, and behind them all backups in the same second. It is applied as the workers' activity does,
 * from here: how long people's apply takes is known by now. Where the first is due before all is applied, that took longer than before: once more.
 */
async function changeSchedules(step: Step, changeMs: number, triesLeft = 2): Promise<{ spreadAtMs: number; togetherAtMs: number; schedulesOf: Step['schedulesOf']; changeMs: number }> {
  const { world, count, leadMs, apartMs, add, say } = step;
  const spreadAtMs = Math.ceil((Date.now() + leadMs + 1.3 * count * changeMs) / 1_000) * 1_000;
  const togetherAtMs = Math.ceil((spreadAtMs + count * apartMs + leadMs) / 1_000) * 1_000;
  const quiet = quietSchedules(spreadAtMs);
  const schedulesOf = (n: number): Schedules => ({ ...quiet, integrity: { does: 'verification', ...onceAt(spreadAtMs + n * apartMs) }, 'full-backup': { does: 'backup', ...onceAt(togetherAtMs) } });
  writeSystems(world.directory, count, schedulesOf);
  process.env['HOLDFAST_SYSTEMS'] = world.directory;
  say(`  ${2 * count} schedules are changed`);
  const startedMs = performance.now();
  await inParallel(numbersTo(0, count - 1), 16, async (n) => {
    const { system } = await loadSystemFile(systemName(n));
    await triedAgain(async () => await applySystem({ client: world.env.client, system }));
  });
  const tookMs = performance.now() - startedMs;
  if (Date.now() > spreadAtMs) {
    if (triesLeft === 0) throw new Error(`the first start was due ${Date.now() - spreadAtMs} ms before all was applied`);
    return await changeSchedules(step, tookMs / count, triesLeft - 1);
  }
  add(`${2 * count} schedules changed`, tookMs, 'ms', 'by what the workers run for apply, sixteen systems at a time');
  return { spreadAtMs, togetherAtMs, schedulesOf, changeMs: tookMs / count };
}

async function measureLag(step: Step): Promise<Pick<Step, 'schedulesOf' | 'changeMs'>> {
  const { spreadAtMs, togetherAtMs, ...changed } = await changeSchedules(step, step.changeMs);
  await measureStarts(step, `starts ${step.apartMs} ms apart`, 'verifySystem', spreadAtMs);
  await measureStarts(step, `${step.count} backups due in the same second`, 'backUpSystem', togetherAtMs);
  return changed;
}

/** What the histories of what goes on have come to since the first apply. */
async function measureHistories({ world: { env }, count, add }: Step): Promise<void> {
  for (const [what, idOf] of [['an archive', (system: string) => lockIds.archive(system, 'documents')], ['a watch on readiness', lockIds.ready]] as const) {
    const sizes: { status: { name: string }; startTime: Date; historyLength: number; historySize?: number }[] = [];
    await inParallel(numbersTo(0, count - 1), 16, async (n) => void sizes.push(await env.client.workflow.getHandle(idOf(systemName(n))).describe()));
    const ended = sizes.filter(({ status }) => status.name !== 'RUNNING');
    if (ended.length > 0) throw new Error(`${what} of ${ended.length} systems does not run any more`);
    const minutes = Math.max(...sizes.map(({ startTime }) => Date.now() - startTime.getTime())) / 60_000;
    const note = `the run that goes on, ${minutes.toFixed(0)} minutes old at most`;
    add(`history of ${what}, at most`, Math.max(...sizes.map(({ historyLength }) => historyLength)), undefined, `events; ${note}`);
    add(`history of ${what}, at most`, Math.max(...sizes.map(({ historySize = 0 }) => historySize)) / 1024, 'KiB', note);
  }
}

export async function measureSystems(owner: Owner, { quick, say, partly }: AloneOptions): Promise<Figure[]> {
  const scale = scaleOf(quick);
  const figures: Figure[] = [];
  const world = await openSystemsWorld(owner, scale.steps.at(-1)!);
  const quiet = quietSchedules(Date.now());
  let last: Pick<Step, 'schedulesOf' | 'changeMs' | 'known'> = { schedulesOf: () => quiet, changeMs: 0, known: 0 };
  for (const count of scale.steps) {
    const begunMs = performance.now();
    const add: Step['add'] = (of, value, unit, note) => {
      figures.push({ bench, of: `${count} systems: ${of}`, value, unit, note });
      partly(figures);
    };
    const step: Step = { ...scale, ...last, world, count, say, add };
    const { msOfOne } = await measureApply(step);
    await measureRest(step);
    // Until it was measured: to change two schedules takes no longer than to make a system.
    const changed = scale.started.includes(count) ? await measureLag({ ...step, changeMs: last.changeMs || msOfOne / 2 }) : { schedulesOf: step.schedulesOf, changeMs: last.changeMs };
    last = { ...changed, known: count };
    await measureHistories(step);
    if (world.tails() < count) throw new Error(`${count - world.tails()} logs are not archived any more`);
    add('peak memory of the worker', memoryMib(world.workerPid, 'VmHWM'), 'MiB');
    add('peak memory of the server', memoryMib(world.serverPid, 'VmHWM'), 'MiB');
    add('measured in', performance.now() - begunMs, 'ms', 'all of this step');
  }
  return figures;
}
