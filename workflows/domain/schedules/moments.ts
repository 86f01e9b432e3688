import { hours } from '../units.ts';
import { isOf, offsetIn } from './left-out-times.ts';
import type { ScheduleTimes } from './when.ts';

const day = hours(24);
/** A moment of the calendar comes at least once in a year. */
const yearMs = 366 * day;

/** The moments of a day that begins at `startMs` UTC, whichever zone the times are of; each is looked for by either of the day's two offsets. */
function* momentsOfDay({ calendars, zone }: ScheduleTimes, startMs: number, offset = offsetIn(zone)): Generator<number> {
  for (const calendar of calendars) {
    for (const hour of calendar.hour) {
      for (const minute of calendar.minute) {
        const wall = startMs + hours(hour) + minute * 60_000;
        if (!isOf(calendar, new Date(wall))) continue;
        for (const by of new Set([offset(wall - day), offset(wall + day)])) if (offset(wall - by) === by) yield wall - by;
      }
    }
  }
}

/** The last moment of a schedule at or before `atMs`, without its jitter. Undefined: none in a year. */
export const lastMoment = (times: ScheduleTimes, atMs: number): number | undefined => look(times, atMs, -1);

/** The next moment of a schedule after `atMs`, without its jitter. Undefined: none in a year. */
export const nextMoment = (times: ScheduleTimes, atMs: number): number | undefined => look(times, atMs, 1);

function look(times: ScheduleTimes, atMs: number, way: 1 | -1): number | undefined {
  const fits = (ms: number): boolean => (way === 1 ? ms > atMs : ms <= atMs);
  const nearer = (a: number | undefined, b: number): number => (a === undefined ? b : way === 1 ? Math.min(a, b) : Math.max(a, b));
  let found: number | undefined;
  for (const { everyMs, offsetMs } of times.intervals) {
    const before = Math.floor((atMs - offsetMs) / everyMs) * everyMs + offsetMs;
    found = nearer(found, way === 1 ? before + everyMs : before);
  }
  if (times.calendars.length === 0) return found;
  const offset = offsetIn(times.zone);
  const today = Math.floor(atMs / day) * day;
  // The wall's day may be the one before or after UTC's, so a hit counts once the day beside it was looked at too.
  for (let n = -1; n * day <= yearMs; n += 1) {
    const moments = [...momentsOfDay(times, today + way * n * day, offset)].filter(fits);
    const had = found;
    for (const ms of moments) found = nearer(found, ms);
    if (had !== undefined && n > 1) break;
  }
  return found;
}
