import { setTimeout as sleep } from 'node:timers/promises';
import { minutes } from '../../workflows/domain/units.ts';
import type { Owner } from '../harness/cleanup.ts';
import { until } from '../harness/until.ts';
import type { AloneOptions, Figure } from './figures.ts';
import { quietSchedules, writeSystems } from './many-systems.ts';
import { processMs } from './process-figures.ts';
import { applyAll, openSystemsWorld } from './systems-world.ts';

/**
 * What a system that stands asks of the Temporal server, by kind of request: ten systems for as long as each of their rounds takes once, counted by the server itself. Nothing that is
 * scheduled falls due meanwhile.
 */
const bench = 'standing';

const kinds: Record<string, string> = {
  RecordActivityTaskHeartbeat: 'the archive, which stands for ever',
  PollWorkflowTaskQueue: 'each is a workflow task; a worker that has nothing to do asks once a minute all the same',
  RespondWorkflowTaskCompleted: 'timers that fire and activities that end: watch on readiness, watch on the archive’s lag',
  PollActivityTaskQueue: 'each is an activity; a worker that has nothing to do asks once a minute all the same',
  RespondActivityTaskCompleted: 'the system file and the check of readiness, the look at the archive’s lag',
};

export async function measureStanding(owner: Owner, { quick, say }: AloneOptions): Promise<Figure[]> {
  const count = quick ? 2 : 10;
  const windowMs = quick ? 2_000 : minutes(5);
  const world = await openSystemsWorld(owner, count);
  writeSystems(world.directory, count, () => quietSchedules(Date.now()));
  await applyAll(world);
  await until(`${count} logs are archived`, () => world.tails() >= count, 120_000);
  // What apply left behind settles; the rounds go on by their own time.
  await sleep(quick ? 1_000 : 30_000);
  say(`  ${count} systems stand for ${windowMs / 1_000} s`);
  const of = [world.workerPid, world.serverPid];
  const [before, cpu, startedMs] = [await world.requests(), of.map(processMs), performance.now()];
  await sleep(windowMs);
  const after = await world.requests();
  const systemMinutes = (count * (performance.now() - startedMs)) / minutes(1);
  const [worker, server] = of.map((pid, n) => (processMs(pid) - cpu[n]!) / systemMinutes);
  const figures = [...after].map(([operation, requests]): Figure => ({ bench, of: operation, value: (requests - (before.get(operation) ?? 0)) / systemMinutes, note: kinds[operation] }));
  const asked = figures.filter(({ value }) => value > 0).sort((a, b) => b.value - a.value);
  return [
    { bench, of: 'all requests', value: asked.reduce((sum, { value }) => sum + value, 0), note: `by a system in a minute, of ${count} in ${(windowMs / 1_000).toFixed(0)} s; here and below` },
    ...asked,
    { bench, of: 'processor time of the server, by a system in a minute', value: server!, unit: 'ms' },
    { bench, of: 'processor time of the worker, by a system in a minute', value: worker!, unit: 'ms' },
  ];
}
