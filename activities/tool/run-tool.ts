import { execa } from 'execa';
import type { Readable, Writable } from 'node:stream';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { findTool, type ToolName } from './find-tool.ts';
import { endGroup, groupLives, signalGroup } from './process-group.ts';

export interface ToolOptions {
  /** Aborting kills the whole process group, TERM first, and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Added to the process's own environment. Secrets go here or in a file, never into the arguments: those are public on the machine. */
  env?: Record<string, string>;
  cwd?: string;
  /** Written to stdin, which is then closed. */
  input?: string | Uint8Array;
  /** How long the group has after TERM before KILL. */
  graceMs?: number;
  timeoutMs?: number;
}

export interface ToolResult {
  stdout: string;
  stderr: string;
}

/** A program that runs: streams while it runs, `done` when it has ended. */
export interface RunningTool {
  pid: number;
  stdin: Writable;
  stdout: Readable;
  /** @throws ToolFailed with the tail of stderr; the abort signal's reason */
  done: Promise<ToolResult>;
  /** Only with `ipc`. The child sees `disconnect` when we die, even by KILL, and must then end itself. */
  send(message: unknown): Promise<void>;
  messages(): AsyncIterable<unknown>;
  /** Ends the group, TERM first, and returns when it is gone. @param graceMs - from TERM to KILL; left out: the options' own. */
  kill(graceMs?: number): Promise<void>;
}

const tailBytes = 4096;
const maxStdoutBytes = 16 * 1024 * 1024;
const liveGroups = new Set<number>();
process.on('exit', () => {
  for (const pid of liveGroups) signalGroup(pid, 'SIGKILL');
});

/**
 * Runs a program to its end and returns what it printed (stdout up to 16 MiB, stderr's last 4 KiB).
 *
 * @throws ToolMissing - the program is nowhere.
 * @throws ToolFailed - it ended badly: exit code or signal, and the tail of its stderr.
 */
export async function runTool(tool: ToolName | { path: string }, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  return await startTool(tool, args, { ...options, collectStdout: true, input: options.input ?? '' }).done;
}

/**
 * Starts a program in its own process group and returns at once. For streams and for our own data plane (`ipc`).
 * `done` must be awaited. The group is killed when this process exits in an orderly way.
 */
export function startTool(
  tool: ToolName | { path: string },
  args: readonly string[],
  options: ToolOptions & { ipc?: boolean; collectStdout?: boolean } = {},
): RunningTool {
  options.signal?.throwIfAborted();
  const path = typeof tool === 'string' ? findTool(tool) : tool.path;
  const label = typeof tool === 'string' ? tool : tool.path;
  const child = execa(path, [...args], {
    detached: true,
    cleanup: false,
    reject: false,
    buffer: { stdout: options.collectStdout === true, stderr: false, ipc: false },
    maxBuffer: maxStdoutBytes,
    ipc: options.ipc === true,
    ...(options.ipc ? { serialization: 'advanced' as const } : {}),
    stdin: options.input === undefined ? 'pipe' : undefined,
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
    ...(options.timeoutMs ? { timeout: options.timeoutMs } : {}),
  });
  let stderrTail = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderrTail = (stderrTail + text).slice(-tailBytes);
  });
  const pid = child.pid;
  if (pid !== undefined) liveGroups.add(pid);

  const kill = async (graceMs = options.graceMs ?? 5_000): Promise<void> => {
    if (pid !== undefined) await endGroup(pid, graceMs);
  };
  const onAbort = (): void => void kill();
  options.signal?.addEventListener('abort', onAbort, { once: true });

  const finish = async (): Promise<ToolResult> => {
    const result = await child;
    options.signal?.removeEventListener('abort', onAbort);
    if (pid !== undefined) {
      // What the leader left behind must not go on writing after we have reported the end.
      if (groupLives(pid)) await endGroup(pid, result.failed ? 0 : (options.graceMs ?? 5_000));
      liveGroups.delete(pid);
    }
    options.signal?.throwIfAborted();
    if (result.failed) throw toolFailed(label, result, stderrTail);
    return { stdout: typeof result.stdout === 'string' ? result.stdout : '', stderr: stderrTail };
  };
  return {
    pid: pid ?? -1,
    stdin: child.stdin,
    stdout: child.stdout,
    done: finish(),
    send: async (message) => await (child as unknown as { sendMessage(message: unknown): Promise<void> }).sendMessage(message),
    messages: () => (child as unknown as { getEachMessage(): AsyncIterable<unknown> }).getEachMessage(),
    kill,
  };
}

function toolFailed(
  label: string,
  result: { exitCode?: number | undefined; signal?: string | undefined; timedOut: boolean; originalMessage?: string | undefined; stdout?: unknown },
  stderrTail: string,
): HoldfastError {
  const how = result.timedOut
    ? 'ran out of time'
    : result.signal
      ? `was ended by ${result.signal}`
      : result.exitCode !== undefined
        ? `ended with code ${result.exitCode}`
        : `did not start: ${result.originalMessage ?? 'unknown reason'}`;
  const said = stderrTail.trim();
  return new HoldfastError('ToolFailed', `${label} ${how}${said ? `; it said: ${said}` : ''}`, {
    details: {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      stdoutTail: typeof result.stdout === 'string' ? result.stdout.slice(-4 * tailBytes) : '',
    },
  });
}
