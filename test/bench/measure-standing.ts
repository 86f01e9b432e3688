import { setTimeout as sleep } from 'node:timers/promises';
import { minutes } from '../../workflows/domain/units.ts';
import type { Owner } from '../harness/cleanup.ts';
import { until } from '../harness/until.ts';
import type { AloneOptions, Figure } from './figures.ts';
import { quietSchedules, writeSystems } from './many-systems.ts';
import { processMs } from './process-figures.ts';
import { applyAll, openSystemsWorld, type SystemsWorld } from './systems-world.ts';

/**
 * What a system that stands asks of the Temporal server, by kind of request: ten systems for as long as each of their rounds takes once, counted by the server itself, less what the
 * worker asks where there is no system yet. Nothing that is scheduled falls due meanwhile.
 */
const bench = 'standing';

const kinds: Record<string, string> = {
  RecordActivityTaskHeartbeat: 'the archive, which stands for ever',
  PollWorkflowTaskQueue: 'each is a workflow task',
  RespondWorkflowTaskCompleted: 'timers that fire and activities that end: watch on readiness, watch on the archive’s lag',
  PollActivityTaskQueue: 'each is an activity',
  RespondActivityTaskCompleted: 'the system file and the check of readiness, the look at the archive’s lag',
};

interface Taken {
  requests: Map<string, number>;
  serverMs: number;
  workerMs: number;
}

/** What passes in a minute, over a span. */
async function aMinuteOf({ requests, serverPid, workerPid }: SystemsWorld, spanMs: number): Promise<Taken> {
  const look = async (): Promise<Taken> => ({ requests: await requests(), serverMs: processMs(serverPid), workerMs: processMs(workerPid) });
  const [before, startedMs] = [await look(), performance.now()];
  await sleep(spanMs);
  const after = await look();
  const took = (performance.now() - startedMs) / minutes(1);
  const made = new Map([...after.requests].map(([operation, count]) => [operation, (count - (before.requests.get(operation) ?? 0)) / took]));
  return { requests: made, serverMs: (after.serverMs - before.serverMs) / took, workerMs: (after.workerMs - before.workerMs) / took };
}

export async function measureStanding(owner: Owner, { quick, say }: AloneOptions): Promise<Figure[]> {
  const count = quick ? 2 : 10;
  const windowMs = quick ? 2_000 : minutes(5);
  const world = await openSystemsWorld(owner, count);
  // A poll of a worker that has nothing to do takes a minute.
  const idleMs = quick ? 1_000 : minutes(2);
  say(`  no system for ${idleMs / 1_000} s`);
  const idle = await aMinuteOf(world, idleMs);
  writeSystems(world.directory, count, () => quietSchedules(Date.now()));
  await applyAll(world);
  await until(`${count} logs are archived`, () => world.tails() >= count, 120_000);
  // What apply left behind settles; the rounds go on by their own time.
  await sleep(quick ? 1_000 : 30_000);
  say(`  ${count} systems stand for ${windowMs / 1_000} s`);
  const standing = await aMinuteOf(world, windowMs);
  const asked = [...standing.requests]
    .map(([operation, requests]): Figure => ({ bench, of: operation, value: (requests - (idle.requests.get(operation) ?? 0)) / count, note: kinds[operation] }))
    // A poll more or less is chance.
    .filter(({ value }) => value > 0.05)
    .sort((a, b) => b.value - a.value);
  return [
    { bench, of: 'requests to the server, by a system in a minute', value: asked.reduce((sum, { value }) => sum + value, 0), note: `of ${count} systems in ${(windowMs / 1_000).toFixed(0)} s; by kind below` },
    ...asked,
    { bench, of: 'processor time of the server, by a system in a minute', value: (standing.serverMs - idle.serverMs) / count, unit: 'ms', note: `${idle.serverMs.toFixed(0)} ms without a system` },
    { bench, of: 'processor time of the worker, by a system in a minute', value: (standing.workerMs - idle.workerMs) / count, unit: 'ms', note: `${idle.workerMs.toFixed(0)} ms without a system` },
  ];
}
