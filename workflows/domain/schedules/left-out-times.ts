import { hours } from '../units.ts';
import type { Calendar, ScheduleTimes } from './when.ts';

/** The wall clock of a zone, as its offset from UTC. */
export function offsetIn(zone: string): (ms: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' });
  return (ms) => {
    const part = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
    return Date.UTC(part['year']!, part['month']! - 1, part['day'], part['hour'], part['minute'], part['second']) - ms;
  };
}

/** @param day - in UTC, what the wall shows. */
export const isOf = ({ month, dayOfMonth, dayOfWeek }: Calendar, day: Date): boolean =>
  month.includes(day.getUTCMonth() + 1) && dayOfMonth.includes(day.getUTCDate()) && dayOfWeek.includes(day.getUTCDay());

/**
 * Moments of the days to come that do not exist, as the clock is put forward over them: Temporal starts nothing then. `02:30 on 2027-03-28`.
 */
export function leftOutTimes({ calendars, zone }: ScheduleTimes, fromMs: number, forMs = 366 * hours(24)): string[] {
  const offset = offsetIn(zone);
  const found: string[] = [];
  const day = hours(24);
  for (let ms = fromMs - (fromMs % day); ms < fromMs + forMs; ms += day) {
    const [before, after] = [offset(ms), offset(ms + day)];
    if (after <= before) continue;
    for (const calendar of calendars) {
      const { hour, minute } = calendar;
      for (const h of hour) {
        for (const m of minute) {
          // The wall's day on either side of the change: only one of the two holds it.
          for (const wall of [0, day].map((next) => Math.floor((ms + before + next) / day) * day + hours(h) + m * 60_000)) {
            const exists = [before, after].some((by) => offset(wall - by) === by);
            if (!exists && isOf(calendar, new Date(wall))) found.push(`${new Date(wall).toISOString().slice(11, 16)} on ${new Date(wall).toISOString().slice(0, 10)}`);
          }
        }
      }
    }
  }
  return [...new Set(found)];
}
