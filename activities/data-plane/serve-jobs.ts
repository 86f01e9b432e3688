import { isErrorType, HoldfastError } from '../../workflows/domain/errors.ts';
import { goingBy } from '../going-by.ts';
import { scrub, scrubValue } from '../secrets.ts';
import { lowerPriority } from './lower-priority.ts';
import { backgroundFlag, type JobFailure, type JobMessage, type JobOrder, type Preparation } from './messages.ts';
import type { JobContext, JobReading } from '../context.ts';

export interface Jobs {
  /** @returns the function of a job. @throws BadInput - there is none of that name. */
  findJob(job: string): (input: unknown, context: JobContext) => Promise<unknown>;
  /** Told before each job, where the worker has read the system's file. */
  adopt?(read: NonNullable<JobOrder['read']>): void;
  /** Loads what a job of such an input works with; does nothing else. */
  prepare?(input: unknown): Promise<void>;
}

const progressEveryMs = 200;
const aliveEveryMs = 1000;

const send = (message: JobMessage): void => {
  if (process.connected) process.send!(message);
};

/** The last word must be on its way before the process ends. */
const sendLast = async (message: JobMessage): Promise<void> =>
  await new Promise((resolve) => {
    if (process.connected) process.send!(message, undefined, undefined, () => resolve());
    else resolve();
  });

const peakRssBytes = (): number => process.resourceUsage().maxRSS * 1024;

function describeFailure(error: unknown): JobFailure {
  const of = error instanceof Error ? error : new Error(String(error));
  const own = of instanceof HoldfastError || isErrorType((of as { type?: unknown }).type);
  return {
    type: own ? (of as HoldfastError).type : null,
    name: of.name,
    message: scrub(of.message),
    details: own ? (scrubValue((of as HoldfastError).details) as Record<string, unknown>) : {},
    stack: of.stack ? scrub(of.stack) : null,
  };
}

/** Sends the newest progress at most every 200 ms, and never drops the newest. */
function throttledProgress(): { report: (progress: JobReading) => void; flush: () => void } {
  let newest: JobReading | undefined;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (newest) send({ kind: 'progress', progress: newest });
    newest = undefined;
  };
  const report = (progress: JobReading): void => {
    newest = { ...progress };
    timer ??= setTimeout(flush, progressEveryMs);
  };
  return { report, flush };
}

async function run(jobs: Promise<Jobs>, order: JobOrder, signal: AbortSignal): Promise<JobMessage> {
  const { report, flush } = throttledProgress();
  try {
    const { adopt, findJob } = await jobs;
    if (order.read) adopt?.(order.read);
    const job = findJob(order.job);
    const result = await goingBy(order.input, async (input) => await job(input, { signal, progress: report, log: (level, message) => send({ kind: 'log', level, message: scrub(message) }), groupsFollow: () => send({ kind: 'groups-follow' }) }));
    return { kind: 'done', result: result ?? null, peakRssBytes: peakRssBytes(), rssBytes: process.memoryUsage.rss() };
  } catch (error) {
    return { kind: 'failed', failure: describeFailure(error), peakRssBytes: peakRssBytes() };
  } finally {
    flush();
  }
}

/** What `ps` shows: nothing of the order but the name of its job. */
const showJob = (job: string): void => {
  process.title = `holdfast data-plane/main.ts ${job}`;
};

/**
 * Serves orders as a data plane process, one at a time: does the job, says the result, waits for another order. A job
 * that fails is the last one.
 * Before its jobs are loaded it has its priority, and hears when the worker dies.
 * Ends at once when the worker's end of the pipe closes; TERM aborts the job's signal, and ends one that has none.
 */
export function serveJobs(load: () => Promise<Jobs>): void {
  if (process.argv.includes(backgroundFlag)) lowerPriority();
  if (!process.send) {
    process.stderr.write('The data plane is started by the worker, for its jobs; it does nothing by itself.\n');
    process.exit(2);
  }
  // The pipe closes when the worker dies, by whatever death: its next attempt must not find this one still writing.
  process.once('disconnect', () => process.exit(70));
  const stopped = new AbortController();
  let works = false;
  showJob('idle');
  process.on('SIGTERM', () => {
    if (!works) process.exit(0);
    stopped.abort(new Error('the data plane was told to stop'));
  });
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const { stack, message } = describeFailure(error);
      // Said scrubbed, in place of Node's own report, which would quote the message as it is.
      process.stderr.write(`${stack ?? message}\n`);
      process.exit(71);
    });
  }
  setInterval(() => {
    if (works) send({ kind: 'alive' });
  }, aliveEveryMs).unref();
  const jobs = load();
  process.on('message', (order: JobOrder | Preparation) => {
    if ('prepare' in order) {
      // What it fails of, a job will fail of, and be told.
      void jobs.then(async ({ adopt, prepare }) => {
        if (order.read) adopt?.(order.read);
        await goingBy(order.prepare, async (input) => await prepare?.(input));
      }).catch(() => undefined);
      return;
    }
    works = true;
    showJob(order.job);
    send({ kind: 'alive' });
    void run(jobs, order, stopped.signal).then(async (last) => {
      works = false;
      showJob('idle');
      await sendLast(last);
      if (last.kind === 'failed' || stopped.signal.aborted) process.exit(0);
    });
  });
}
