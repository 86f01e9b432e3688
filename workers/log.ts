import type { Logger, LogLevel, LogMetadata } from '@temporalio/worker';
import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { scrub, scrubValue } from '../activities/secrets.ts';

/**
 * Structured log lines (JSON, one a line, on standard error), without secrets.
 *
 * @param destination - for tests.
 */
export function openLog(level: string, destination: DestinationStream = pino.destination(2)): PinoLogger {
  return pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: scrub },
    },
    destination,
  );
}

const levels = { TRACE: 'trace', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' } as const satisfies Record<LogLevel, string>;

/** What is said of a line's origin; the rest of Temporal's metadata is in the history. */
const keptFields = ['workflowId', 'workflowType', 'activityType', 'activityId', 'attempt', 'taskQueue', 'job', 'peakRssBytes', 'sdkComponent'];

/** The Temporal SDK's log as ours. */
export function temporalLogger(log: PinoLogger): Logger {
  const write = (level: LogLevel, message: string, meta: LogMetadata = {}): void => {
    const fields = Object.fromEntries(keptFields.filter((field) => meta[field] !== undefined).map((field) => [field, meta[field] as unknown]));
    const { error } = meta as { error?: unknown };
    const said = error instanceof Error ? { error: { type: (error as { type?: unknown }).type ?? error.name, message: error.message } } : {};
    log[levels[level]](scrubValue({ ...fields, ...said }), scrub(message));
  };
  return {
    log: write,
    trace: (message, meta) => write('TRACE', message, meta),
    debug: (message, meta) => write('DEBUG', message, meta),
    info: (message, meta) => write('INFO', message, meta),
    warn: (message, meta) => write('WARN', message, meta),
    error: (message, meta) => write('ERROR', message, meta),
  };
}
