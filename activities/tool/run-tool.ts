import { execa } from 'execa';
import type { Duplex, Readable, Writable } from 'node:stream';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { scrub } from '../secrets.ts';
import { findTool, type ToolName } from './find-tool.ts';
import type { Account } from './server-account.ts';
import { endGroup, groupLives, signalGroup } from './process-group.ts';

export interface ToolOptions {
  /** Aborting kills the whole process group, TERM first, and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Added to the process's own environment; undefined takes a variable out of it. Secrets go here or in a file, never into the arguments: those are public on the machine. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Whom it runs as; left out: as we do. */
  account?: Account | undefined;
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
  /** Not with a file descriptor of the caller's own (`stdout`) */
  stdout: Readable;
  /** Only with `pipes`: those from file descriptor 3 on, to be written and read. */
  pipes: Duplex[];
  /** @throws ToolFailed with the tail of stderr; the abort signal's reason */
  done: Promise<ToolResult>;
  /** Only with `ipc`. The child sees `disconnect` when we die, even by KILL, and must then end itself. */
  send(message: unknown): Promise<void>;
  messages(): AsyncIterable<unknown>;
  /** Called when the program itself has ended; its group and its streams may last longer. @param then - is given the exit code, null after a signal. */
  onExit(then: (code: number | null) => void): void;
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
  options: ToolOptions & { ipc?: boolean; collectStdout?: boolean; pipes?: number; label?: string; stdout?: number } = {},
): RunningTool {
  options.signal?.throwIfAborted();
  const path = typeof tool === 'string' ? findTool(tool) : tool.path;
  const label = options.label ?? (typeof tool === 'string' ? tool : tool.path);
  const child = execa(path, [...args], {
    detached: true,
    cleanup: false,
    reject: false,
    buffer: { stdout: options.collectStdout === true, stderr: false, ipc: false },
    maxBuffer: maxStdoutBytes,
    ipc: options.ipc === true,
    ...(options.ipc ? { serialization: 'advanced' as const } : {}),
    ...stdioOf(options),
    ...(options.env ? { env: options.env } : {}),
    ...(options.cwd ? { cwd: options.cwd } : {}),
    ...(options.account ? { uid: options.account.uid, gid: options.account.gid } : {}),
    ...(options.timeoutMs ? { timeout: options.timeoutMs } : {}),
  });
  const stderr = new Tail();
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.add(text));
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
    if (result.failed) throw toolFailed(label, result, stderr.text());
    return { stdout: typeof result.stdout === 'string' ? result.stdout : '', stderr: stderr.text() };
  };
  return {
    pid: pid ?? -1,
    stdin: child.stdin as Writable,
    stdout: child.stdout,
    pipes: (child.stdio as unknown as Duplex[]).slice(3, 3 + (options.pipes ?? 0)),
    done: finish(),
    send: async (message) => await (child as unknown as { sendMessage(message: unknown): Promise<void> }).sendMessage(message),
    messages: () => (child as unknown as { getEachMessage(): AsyncIterable<unknown> }).getEachMessage(),
    onExit: (then) => void child.nodeChildProcess.once('exit', then),
    kill,
  };
}

function stdioOf({ input, pipes = 0, stdout = 'pipe' }: ToolOptions & { pipes?: number; stdout?: number | 'pipe' }) {
  if (pipes > 0) return { stdio: ['ignore', stdout, 'pipe', ...Array.from({ length: pipes }, () => 'pipe' as const)] as ['ignore', 'pipe', 'pipe'] };
  return input === undefined ? { stdin: 'pipe' as const } : { input };
}

/**
 * The last of what a program said, without secrets. A secret that is cut in two is not known any more, so what is cut off
 * ends at a line, and it is scrubbed before it is cut.
 */
class Tail {
  #text = '';
  #isCut = false;

  add(text: string): void {
    this.#text += text;
    if (this.#text.length <= 4 * tailBytes) return;
    this.#isCut = true;
    this.#text = this.#text.slice(-2 * tailBytes);
  }

  text(): string {
    const whole = this.#isCut ? this.#text.slice(this.#text.indexOf('\n') + 1 || this.#text.length) : this.#text;
    const clean = scrub(whole);
    return clean.length <= tailBytes ? clean : clean.slice(-tailBytes);
  }
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
  const unread = /\b(ECONNRESET|EPIPE)\b/.test(result.originalMessage ?? '') ? ' before it had read everything that it was given' : '';
  const said = stderrTail.trim();
  return new HoldfastError('ToolFailed', `${label} ${how}${unread}${said ? `; it said: ${said}` : ''}`, {
    details: {
      exitCode: result.exitCode ?? null,
      signal: result.signal ?? null,
      stdoutTail: typeof result.stdout === 'string' ? result.stdout.slice(-4 * tailBytes) : '',
    },
  });
}
