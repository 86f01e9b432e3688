import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Account } from './server-account.ts';
import { endGroup, groupLives, signalGroup, startTimeOf, within } from './process-group.ts';

export interface ServerOptions {
  /** for messages and pid file */
  name: string;
  program: string;
  args: readonly string[];
  logFile: string;
  pidFile: string;
  /** True when it serves. Called every 50 ms; what it throws means "not yet", and the last error is told when time is up. */
  ready: () => Promise<boolean>;
  readyWithinMs?: number;
  env?: Record<string, string>;
  cwd?: string;
  /** Whom it runs as; left out: as we do. */
  account?: Account | undefined;
  signal?: AbortSignal;
  /** For tests: the server is killed when this process dies, however it dies. Left out, the server outlives us. */
  tiedToUs?: boolean;
}

export interface ServerProcess {
  name: string;
  pid: number;
  program: string;
  startedAt: string;
  /** names the process together with the pid; see startTimeOf */
  startTime: string;
}

/**
 * Starts a server that outlives us: own process group, output to `logFile`, pid and start time to `pidFile`; returns once it serves.
 *
 * Safe to repeat: a server that the pid file names and that still runs is asked `ready` and returned, not started again.
 *
 * @throws TargetUnavailable - it ended or was not ready in time; the tail of its log is in the message. It is killed then.
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  options.signal?.throwIfAborted();
  const running = readPidFile(options.pidFile);
  if (running) {
    await waitUntilReady(options, () => startTimeOf(running.pid) !== running.startTime);
    return running;
  }
  mkdirSync(dirname(options.logFile), { recursive: true });
  mkdirSync(dirname(options.pidFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.program, [...options.args], {
    detached: true,
    stdio: ['ignore', log, log],
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    ...idsOf(options.account),
  });
  closeSync(log);
  const failure = new Promise<Error>((resolve) => child.once('error', resolve));
  if (child.pid === undefined) {
    throw new HoldfastError('TargetUnavailable', `${options.name} did not start: ${(await failure).message}`);
  }
  const server: ServerProcess = {
    name: options.name,
    pid: child.pid,
    program: options.program,
    startedAt: new Date().toISOString(),
    startTime: startTimeOf(child.pid) ?? '',
  };
  writePidFile(options.pidFile, server);
  if (options.tiedToUs) tieToUs(child);
  else child.unref();
  try {
    await waitUntilReady(options, () => child.exitCode !== null || child.signalCode !== null);
  } catch (error) {
    await endGroup(child.pid, 0);
    rmSync(options.pidFile, { force: true });
    throw error;
  }
  return server;
}

/** The process that a pid file names, while that very process runs; undefined when it is gone, even if its pid is in use again. */
export function readPidFile(pidFile: string): ServerProcess | undefined {
  let server: ServerProcess;
  try {
    server = JSON.parse(readFileSync(pidFile, 'utf8')) as ServerProcess;
  } catch {
    return undefined;
  }
  return Number.isInteger(server.pid) && server.pid > 1 && startTimeOf(server.pid) === server.startTime ? server : undefined;
}

/**
 * Stops the server that a pid file names, its whole group, and removes the file. Safe to repeat.
 * A pid that another process has taken meanwhile is left alone.
 *
 * @param signal - TERM by default, or another that it ends by, with KILL after `graceMs`; KILL ends it at once, as a crash would.
 * @returns whether there was something to stop.
 */
export async function stopByPidFile(pidFile: string, signal: NodeJS.Signals = 'SIGTERM', graceMs = 15_000): Promise<boolean> {
  const server = readPidFile(pidFile);
  if (server) {
    if (signal === 'SIGKILL') signalGroup(server.pid, signal);
    else await endGroup(server.pid, graceMs, () => !runsStill(server), signal);
    await within(10_000, () => !runsStill(server));
    // The leader is gone; children of its group must not outlive it and hold its port or its files.
    if (groupLives(server.pid)) signalGroup(server.pid, 'SIGKILL');
  }
  rmSync(pidFile, { force: true });
  return server !== undefined;
}

const idsOf = (account: Account | undefined): { uid?: number; gid?: number } => (account ? { uid: account.uid, gid: account.gid } : {});

/** The last lines of a log file, for error messages; empty when there is none. */
export function readLogTail(logFile: string, maxBytes = 2048): string {
  try {
    return readFileSync(logFile, 'utf8').slice(-maxBytes).trim();
  } catch {
    return '';
  }
}

const runsStill = (server: ServerProcess): boolean => startTimeOf(server.pid) === server.startTime;

function writePidFile(pidFile: string, server: ServerProcess): void {
  // Renamed into place: a reader never sees half a file and takes the server for gone.
  writeFileSync(`${pidFile}.new`, `${JSON.stringify(server)}\n`);
  renameSync(`${pidFile}.new`, pidFile);
}

async function waitUntilReady(options: ServerOptions, ended: () => boolean): Promise<void> {
  const readyWithinMs = options.readyWithinMs ?? 30_000;
  const endsAt = performance.now() + readyWithinMs;
  let lastError = '';
  while (true) {
    options.signal?.throwIfAborted();
    if (ended()) throw notReady(options, 'ended instead of serving', lastError);
    try {
      if (await options.ready()) return;
    } catch (error) {
      lastError = (error as Error).message;
    }
    if (performance.now() >= endsAt) throw notReady(options, `did not serve within ${readyWithinMs / 1000} s`, lastError);
    await sleep(50);
  }
}

function notReady(options: ServerOptions, what: string, lastError: string): HoldfastError {
  const tail = readLogTail(options.logFile);
  const program = basename(options.program);
  return new HoldfastError('TargetUnavailable', `${options.name} (${program}) ${what}${lastError ? ` (${lastError})` : ''}.${tail ? ` Its log ends: ${tail}` : ''}`, {
    hint: /libcurl|shared librar/i.test(tail) ? 'install the Debian package libcurl4' : `its whole log is ${options.logFile}`,
  });
}

/**
 * A small shell holds the read end of a pipe that only we hold the write end of. However we die, the pipe closes,
 * and the shell kills the server's group.
 */
function tieToUs(child: ChildProcess): void {
  const watchdog = spawn('/bin/sh', ['-c', 'read -r _; kill -s KILL -- "-$1"', 'watchdog', String(child.pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.once('exit', () => watchdog.kill('SIGKILL'));
  child.unref();
  watchdog.unref();
  (watchdog.stdin as unknown as { unref?: () => void }).unref?.();
}
