import { minutes } from '../units.ts';
import { lastMoment, nextMoment } from './moments.ts';
import type { ScheduleTimes } from './when.ts';

/**
 * Whether a schedule still starts its work: its last moment is computed from the system file, and compared with what Temporal started. So a schedule that was
 * deleted, that hangs, or whose server was away is seen, by something that is not the scheduler itself.
 */
export interface ScheduleFire {
  id: string;
  /** paused: nothing is expected of it; missing: the file has it and the server does not */
  state: 'on time' | 'late' | 'paused' | 'missing';
  /** the moment that it last started something for, UTC ISO; null: it has not yet, or is missing */
  lastAt: string | null;
  /** the last moment at which it should have, UTC ISO; null: none yet */
  dueAt: string | null;
  /** null: none in a year */
  nextAt: string | null;
}

export interface FireSeen {
  paused: boolean;
  /** when it was made, or last changed: moments before are nobody's */
  changedMs: number;
  lastDueMs: number | null;
  running: boolean;
  /** when what it last started ended; Infinity: it runs; null: not asked, or not known */
  lastEndMs: number | null;
}

/** Beyond its jitter: what Temporal itself may take. */
const graceMs = minutes(5);

export function judgeFire({ id, times }: { id: string; times: ScheduleTimes }, seen: FireSeen | null, nowMs: number): ScheduleFire {
  const next = nextMoment(times, nowMs);
  const due = lastMoment(times, nowMs - graceMs - times.jitterMs);
  const at = (ms: number | null | undefined): string | null => (ms === null || ms === undefined ? null : new Date(ms).toISOString());
  const told = { id, lastAt: at(seen?.lastDueMs), dueAt: at(due !== undefined && (!seen || due > seen.changedMs) ? due : undefined), nextAt: at(next) };
  if (!seen) return { ...told, state: 'missing', dueAt: null };
  if (seen.paused) return { ...told, state: 'paused', nextAt: null };
  const skipped = seen.running || (seen.lastEndMs !== null && due !== undefined && seen.lastEndMs >= due);
  const late = due !== undefined && due > seen.changedMs && (seen.lastDueMs ?? 0) < due && !skipped;
  return { ...told, state: late ? 'late' : 'on time' };
}

/** Those that do not start what they should, a line each. */
export const describeLate = (fires: readonly ScheduleFire[]): string[] =>
  fires.flatMap(({ id, state, dueAt, lastAt }) =>
    state === 'missing' ? [`${id} is not on the server: holdfast apply`] : state === 'late' ? [`${id} should have started something at ${dueAt!.slice(0, 16)}Z, and last did ${lastAt ? `at ${lastAt.slice(0, 16)}Z` : 'never'}`] : [],
  );
