import type { Calendar } from './when.ts';

interface Field {
  name: keyof Calendar;
  from: number;
  to: number;
  names: readonly string[];
}

const short = { month: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'], day: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] };
const fields: readonly Field[] = [
  { name: 'minute', from: 0, to: 59, names: [] },
  { name: 'hour', from: 0, to: 23, names: [] },
  { name: 'dayOfMonth', from: 1, to: 31, names: [] },
  { name: 'month', from: 1, to: 12, names: short.month },
  // 7 is Sunday too.
  { name: 'dayOfWeek', from: 0, to: 7, names: short.day },
];

function numberOf(text: string, { from, to, names }: Field): number | undefined {
  const named = names.indexOf(text.toLowerCase());
  const value = named >= 0 ? named + from : /^\d+$/.test(text) ? Number(text) : NaN;
  return value >= from && value <= to ? value : undefined;
}

function valuesOf(text: string, field: Field): number[] | undefined {
  const values = new Set<number>();
  for (const item of text.split(',')) {
    const [, range, by] = /^([^/]+)(?:\/([1-9]\d*))?$/.exec(item) ?? [];
    if (range === undefined) return undefined;
    const [first, last = by === undefined ? first : undefined] = range === '*' ? [] : range.split('-');
    const start = range === '*' ? field.from : numberOf(first!, field);
    const end = range === '*' || last === undefined ? field.to : numberOf(last, field);
    if (start === undefined || end === undefined || end < start) return undefined;
    for (let value = start; value <= end; value += Number(by ?? 1)) values.add(field.name === 'dayOfWeek' ? value % 7 : value);
  }
  return [...values].sort((a, b) => a - b);
}

/**
 * `15 * * * *` as a calendar; a text that is none says what was expected instead.
 * Days of the month beside days of the week are refused: to cron they mean "or", to Temporal "and", so one of the two readers would be wrong.
 */
export function parseCron(text: string): Calendar | string {
  const typed = text.trim().split(/\s+/);
  if (typed.length !== fields.length) return 'expected five fields: minute, hour, day of month, month, day of week; such as "15 * * * *"';
  const calendar: Partial<Calendar> = {};
  for (const [index, field] of fields.entries()) {
    const values = valuesOf(typed[index]!, field);
    if (!values) return `"${typed[index]}" is no ${field.name}: expected ${field.from} to ${field.to}, a range such as 1-5, a list, or steps such as */15`;
    calendar[field.name] = values;
  }
  if (typed[2] !== '*' && typed[4] !== '*') return 'days of the month beside days of the week mean "or" to cron and "and" to Temporal: expected at and on, such as on: first monday of the month';
  return calendar as Calendar;
}
