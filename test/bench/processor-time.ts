import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { familyMs, tickMs } from './process-figures.ts';

/** Processor time that some work took, by whom. Of the machine: whatever else ran is in it, so it says something on a quiet machine only. */
export interface Spent {
  machineMs: number;
  /** of the servers alone, which no contender can do without */
  serversMs: number;
}

/** @param servers - pids that live on through the work. */
export async function spending<T extends { ms: number }>(servers: readonly number[], work: () => Promise<T>): Promise<T & { spent: Spent }> {
  const before = read(servers);
  const result = await work();
  const after = read(servers);
  return { ...result, spent: { machineMs: after.machineMs - before.machineMs, serversMs: after.serversMs - before.serversMs } };
}

/** For the notes under the table: what the servers take is the least that any contender takes. */
export function describeSpent(name: string, { ms, spent }: { ms: number; spent: Spent }): string {
  const text = (spentMs: number): string => `${(spentMs / 1000).toFixed(1)} s`;
  const share = Math.round((100 * spent.machineMs) / (ms * availableParallelism()));
  return `${name}: servers ${text(spent.serversMs)} of processor time, all else ${text(spent.machineMs - spent.serversMs)}, processors busy for ${share} % of the time`;
}

function read(servers: readonly number[]): Spent {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = readFileSync('/proc/stat', 'latin1').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
  const serversMs = servers.reduce((sum, pid) => sum + familyMs(pid), 0);
  return { machineMs: (user + nice + system + irq + softIrq) * tickMs, serversMs };
}
