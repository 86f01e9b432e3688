import { fileURLToPath } from 'node:url';
import { HoldfastError, isErrorType, type ErrorType } from '../../workflows/domain/errors.ts';
import { scrub } from '../secrets.ts';
import { lastLoaded, type LoadedSystem } from '../system-files.ts';
import type { JobContext } from '../context.ts';
import { giveBack, startSpare, takeChild, type Child } from './children.ts';
import type { JobName } from './jobs.ts';
import type { JobFailure, JobMessage, JobOrder } from './messages.ts';

const childProgram = fileURLToPath(new URL('./main.ts', import.meta.url));

/**
 * What no person waits for, as they wait for a recovery: it runs at a low priority, since it may share a machine with the source that
 * it reads, or with a recovery.
 */
const backgroundJobs: ReadonlySet<string> = new Set<JobName>(['planDump', 'dumpGroup', 'sealBackup', 'planImport', 'importGroup', 'writeExport', 'verifyRecoveryPoint', 'verifyKept', 'planRetention', 'expire', 'planDisposal', 'planDisposals', 'orderDisposal', 'destroyPoint', 'certifyDisposal']);

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
  /** Told once, at the end: the most that the process ever held, for tests and for logs. */
  onPeakRss?: (bytes: number) => void;
  /** Told once, at the start. */
  onStart?: (pid: number) => void;
  graceMs?: number;
  /** Another child program, for tests. */
  program?: string;
}

/**
 * Runs one job in a data plane process and returns its result. The process is its own for as long as the job lasts.
 *
 * The child gets the order over a pipe, so no argument list holds anything. It ends by itself when we die. On abort its
 * whole process group is ended, TERM then KILL, and the signal's reason is thrown once it is gone. Only a child whose job
 * ended well is given another one: what a failure left half done ends with its process.
 *
 * @throws the job's own HoldfastError, with type, message and details kept.
 * @throws DataPlaneLost - retryable: the child crashed, was killed or hung; its last words are in the message.
 */
export async function runJob(job: string, input: unknown, options: RunJobOptions): Promise<unknown> {
  options.signal.throwIfAborted();
  const { graceMs = 5_000 } = options;
  const kind = { program: options.program ?? childProgram, heapMib: options.heapMib ?? 256, background: backgroundJobs.has(job), stands: job === ('archiveLog' satisfies JobName) };
  const child = takeChild(kind);
  const { tool } = child;
  const onAbort = (): void => void tool.kill(graceMs);
  options.signal.addEventListener('abort', onAbort, { once: true });
  options.onStart?.(tool.pid);
  const silence = watchSilence(child, options);
  try {
    await tool.send({ job, input, read: readOf(input) } satisfies JobOrder);
    const last = await lastWord(child.messages, { ...options, groupsFollow: () => startSpare(kind, { prepare: input, read: readOf(input) }) }, silence);
    if (!last || options.signal.aborted) throw new Error('ended without an answer');
    options.onPeakRss?.(last.peakRssBytes);
    if (last.kind === 'failed') throw new Refused(revive(last.failure));
    giveBack(child, last.rssBytes);
    return last.result;
  } catch (error) {
    // An abort ends it already.
    if (!options.signal.aborted) await tool.kill(graceMs);
    const end = await tool.done.then(() => undefined, (reason: unknown) => reason);
    options.signal.throwIfAborted();
    if (error instanceof Refused) throw error.failure;
    throw lost(job, end ?? error, silence);
  } finally {
    options.signal.removeEventListener('abort', onAbort);
    silence.stop();
  }
}

function readOf(input: unknown): LoadedSystem | undefined {
  const { target, system = target?.system } = (input ?? {}) as { system?: string; target?: { system?: string } };
  return system === undefined ? undefined : lastLoaded(system);
}

/** The job's own failure, or that of whoever hears it, told apart from the loss of its process. */
class Refused extends Error {
  readonly failure: Error;

  constructor(failure: Error) {
    super(failure.message);
    this.failure = failure;
  }
}

type LastWord = Extract<JobMessage, { kind: 'done' | 'failed' }>;

/** Hears a child to the end of its job; undefined when the child ended before. */
async function lastWord(messages: AsyncIterator<JobMessage>, options: RunJobOptions, silence: Silence): Promise<LastWord | undefined> {
  for (;;) {
    const { done, value: message } = await messages.next();
    if (done) return undefined;
    silence.reset();
    if (message.kind === 'done' || message.kind === 'failed') return message;
    try {
      hear(message, options);
    } catch (error) {
      // Our own, and no loss of its process.
      throw new Refused(error as Error);
    }
  }
}

function hear(message: Exclude<JobMessage, { kind: 'done' | 'failed' }>, options: RunJobOptions): void {
  options.alive?.();
  if (message.kind === 'progress') options.progress(message.progress);
  if (message.kind === 'groups-follow') options.groupsFollow?.();
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
function watchSilence({ tool, warm }: Child, { startWithinMs = 60_000, silentForMs = 60_000, alive }: RunJobOptions): Silence {
  let gaveUpAfterMs: number | undefined;
  const wait = (ms: number): NodeJS.Timeout =>
    setTimeout(() => {
      gaveUpAfterMs = ms;
      // Nobody in it would hear a TERM, and the server must not give the attempt up before it is dead.
      void tool.kill(0);
    }, ms);
  let timer = wait(warm ? silentForMs : startWithinMs);
  const vouching = warm ? undefined : setInterval(() => alive?.(), 1_000);
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
