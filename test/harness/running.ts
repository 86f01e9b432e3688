import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  pid: number;
  parent: number;
  argv: string[];
}

/**
 * Every living process whose environment says `name=value`, or whose arguments name the value: what a test started, whoever its
 * parent is by now. nginx writes its title over its environment, and keeps the directory that it was given in the title.
 */
export function processesWith(name: string, value: string): RunningProcess[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number);
  return pids.flatMap((pid) => {
    const argv = read(pid, 'cmdline').split('\0').slice(0, -1);
    if (!read(pid, 'environ').split('\0').includes(`${name}=${value}`) && !argv.some((argument) => argument.includes(value))) return [];
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
