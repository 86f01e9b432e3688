import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether any process of the group still runs. One that is dead but not yet collected by its parent does not run. */
export function groupLives(groupPid: number): boolean {
  try {
    process.kill(-groupPid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // Asked many times a second: as long as its leader runs, nobody else of the machine need be looked at.
  return process.platform !== 'linux' || isIn(groupPid, readStat(groupPid)) || countGroup(groupPid) > 0;
}

/** How many processes of the group still run. An orphan's new parent may take seconds to collect it, and a dead one holds no port and writes no file. */
export function countGroup(groupPid: number): number {
  if (process.platform === 'linux') {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && isIn(groupPid, readStat(Number(name)))).length;
  }
  const listed = execFileSync('ps', ['-A', '-o', 'pgid=,stat='], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return listed.split('\n').filter((line) => new RegExp(`^\\s*${groupPid}\\s+[^Z]`).test(line)).length;
}

const isIn = (groupPid: number, stat: ReturnType<typeof readStat>): boolean => stat !== undefined && stat.group === groupPid && stat.state !== 'Z' && stat.state !== 'X';

/** Signals a whole process group; a group that is gone is fine. */
export function signalGroup(groupPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-groupPid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Ends a whole process group: TERM (or another signal that it ends by), then KILL for what is left after `graceMs`. Returns when `gone()` says so.
 * Safe to repeat.
 */
export async function endGroup(groupPid: number, graceMs: number, gone: () => boolean = () => !groupLives(groupPid), signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  signalGroup(groupPid, signal);
  if (await within(graceMs, gone)) return;
  signalGroup(groupPid, 'SIGKILL');
  await within(10_000, gone);
}

/** Polls until `condition` holds; false when it does not within `ms`. */
export async function within(ms: number, condition: () => boolean): Promise<boolean> {
  const endsAt = performance.now() + ms;
  while (!condition()) {
    if (performance.now() >= endsAt) return false;
    await sleep(20);
  }
  return true;
}

/**
 * When a process started, as text to compare; undefined when no such process runs (a zombie does not run).
 * pid and start time together name a process for good: a pid alone is given to another one later.
 */
export function startTimeOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = readStat(pid);
    return !stat || stat.state === 'Z' || stat.state === 'X' ? undefined : `${bootId()}:${stat.startTicks}`;
  }
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
  } catch {
    return undefined;
  }
}

function readStat(pid: number): { state: string; group: number; startTicks: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The program's name stands in brackets and may hold anything, so fields are counted from the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0]!, group: Number(fields[2]), startTicks: fields[19]! };
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'boot';
  }
}
