import { formatDuration } from '../units.ts';
import { months, weekdays, type Calendar, type ScheduleTimes } from './when.ts';

const two = (n: number): string => String(n).padStart(2, '0');

/** `1-7`, `1, 15`; of names `january, april`. */
function listOf(values: readonly number[], name: (value: number) => string = String): string {
  const runs: number[][] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last && value === last.at(-1)! + 1) last.push(value);
    else runs.push([value]);
  }
  return runs.flatMap((run) => (run.length > 2 ? [`${name(run[0]!)}-${name(run.at(-1)!)}`] : run.map(name))).join(', ');
}

function describeCalendar({ minute, hour, dayOfMonth, month, dayOfWeek }: Calendar): string {
  const count = minute.length * hour.length;
  const time = count <= 12 ? hour.flatMap((h) => minute.map((m) => `${two(h)}:${two(m)}`)).join(', ') : `minute ${listOf(minute)} of ${hour.length === 24 ? 'every hour' : `hours ${listOf(hour)}`}`;
  const days = [
    ...(dayOfWeek.length === 7 ? [] : [listOf(dayOfWeek, (day) => weekdays[day] ?? String(day))]),
    ...(dayOfMonth.length === 31 ? [] : [`day ${listOf(dayOfMonth)}`]),
    ...(month.length === 12 ? [] : [`of ${listOf(month, (of) => months[of - 1] ?? String(of))}`]),
  ];
  return [time, ...days].join(' ');
}

/** `01:00 UTC`, `10:00 monday day 1-7 of january, april, july, october America/New_York`: for people. */
export function describeTimes({ calendars, intervals, zone, jitterMs }: ScheduleTimes): string {
  const parts = [
    ...calendars.map(describeCalendar),
    ...intervals.map(({ everyMs, offsetMs }) => `every ${formatDuration(everyMs)}${offsetMs > 0 ? ` + ${formatDuration(offsetMs)}` : ''}`),
  ];
  return `${parts.join('; ') || 'never'}${calendars.length > 0 ? ` ${zone}` : ''}${jitterMs > 0 ? `, up to ${formatDuration(jitterMs)} later` : ''}`;
}
