import { fileURLToPath } from 'node:url';
import { HoldfastError, isErrorType, type ErrorType } from '../../workflows/domain/errors.ts';
import { startTool, type RunningTool } from '../tool/run-tool.ts';
import { scrub } from '../secrets.ts';
import type { JobContext } from '../context.ts';
import type { JobFailure, JobMessage, JobOrder } from './messages.ts';

const childProgram = fileURLToPath(new URL('./main.ts', import.meta.url));
/** Half of a child's start is compiling the same files again. Node passes over a cache that it cannot write. */
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/holdfast', import.meta.url));

export interface RunJobOptions extends JobContext {
  /** Called whenever the child shows that its event loop turns, about once a second. */
  alive?: () => void;
  log?: (level: 'info' | 'warn' | 'error', message: string, detail?: Record<string, unknown>) => void;
  /** JavaScript heap of the child; buffers come on top. */
  heapMib?: number;
  /** A child that says nothing for this long is taken for hung and killed. */
  silentForMs?: number;
  /** As long as this it may take until it says its first word. */
  startWithinMs?: number;
  /** Told once, at the end: for tests and for logs. */
  onPeakRss?: (bytes: number) => void;
  /** Told once, at the start. */
  onStart?: (pid: number) => void;
  graceMs?: number;
  /** Another child program, for tests. */
  program?: string;
}

/**
 * Runs one job in a data plane process of its own and returns its result.
 *
 * The child gets the order over a pipe, so no argument list holds anything. It ends by itself when we die. On abort its
 * whole process group is ended, TERM then KILL, and the signal's reason is thrown once it is gone.
 *
 * @throws the job's own HoldfastError, with type, message and details kept.
 * @throws DataPlaneLost - retryable: the child crashed, was killed or hung; its last words are in the message.
 */
export async function runJob(job: string, input: unknown, options: RunJobOptions): Promise<unknown> {
  const child = startTool('node', [...memoryFlags(options.heapMib ?? 256), options.program ?? childProgram], {
    ipc: true,
    signal: options.signal,
    graceMs: options.graceMs ?? 5_000,
    // Two arenas: with one per thread, glibc keeps several times the memory that is in use.
    env: { MALLOC_ARENA_MAX: '2', NODE_COMPILE_CACHE: compileCache },
  });
  // Settled below on every path; until then nobody listens.
  child.done.catch(() => undefined);
  child.stdout.resume();
  options.onStart?.(child.pid);
  const silence = watchSilence(child, options);
  let last: Extract<JobMessage, { kind: 'done' | 'failed' }> | undefined;
  try {
    await child.send({ job, input } satisfies JobOrder);
    for await (const message of child.messages() as AsyncIterable<JobMessage>) {
      silence.reset();
      if (message.kind === 'done' || message.kind === 'failed') last = message;
      else hear(message, options);
    }
  } catch (error) {
    if (!options.signal.aborted) await child.kill();
    const end = await child.done.then(() => undefined, (reason: unknown) => reason);
    options.signal.throwIfAborted();
    throw lost(job, end ?? error, silence);
  } finally {
    silence.stop();
  }
  const end = await child.done.then(() => undefined, (reason: unknown) => reason);
  options.signal.throwIfAborted();
  if (!last) throw lost(job, end, silence);
  options.onPeakRss?.(last.peakRssBytes);
  if (last.kind === 'failed') throw revive(last.failure);
  return last.result;
}

const memoryFlags = (heapMib: number): string[] => [`--max-old-space-size=${heapMib}`, '--max-semi-space-size=16'];

function hear(message: Exclude<JobMessage, { kind: 'done' | 'failed' }>, options: RunJobOptions): void {
  options.alive?.();
  if (message.kind === 'progress') options.progress(message.progress);
  if (message.kind === 'log') options.log?.(message.level, message.message, message.detail);
}

interface Silence {
  /** The child spoke. */
  reset(): void;
  stop(): void;
  /** how long it was silent when it was given up; undefined when it was not */
  gaveUpAfterMs(): number | undefined;
}

/**
 * Kills a child whose event loop stands still: it would hold the attempt for ever, because we heartbeat for it. While it
 * starts, which takes long on a busy machine, we vouch for it.
 */
function watchSilence(child: RunningTool, { startWithinMs = 60_000, silentForMs = 60_000, alive }: RunJobOptions): Silence {
  let gaveUpAfterMs: number | undefined;
  const wait = (ms: number): NodeJS.Timeout =>
    setTimeout(() => {
      gaveUpAfterMs = ms;
      // Nobody in it would hear a TERM, and the server must not give the attempt up before it is dead.
      void child.kill(0);
    }, ms);
  let timer = wait(startWithinMs);
  const vouching = setInterval(() => alive?.(), 1_000);
  const stop = (): void => {
    clearTimeout(timer);
    clearInterval(vouching);
  };
  const reset = (): void => {
    stop();
    timer = wait(silentForMs);
  };
  return { reset, stop, gaveUpAfterMs: () => gaveUpAfterMs };
}

function lost(job: string, cause: unknown, silence: Silence): HoldfastError {
  const silentForMs = silence.gaveUpAfterMs();
  const how = silentForMs !== undefined
    ? `said nothing for ${silentForMs / 1000} s and was killed`
    : scrub(cause instanceof Error ? cause.message : 'ended without an answer');
  return new HoldfastError('DataPlaneLost', `data plane of ${job}: ${how}`);
}

function revive(failure: JobFailure): Error {
  if (isErrorType(failure.type)) {
    // The message already ends in its hint.
    return new HoldfastError(failure.type satisfies ErrorType, failure.message, { details: failure.details });
  }
  const error = new Error(failure.message);
  error.name = failure.name;
  if (failure.stack) error.stack = failure.stack;
  return error;
}
