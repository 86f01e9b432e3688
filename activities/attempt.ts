import { activityInfo, Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { errorTable, HoldfastError } from '../workflows/domain/errors.ts';
import { minutes, seconds } from '../workflows/domain/units.ts';
import type { JobContext, JobReading } from './context.ts';
import { runJob } from './data-plane/run-job.ts';
import { goingBy } from './going-by.ts';
import { Heartbeats, type Heartbeat } from './heartbeat.ts';
import { scrub, scrubValue } from './secrets.ts';
import { openTeller } from './tell-workflow.ts';

const heartbeatEveryMs = 1_000;

/** How long may pass between two heartbeats that are sent, for three to fit into what the server waits, and to spare. Up to 2 s the worker's own throttle sees to it. */
export const betweenHeartbeatsMs = (timeoutMs: number): number => Math.max(seconds(2), (timeoutMs - seconds(4)) / 3);

/** What an activity's body is given: the attempt's signal and a way to say how far it is. */
export interface AttemptContext extends JobContext {
  /** Sends the newest heartbeat again, as it looks now: what is done still lives. */
  alive(): void;
}

type Activity<I, O> = (input: I) => Promise<O>;

/**
 * Wraps the body of an activity that works in the worker's own process. It heartbeats once a second by itself: the body
 * must be light, so that a turning event loop means that it lives.
 */
export function attempt<I, O>(body: (input: I, context: AttemptContext) => Promise<O>): Activity<I, O> {
  return async (input) =>
    await inAttempt(input, async (context) => {
      const timer = setInterval(() => context.alive(), heartbeatEveryMs);
      try {
        return await goingBy(input, async (given) => await body(given, context));
      } finally {
        clearInterval(timer);
      }
    });
}

/**
 * An activity that is one job of the data plane. It heartbeats only while the child speaks, so that a hung child costs
 * this attempt and not the run.
 */
export function attemptInDataPlane<I, O>(job: string, options: { program?: string } = {}): Activity<I, O> {
  return async (input) =>
    await inAttempt(input, async (context) => {
      const { heartbeatTimeoutMs } = activityInfo();
      const { log } = Context.current();
      const result = await runJob(job, input, {
        ...context,
        ...options,
        // Given up before the server does, so that the child is dead when the next attempt starts.
        // Room for the throttle: the server's clock began at the last heartbeat that was sent, which the child's last word may have been too early for.
        silentForMs: heartbeatTimeoutMs ? Math.max(seconds(5), heartbeatTimeoutMs - betweenHeartbeatsMs(heartbeatTimeoutMs) - seconds(1)) : minutes(1),
        log: (level, message, detail) => log[level](scrub(message), detail ? (scrubValue(detail) as Record<string, unknown>) : {}),
        onPeakRss: (bytes) => log.info('data plane ended', { job, peakRssBytes: bytes }),
      });
      return result as O;
    });
}

/** Said by a worker that hung, or was cut off, for longer than its heartbeat may be missing. */
export const givenAway = 'the server had given this try up, and refused what it said: it ends here, another try has the work';

/** Whose it is: of a backup of several sources each is shown what is its own. */
function sourceOf(input: unknown): { source?: string } {
  const { source } = (input ?? {}) as { source?: unknown };
  return typeof source === 'string' ? { source } : {};
}

/** Heartbeat, cancellation and failure mapping, once for all activities. */
async function inAttempt<O>(input: unknown, body: (context: AttemptContext) => Promise<O>): Promise<O> {
  const { cancellationSignal: signal, info } = Context.current();
  const everyMs = betweenHeartbeatsMs(info.heartbeatTimeoutMs ?? 0);
  let nextMs = 0;
  const heartbeats = new Heartbeats(undefined, sourceOf(input));
  const teller = openTeller(Context.current());
  const send = (heartbeat: Heartbeat | undefined): void => {
    const nowMs = performance.now();
    // What is not sent now is said by the next, a second later.
    if (everyMs <= seconds(2) || nowMs >= nextMs) {
      nextMs = nowMs + everyMs;
      Context.current().heartbeat(heartbeat && scrubValue(heartbeat));
    }
    if (heartbeat) teller.tell(heartbeat);
  };
  const progress = (reading: JobReading): void => send(heartbeats.take(reading));
  try {
    return await body({ signal, progress, alive: () => send(heartbeats.newest()) });
  } catch (error) {
    if (signal.aborted) {
      const { notFound, timedOut } = Context.current().cancellationDetails ?? {};
      if (notFound || timedOut) Context.current().log.warn(givenAway);
      // Only the signal's own reason tells the server that the cancel was obeyed.
      throw signal.reason;
    }
    throw toFailure(error);
  } finally {
    teller.end();
  }
}

/**
 * A failure of more than 4 KiB between two tries is replaced by the server, type and all, by "Failure exceeds size limit": nobody would
 * be told what is wrong. Texts are cut in their middle, since the hint stands at the end.
 * @source Temporal server, limit.mutableStateActivityFailureSize
 */
const messageBytes = 2_000;
const detailsBytes = 800;
const stackBytes = 700;

function clip(text: string, bytes: number): string {
  const all = Buffer.from(text);
  if (all.length <= bytes) return text;
  const end = Math.floor(bytes * 0.4);
  return `${all.subarray(0, bytes - end - 5).toString('utf8')} … ${all.subarray(-end).toString('utf8')}`;
}

/** Positions and keys, which fit; what does not fit is in the message, as far as a person needs it. */
function clipDetails(details: unknown): unknown {
  return Buffer.byteLength(JSON.stringify(details) ?? '') <= detailsBytes ? details : {};
}

/** Where it was thrown: without the message, which stands at its head too. */
function placesOf(stack: string): string {
  return clip(stack.split('\n').filter((line) => /^\s+at /.test(line)).join('\n'), stackBytes);
}

/**
 * What enters the history. Ours keep type and details, and are retried as the table of errors says; others are taken for
 * passing trouble and retried. No message and no stack in it holds a secret.
 */
export function toFailure(error: unknown): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  const own = error instanceof HoldfastError ? error : undefined;
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  const failure = ApplicationFailure.create({
    type: own?.type ?? name,
    message: clip(scrub(message), messageBytes),
    nonRetryable: own ? !errorTable[own.type].retryable : false,
    ...(own ? { details: [clipDetails(scrubValue(own.details))] } : {}),
  });
  if (error instanceof Error && error.stack) failure.stack = `${name}\n${placesOf(scrub(error.stack))}`;
  return failure;
}
