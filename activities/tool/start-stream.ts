import type { Socket } from 'node:net';
import { PassThrough, pipeline, type Duplex, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { minutes, seconds } from '../../workflows/domain/units.ts';
import type { LentOutput } from './lent-output.ts';
import { countGroup } from './process-group.ts';
import type { Account } from './server-account.ts';
import { startTool, type RunningTool, type ToolResult } from './run-tool.ts';

export interface StreamOptions {
  /** the program's name in messages */
  label: string;
  /** as in `ToolOptions` */
  env?: Record<string, string | undefined> | undefined;
  signal?: AbortSignal | undefined;
  /** Whom it runs as; left out: as we do. */
  account?: Account | undefined;
  /** removed when this process dies while the program runs, however it dies */
  removeOnLoss: string;
  /** What it writes is read from there; left out: from `stdout` */
  output?: LentOutput | undefined;
  /** How long what a program left behind may pass nothing on before it is ended, which is a failure. Left out: a minute. */
  quietForMs?: number;
}

/** A program whose standard output, or standard input, is a stream of any length. */
export interface RunningStream {
  pid: number;
  /** nothing, where it was given an `output` */
  stdout: Readable;
  /** the program's standard input */
  stdin: Duplex;
  /**
   * Ended well with all that it started, and read all that it was given.
   * @throws ToolFailed - code or signal and the last lines of stderr; also when it ended with code 0 before it had read everything,
   * or when something that it started had to be ended: what that would still have written, or read, is missing.
   */
  done: Promise<ToolResult>;
  /** When the program itself ended, whatever is still to be read of it then. Never, when it did not start. */
  exitedAt: Promise<string>;
  kill(graceMs?: number): Promise<void>;
}

/**
 * A shell that becomes the program. Beside it, in the same group, a shell holds the read end of a pipe that only we hold the
 * write end of: however we die, it closes, the private directory goes and the whole group is killed. A restore program would
 * otherwise take our death for the end of its input, and a dump program might wait for ever. The shell outlives the TERM that
 * the group is ended with: a program that takes its time over that is held until the end.
 *
 * Standard input comes by a socket that we also listen on: when the program ends and has not read everything, the kernel says so. A pipe
 * alone would swallow the last 64 KiB of a program that read nothing.
 */
const script = '{ trap "" TERM; read -r _ <&4; rm -rf -- "$0"; kill -s KILL 0; } >/dev/null 2>&1 </dev/null 3>&- & exec "$@" <&3 3>&- 4<&-';

/** How long a program that has failed may take to end by itself: its own words are better than ours. */
const endsWithinMs = seconds(5);

/** From TERM to KILL: less than whoever ends us gives us, or the program would outlive the word that it is gone. */
const graceMs = seconds(3);

/**
 * Starts a program tied to this process. Output must be read (or `stdout.resume()`d): nothing is collected, and what is not
 * read holds the program up. `done` must be awaited.
 *
 * @throws the signal's reason, when it is aborted already. What keeps the program from starting is in `done`.
 */
export function startStream(program: string, args: readonly string[], { label, env, signal, account, removeOnLoss, output, quietForMs = minutes(1) }: StreamOptions): RunningStream {
  const start = (own?: number): RunningTool => startTool({ path: '/bin/sh' }, ['-c', script, removeOnLoss, program, ...args], {
    label,
    pipes: 2,
    graceMs,
    ...(own === undefined ? {} : { stdout: own }),
    ...(env ? { env } : {}),
    ...(signal ? { signal } : {}),
    ...(account ? { account } : {}),
  });
  const tool = output ? output.handOver(start) : start();
  const [stdin, leash] = tool.pipes as [Duplex, Duplex];
  // Taken at once: what a program leaves in its pipe is thrown away when it ends and nobody reads there yet.
  const stdout = new PassThrough();
  if (output) stdout.end();
  else pipeline(tool.stdout, stdout, () => undefined);
  const passed = (): number => (output ?? (tool.stdout as Socket)).bytesRead + (stdin as Socket).bytesWritten;
  const isHeldUp = (): boolean => output?.isHeldUp ?? stdout.writableNeedDrain;
  // It has closed its input with something unread in it: it has failed, whatever it still does.
  stdin.once('error', () => void setTimeout(() => void tool.kill(), endsWithinMs).unref());
  stdin.on('error', () => undefined).resume();
  leash.on('error', () => undefined);
  let hasLeftBehind = false;
  const exit = Promise.withResolvers<string>();
  tool.onExit((code) => {
    exit.resolve(new Date().toISOString());
    const alone = code === 0 ? endsAlone(tool, { passed, isHeldUp }, quietForMs) : Promise.resolve(true);
    void alone.then((isAlone) => {
      hasLeftBehind = !isAlone;
      leash.destroy();
    });
  });
  const done = tool.done.then((result) => {
    if (!hasLeftBehind) return result;
    throw new HoldfastError('ToolFailed', `${label} ended with code 0 and left processes behind, which had to be ended`, { hint: 'what a program starts must end before it, or soon after: let it wait for them' });
  });
  return { pid: tool.pid, stdout, stdin, done, exitedAt: exit.promise, kill: tool.kill };
}

/** Waits until nothing of the group runs but the leash; false when something stays and passes nothing on, though nobody holds it up. */
async function endsAlone(tool: RunningTool, { passed, isHeldUp }: { passed(): number; isHeldUp(): boolean }, quietForMs: number): Promise<boolean> {
  let before = passed();
  let movedAt = performance.now();
  while (countGroup(tool.pid) > 1) {
    if (passed() !== before || isHeldUp()) {
      before = passed();
      movedAt = performance.now();
    }
    if (performance.now() - movedAt > quietForMs) return false;
    await sleep(20);
  }
  return true;
}
