import { z } from 'zod';
import { durationSchema } from '../duration.ts';
import { HoldfastError } from '../errors.ts';
import { minutes } from '../units.ts';
import { parseCron } from './cron.ts';

/**
 * When a schedule starts its work, as a person writes it, and what Temporal is told. A moment matches a calendar if it fits all of its lists, so "the first
 * Monday" is days 1 to 7 *and* Monday; it matches the spec if it fits any calendar or interval.
 */
export interface Calendar {
  minute: number[];
  hour: number[];
  /** 1 to 31 */
  dayOfMonth: number[];
  /** 1 to 12 */
  month: number[];
  /** 0 is Sunday */
  dayOfWeek: number[];
}

export interface ScheduleTimes {
  calendars: Calendar[];
  /** counted from 1970-01-01T00:00Z, whatever the zone */
  intervals: { everyMs: number; offsetMs: number }[];
  /** IANA name */
  zone: string;
  jitterMs: number;
}

export const weekdays = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;
export const months = ['january', 'february', 'march', 'april', 'may', 'june', 'july', 'august', 'september', 'october', 'november', 'december'] as const;
const ordinals = ['first', 'second', 'third', 'fourth'] as const;

export const numbersTo = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, n) => from + n);
const everyDay: Pick<Calendar, 'dayOfMonth' | 'month' | 'dayOfWeek'> = { dayOfMonth: numbersTo(1, 31), month: numbersTo(1, 12), dayOfWeek: numbersTo(0, 6) };

type Days = typeof everyDay;

const periods: Record<string, number[]> = { 'the month': numbersTo(1, 12), 'the quarter': [1, 4, 7, 10], 'the year': [1] };
const listed = (text: string, names: readonly string[]): number[] | undefined => {
  const found = text.split(/ *, *| and /).map((name) => names.indexOf(name));
  return found.includes(-1) ? undefined : [...new Set(found)].sort((a, b) => a - b);
};
const monthsOf = (text: string): number[] | undefined => periods[text] ?? listed(text, months)?.map((index) => index + 1);

/** `monday, thursday`; `weekdays`; `first monday of the quarter`; `day 1 of the month`. Undefined: none of these. */
export function parseDays(typed: string): Days | undefined {
  const text = typed.trim().toLowerCase().replace(/ +/g, ' ');
  if (text === 'weekdays') return { ...everyDay, dayOfWeek: numbersTo(1, 5) };
  if (text === 'weekends') return { ...everyDay, dayOfWeek: [0, 6] };
  const plain = listed(text, weekdays);
  if (plain) return { ...everyDay, dayOfWeek: plain };
  const [, which, what, of] = /^(?:(first|second|third|fourth) (\w+)|day \d+) of (.+)$/.exec(text) ?? [];
  const month = of === undefined ? undefined : monthsOf(of);
  if (!month) return undefined;
  if (which !== undefined) {
    const dayOfWeek = listed(what!, weekdays);
    const first = 7 * ordinals.indexOf(which as (typeof ordinals)[number]) + 1;
    return dayOfWeek && { month, dayOfWeek, dayOfMonth: numbersTo(first, first + 6) };
  }
  const day = Number(/^day (\d+)/.exec(text)![1]);
  // Not every month has a 29th: such a backup would not be taken, and nobody would be told.
  return day >= 1 && day <= 28 ? { ...everyDay, month, dayOfMonth: [day] } : undefined;
}

const timeSchema = z
  .string('a time of day such as "01:00"')
  .regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'expected a time of day such as "01:00", in 24 hours')
  .meta({ description: 'a time of day, in 24 hours: 01:00' });

/** IANA names only: an offset such as +01:00 knows no daylight saving. */
function isZone(zone: string): boolean {
  if (!/^[A-Za-z]/.test(zone)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) instanceof Intl.DateTimeFormat;
  } catch {
    return false;
  }
}

/** The fields of a schedule that say when. */
export const whenFields = {
  at: z.array(timeSchema).min(1).optional().meta({ description: 'times of day, in zone' }),
  on: z
    .string()
    .refine((text) => parseDays(text) !== undefined, 'expected days such as "monday, thursday", "weekdays", "first monday of the quarter", "second sunday of march" or "day 1 of the month" (1 to 28)')
    .optional()
    .meta({ description: 'the days that `at` is of; left out: every day. "monday, thursday", "weekdays", "first monday of the quarter", "day 1 of the month"' }),
  every: durationSchema.optional().meta({ description: 'an interval such as 6h, counted from midnight UTC of 1 January 1970; it knows no daylight saving' }),
  offset: durationSchema.optional().meta({ description: 'with every: how much later; every 6h with offset 3h is 03:00, 09:00, 15:00, 21:00 UTC' }),
  cron: z.string().optional().meta({ description: 'five fields, where at and on cannot say it; in zone' }),
  zone: z.string().refine(isZone, 'expected a time zone such as UTC or Europe/Berlin').default('UTC').meta({ description: 'time zone of at and cron' }),
  jitter: durationSchema.default(0).meta({ description: 'starts up to so much later, another time each time' }),
};
const whenSchema = z.object(whenFields);
export type When = z.output<typeof whenSchema>;

type Complain = (field: string, message: string) => void;

/** What the fields say together; each complaint names the field. */
export function checkWhen(when: When, complain: Complain): void {
  const { at, on, every, offset, cron } = when;
  const said = Object.entries({ at, every, cron }).filter(([, value]) => value !== undefined).map(([field]) => field);
  if (said.length === 0) return complain('at', 'nothing says when: expected one of at, every, cron');
  if (said.length > 1) return complain(said[1]!, `both ${said[0]} and ${said[1]} say when: expected one of them`);
  if (on !== undefined && !at) complain('on', `says the days of at, and this is ${said[0]}`);
  if (offset !== undefined && every === undefined) complain('offset', `belongs to every, and this is ${said[0]}`);
  if (every !== undefined && every < minutes(1)) complain('every', 'expected a minute at least');
  if (every !== undefined && (offset ?? 0) >= every) complain('offset', 'expected less than every');
  if (cron !== undefined) {
    const parsed = parseCron(cron);
    if (typeof parsed === 'string') complain('cron', parsed);
  }
}

/** @throws HoldfastError BadSystemFile - never of what `checkWhen` has nothing against. */
export function compileWhen(when: When): ScheduleTimes {
  const { zone, jitter } = when;
  if (when.every !== undefined) return { calendars: [], intervals: [{ everyMs: when.every, offsetMs: when.offset ?? 0 }], zone, jitterMs: jitter };
  if (when.cron !== undefined) {
    const parsed = parseCron(when.cron);
    if (typeof parsed === 'string') throw new HoldfastError('BadSystemFile', `cron "${when.cron}": ${parsed}`);
    return { calendars: [parsed], intervals: [], zone, jitterMs: jitter };
  }
  const days = when.on === undefined ? everyDay : parseDays(when.on)!;
  const hoursOf = new Map<number, number[]>();
  for (const time of new Set(when.at)) {
    const [hour, minute] = time.split(':').map(Number) as [number, number];
    hoursOf.set(minute, [...(hoursOf.get(minute) ?? []), hour]);
  }
  const calendars = [...hoursOf].sort(([a], [b]) => a - b).map(([minute, hour]) => ({ minute: [minute], hour: hour.sort((a, b) => a - b), ...days }));
  return { calendars, intervals: [], zone, jitterMs: jitter };
}
