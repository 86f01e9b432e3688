import { readdirSync, readFileSync } from 'node:fs';

/** proc(5): USER_HZ is 100 on every Linux. */
export const tickMs = 10;

/** Fields of /proc/<pid>/stat from the third on: behind the name, which may hold anything. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** Processor time that a process has taken, its threads included: fields 14 and 15. */
export function processMs(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11]) + Number(fields[12])) * tickMs;
}

/** The same, with what its children took, those that have ended too (fields 16 and 17): a server that makes a process for each session. */
export function familyMs(pid: number): number {
  for (;;) {
    const ended = endedMs(pid);
    const living = livingMs(pid);
    // One that ended meanwhile would be missing, or counted twice.
    if (endedMs(pid) === ended) return processMs(pid) + ended + living;
  }
}

/** What all that this process started took, those that have ended too, but for some of its children and what they started. Of itself nothing: it watches, which is no contender's work. */
export function oursMs(but: readonly number[]): number {
  for (;;) {
    const ended = endedMs(process.pid);
    const living = childrenOf(process.pid).filter((pid) => !but.includes(pid)).reduce((sum, pid) => sum + orNothing(() => processMs(pid) + endedMs(pid)), 0);
    if (endedMs(process.pid) === ended) return ended + living;
  }
}

function endedMs(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[13]) + Number(fields[14])) * tickMs;
}

const livingMs = (parent: number): number => childrenOf(parent).reduce((sum, pid) => sum + orNothing(() => processMs(pid)), 0);

/** Those that live. */
export const childrenOf = (parent: number): number[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => orNothing(() => Number(statOf(pid)[1])) === parent);

/** Of one that ended between the listing and the look. */
function orNothing(look: () => number): number {
  try {
    return look();
  } catch {
    return 0;
  }
}

/** `VmRSS`: what it holds now; `VmHWM`: the most that it ever held. */
export function memoryMib(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const line = readFileSync(`/proc/${pid}/status`, 'latin1').split('\n').find((one) => one.startsWith(`${what}:`))!;
  return Number(/\d+/.exec(line)![0]) / 1024;
}

/** Our own child of which an argument is this. */
export function childWith(argument: string): number {
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (Number(statOf(Number(name))[1]) === process.pid && readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(argument)) return Number(name);
    } catch {
      // It ended between the listing and the look.
    }
  }
  throw new Error(`no process of ours was started with ${argument}`);
}
