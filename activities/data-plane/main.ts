import { serveJobs } from './serve-jobs.ts';

/**
 * The data plane: a child process that does one job at a time. It reads, compresses, encrypts and writes, so that the
 * worker's event loop stays free to heartbeat and to hear of a cancel.
 *
 * The jobs are loaded when its priority is what it should be: loading them is nearly all that a start takes.
 */
serveJobs(async () => (await import('./jobs.ts')).findJob);
