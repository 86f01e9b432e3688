import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether any process of the group still lives; a zombie that nobody has waited for yet counts. */
export function groupLives(groupPid: number): boolean {
  try {
    process.kill(-groupPid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Signals a whole process group; a group that is gone is fine. */
export function signalGroup(groupPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-groupPid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Ends a whole process group: TERM, then KILL for what is left after `graceMs`. Returns when `gone()` says so.
 * Safe to repeat.
 */
export async function endGroup(groupPid: number, graceMs: number, gone: () => boolean = () => !groupLives(groupPid)): Promise<void> {
  signalGroup(groupPid, 'SIGTERM');
  if (await within(graceMs, gone)) return;
  signalGroup(groupPid, 'SIGKILL');
  await within(10_000, gone);
}

/** Polls until `condition` holds; false when it does not within `ms`. */
export async function within(ms: number, condition: () => boolean): Promise<boolean> {
  const endsAt = Date.now() + ms;
  while (!condition()) {
    if (Date.now() >= endsAt) return false;
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
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The program's name stands in brackets and may hold anything, so fields are counted from the last bracket.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${bootId()}:${fields[19]}`;
    } catch {
      return undefined;
    }
  }
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.replace(/^\S+\s+/, '');
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
