import type { Reading } from '../workflows/domain/progress.ts';
import type { System, Source } from '../workflows/domain/system.ts';
import type { Keys } from './stream/keys.ts';
import type { Store } from './store/store.ts';

/** How far a job is, and whatever else people should see of it in its heartbeats. */
export interface JobReading extends Reading {
  [detail: string]: unknown;
}

/** What every job is given beside its own input. */
export interface JobContext {
  /** Aborted on cancel, on a lost attempt and on shutdown; its reason is rethrown after cleaning up. */
  signal: AbortSignal;
  /** Cheap: call it as often as you like, it is throttled. */
  progress(reading: JobReading): void;
  /** A line for the worker's log; left out: nobody listens. */
  log?: ((level: 'info' | 'warn' | 'error', message: string) => void) | undefined;
  /** Says that several groups are going to follow side by side, a process each, so that the second need not wait for its start; left out: nobody listens. */
  groupsFollow?: (() => void) | undefined;
}

/** A job of one source of one system, with what it needs opened. */
export interface SourceContext extends JobContext {
  system: System;
  sourceName: string;
  /** the system is turned round: the source goes from the standby to its home (workflows/domain/homeward.ts); left out: as the system file says */
  homeward?: boolean | undefined;
  /** the source is restored where it lives: `system.standby` is that place; left out: it is another */
  inPlace?: boolean | undefined;
  source: Source;
  store: Store;
  keys: Keys;
  epoch: number;
  /** Resolves a secret reference of the system file (`${ENV}`, file) to its text, which is never logged. @throws BadSystemFile - it resolves to nothing. */
  secret(ref: string): Promise<string>;
  /** An address of the system file with its `${ENV}` references filled in. */
  address(text: string): string;
}
