import { serveJobs } from './serve-jobs.ts';

/**
 * The data plane: a child process that does one job at a time. It reads, compresses, encrypts and writes, so that the
 * worker's event loop stays free to heartbeat and to hear of a cancel.
 *
 * The jobs are loaded when its priority is what it should be, and of each what it works with when it is ordered: loading is nearly all that a start takes.
 */
serveJobs(async () => await import('./jobs.ts'));
