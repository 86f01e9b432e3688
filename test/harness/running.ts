import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  pid: number;
  parent: number;
  argv: string[];
}

/**
 * Every living process whose environment says `name=value`, or whose arguments name the value: what a test started, whoever its
 * parent is by now. nginx writes its title over its environment, and keeps the directory that it was given in the title.
 * @param strangers - how often each of the others was looked at: whoever looks many times a second gives the same map again, and those that were others before are passed over
 */
export function processesWith(name: string, value: string, strangers?: Map<number, number>): RunningProcess[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number);
  const living = new Set(pids);
  for (const pid of strangers?.keys() ?? []) if (!living.has(pid)) strangers!.delete(pid);
  return pids.flatMap((pid) => {
    // One that was looked at between its fork and its exec is looked at again.
    const looks = strangers?.get(pid) ?? 0;
    if (looks > 2) return [];
    const argv = read(pid, 'cmdline').split('\0').slice(0, -1);
    if (!read(pid, 'environ').split('\0').includes(`${name}=${value}`) && !argv.some((argument) => argument.includes(value))) {
      strangers?.set(pid, looks + 1);
      return [];
    }
    const stat = read(pid, 'stat');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A dead one that its parent has not collected runs nothing.
    if (state === 'Z' || state === 'X' || state === undefined) return [];
    return [{ pid, parent: Number(parent), argv }];
  });
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
