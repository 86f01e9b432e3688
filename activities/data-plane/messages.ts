import type { JobReading } from '../context.ts';
import type { LoadedSystem } from '../system-files.ts';

/** What worker and data plane say to each other over the pipe between them. */

/** Argument of a child whose jobs are in the background: it lowers its own priority. */
export const backgroundFlag = '--background';

/** Worker → child, once a job: what to do. Names and references only; the child resolves addresses and secrets by itself. */
export interface JobOrder {
  job: string;
  input: unknown;
  /** the job's system file as the worker read it last, for a child whose own reading finds the same text */
  read?: LoadedSystem | undefined;
}

/** Worker → child that waits for its first job: the input of one like it. The child loads what that works with. */
export interface Preparation {
  prepare: unknown;
  read?: LoadedSystem | undefined;
}

/** A failure with its type kept; already scrubbed of secrets. */
export interface JobFailure {
  /** set when it is one of ours */
  type: string | null;
  name: string;
  message: string;
  details: Record<string, unknown>;
  stack: string | null;
}

/** Child → worker. */
export type JobMessage =
  | { kind: 'alive' }
  /** others of its kind come soon, side by side */
  | { kind: 'groups-follow' }
  | { kind: 'progress'; progress: JobReading }
  | { kind: 'log'; level: 'info' | 'warn' | 'error'; message: string; detail?: Record<string, unknown> }
  | { kind: 'done'; result: unknown; peakRssBytes: number; rssBytes: number }
  | { kind: 'failed'; failure: JobFailure; peakRssBytes: number };
