import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { familyMs, oursMs, tickMs } from './process-figures.ts';

/** Processor time that some work took, by whom. */
export interface Spent {
  /** whatever else ran is in it */
  machineMs: number;
  /** of the servers alone, which no contender can do without */
  serversMs: number;
  /** of the contender's own programs: that the machine did other work meanwhile is not in it */
  ownMs: number;
}

/** @param servers - pids that live on through the work. */
export async function spending<T extends { ms: number }>(servers: readonly number[], work: () => Promise<T>): Promise<T & { spent: Spent }> {
  const before = read(servers);
  const result = await work();
  const after = read(servers);
  return { ...result, spent: { machineMs: after.machineMs - before.machineMs, serversMs: after.serversMs - before.serversMs, ownMs: after.ownMs - before.ownMs } };
}

/** For the notes under the table: what the servers take is the least that any contender takes. */
export function describeSpent(name: string, { ms, spent }: { ms: number; spent: Spent }): string {
  const text = (spentMs: number): string => `${(spentMs / 1000).toFixed(1)} s`;
  const share = (spentMs: number): number => Math.round((100 * spentMs) / (ms * availableParallelism()));
  const [servers, own] = [spent.serversMs, spent.ownMs];
  return `${name}: servers ${text(servers)} of processor time, its own programs ${text(own)}; processors busy for ${share(spent.machineMs)} % of the time, with other work for ${Math.max(0, share(spent.machineMs - servers - own))} %`;
}

function read(servers: readonly number[]): Spent {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = readFileSync('/proc/stat', 'latin1').split('\n')[0]!.split(/\s+/).slice(1).map(Number);
  const serversMs = servers.reduce((sum, pid) => sum + familyMs(pid), 0);
  return { machineMs: (user + nice + system + irq + softIrq) * tickMs, serversMs, ownMs: oursMs(servers) };
}
