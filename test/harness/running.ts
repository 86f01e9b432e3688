import { readdirSync, readFileSync } from 'node:fs';

export interface RunningProcess {
  pid: number;
  parent: number;
  argv: string[];
}

/** Every living process whose environment says `name=value`: what a test started, whoever its parent is by now. */
export function processesWith(name: string, value: string): RunningProcess[] {
  const pids = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number);
  return pids.flatMap((pid) => {
    if (!read(pid, 'environ').split('\0').includes(`${name}=${value}`)) return [];
    const stat = read(pid, 'stat');
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A dead one that its parent has not collected runs nothing.
    if (state === 'Z' || state === 'X' || state === undefined) return [];
    return [{ pid, parent: Number(parent), argv: read(pid, 'cmdline').split('\0').slice(0, -1) }];
  });
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
