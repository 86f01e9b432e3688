import { readdirSync, readFileSync } from 'node:fs';
import { tickMs } from './process-figures.ts';

/**
 * Processor time of everything that this process started, servers and what has ended included, and of those that have left its family and carry `mark` (`NAME=value`) in their environment: a server that was started to stay, a resident.
 * Other than the machine's own time it says something on a busy machine too. What ends without anybody of these waiting for it is missing.
 */
export function processorMs(mark: string): number {
  const found = new Map(readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ').map(Number);
      // proc(5): the first one here is field 3; parent, then user and system time, its own and of its children that have ended.
      // Of this process only what its children took: itself it watches, which is no contender's work.
      return [[Number(name), { parent: fields[1]!, ms: fields.slice(Number(name) === process.pid ? 13 : 11, 15).reduce((sum, ticks) => sum + ticks, 0) * tickMs }] as const];
    } catch {
      // It ended between the listing and the look.
      return [];
    }
  }));
  const isOfUs = (pid: number): boolean => pid === process.pid || (found.has(pid) && pid > 1 && isOfUs(found.get(pid)!.parent));
  return [...found].reduce((sum, [pid, { ms }]) => (isOfUs(pid) || isMarked(pid, mark) ? sum + ms : sum), 0);
}

function isMarked(pid: number, mark: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark);
  } catch {
    return false;
  }
}
