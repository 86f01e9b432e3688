import { PassThrough, pipeline, type Duplex, type Readable } from 'node:stream';
import { seconds } from '../../workflows/domain/units.ts';
import { startTool, type ToolResult } from './run-tool.ts';

export interface StreamOptions {
  /** the program's name in messages */
  label: string;
  env?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
  /** removed when this process dies while the program runs, however it dies */
  removeOnLoss: string;
}

/** A program whose standard output, or standard input, is a stream of any length. */
export interface RunningStream {
  pid: number;
  stdout: Readable;
  /** the program's standard input */
  stdin: Duplex;
  /**
   * Ended well, and read all that it was given.
   * @throws ToolFailed - code or signal and the last lines of stderr; also when it ended with code 0 before it had read everything.
   */
  done: Promise<ToolResult>;
  kill(graceMs?: number): Promise<void>;
}

/**
 * A shell that becomes the program. Beside it, in the same group, a shell holds the read end of a pipe that only we hold the
 * write end of: however we die, it closes, the private directory goes and the whole group is killed. A restore program would
 * otherwise take our death for the end of its input, and a dump program might wait for ever.
 *
 * Standard input comes by a socket that we also listen on: when the program ends and has not read everything, the kernel says so. A pipe
 * alone would swallow the last 64 KiB of a program that read nothing.
 */
const script = '{ read -r _ <&4; rm -rf -- "$0"; kill -s KILL 0; } >/dev/null 2>&1 </dev/null 3>&- & exec "$@" <&3 3>&- 4<&-';

/** How long a program that has failed may take to end by itself: its own words are better than ours. */
const endsWithinMs = seconds(5);

/**
 * Starts a program tied to this process. Output must be read (or `stdout.resume()`d): nothing is collected, and what is not
 * read holds the program up. `done` must be awaited.
 *
 * @throws nothing at once: what keeps the program from starting is in `done`.
 */
export function startStream(program: string, args: readonly string[], { label, env, signal, removeOnLoss }: StreamOptions): RunningStream {
  const tool = startTool({ path: '/bin/sh' }, ['-c', script, removeOnLoss, program, ...args], {
    label,
    pipes: 2,
    ...(env ? { env } : {}),
    ...(signal ? { signal } : {}),
  });
  const [stdin, leash] = tool.pipes as [Duplex, Duplex];
  // Taken at once: what a program leaves in its pipe is thrown away when it ends and nobody reads there yet.
  const stdout = new PassThrough();
  pipeline(tool.stdout, stdout, () => undefined);
  // It has closed its input with something unread in it: it has failed, whatever it still does.
  stdin.once('error', () => void setTimeout(() => void tool.kill(), endsWithinMs).unref());
  stdin.on('error', () => undefined).resume();
  leash.on('error', () => undefined);
  tool.onExit(() => leash.destroy());
  return { pid: tool.pid, stdout, stdin, done: tool.done, kill: tool.kill };
}
