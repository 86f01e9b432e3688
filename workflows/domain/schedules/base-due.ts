import { hours, minutes } from '../units.ts';
import { lastMoment } from './moments.ts';
import type { Schedule } from './schema.ts';
import { compileWhen } from './when.ts';

/** How long it may take before it is missed: a quarter of the time between two, within bounds. */
const graceMs = (betweenMs: number): number => Math.min(hours(6), Math.max(minutes(30), betweenMs / 4));

/**
 * The moment since which the newest base of a source should be there, by the schedules that take one of it; null: none does, or none was due yet.
 * @param knownSinceMs - what was due before nobody was there to start is no fault.
 */
export function baseDueMs(schedules: Record<string, Schedule> | undefined, source: string, nowMs: number, knownSinceMs = 0): number | null {
  return dueMs(schedules, source, ({ does }) => does === 'backup', nowMs, knownSinceMs);
}

/** As `baseDueMs`, of the newest check of its keys. */
export function keyCheckDueMs(schedules: Record<string, Schedule> | undefined, source: string, nowMs: number, knownSinceMs = 0): number | null {
  return dueMs(schedules, source, ({ does, with: settings }) => does === 'verification' && settings['scope'] === 'keys', nowMs, knownSinceMs);
}

function dueMs(schedules: Record<string, Schedule> | undefined, source: string, isOne: (schedule: Schedule) => boolean, nowMs: number, knownSinceMs: number): number | null {
  const due = Object.values(schedules ?? {})
    .filter((schedule) => isOne(schedule) && schedule.paused === undefined && (schedule.with['source'] === undefined || schedule.with['source'] === source))
    .flatMap((schedule) => {
      const times = compileWhen(schedule);
      const newest = lastMoment(times, nowMs - schedule.jitter);
      const before = newest === undefined ? undefined : lastMoment(times, newest - 1);
      if (newest === undefined || before === undefined) return [];
      return nowMs - schedule.jitter - newest >= graceMs(newest - before) ? [newest] : [before];
    })
    .filter((ms) => ms >= knownSinceMs);
  return due.length === 0 ? null : Math.max(...due);
}
