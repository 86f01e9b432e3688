import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { parseCron } from '../../../../workflows/domain/schedules/cron.ts';
import { describeTimes } from '../../../../workflows/domain/schedules/describe-times.ts';
import { leftOutTimes } from '../../../../workflows/domain/schedules/left-out-times.ts';
import { checkWhen, compileWhen, parseDays, whenFields, type Calendar, type When } from '../../../../workflows/domain/schedules/when.ts';

const when = (typed: object): When => z.strictObject(whenFields).parse(typed);
const said = (typed: object): string => describeTimes(compileWhen(when(typed)));
const complaints = (typed: object): string[] => {
  const found: string[] = [];
  checkWhen(when(typed), (field, message) => found.push(`${field}: ${message}`));
  return found;
};

test('what a person writes is what the calendar says', () => {
  assert.equal(said({ at: ['01:00'] }), '01:00 UTC');
  assert.equal(said({ at: ['21:00', '03:00', '15:00', '09:00', '03:00'] }), '03:00, 09:00, 15:00, 21:00 UTC');
  assert.equal(said({ at: ['10:00'], on: 'first Monday of the quarter', zone: 'America/New_York' }), '10:00 monday day 1-7 of january, april, july, october America/New_York');
  assert.equal(said({ at: ['03:00'], on: 'sunday' }), '03:00 sunday UTC');
  assert.equal(said({ at: ['04:00'], on: 'day 1 of the month', jitter: '5m' }), '04:00 day 1 UTC, up to 5m00s later');
  assert.equal(said({ at: ['04:00', '04:30'], on: 'monday and thursday' }), '04:00 monday, thursday; 04:30 monday, thursday UTC');
  assert.equal(said({ at: ['09:00'], on: 'day 1 of the year' }), '09:00 day 1 of january UTC');
  assert.equal(said({ at: ['09:00'], on: 'third sunday of march, september' }), '09:00 sunday day 15-21 of march, september UTC');
  assert.equal(said({ every: '6h', offset: '3h' }), 'every 6h00m + 3h00m');
  assert.equal(said({ cron: '15 * * * *' }), 'minute 15 of every hour UTC');
});

test('days that are none, or that not every month has, are refused', () => {
  for (const text of ['mondays', 'fifth monday of the month', 'last friday of the month', 'first of the month', 'day 29 of the month', 'day 0 of the month', 'first monday', 'first monday of brumaire', '']) assert.equal(parseDays(text), undefined, text);
});

test('fields that contradict each other are named', () => {
  assert.deepEqual(complaints({}), ['at: nothing says when: expected one of at, every, cron']);
  assert.deepEqual(complaints({ at: ['01:00'], cron: '0 1 * * *' }), ['cron: both at and cron say when: expected one of them']);
  assert.deepEqual(complaints({ every: '6h', on: 'monday' }), ['on: says the days of at, and this is every']);
  assert.deepEqual(complaints({ every: '6h', offset: '6h' }), ['offset: expected less than every']);
  assert.deepEqual(complaints({ every: '5s' }), ['every: expected a minute at least']);
  assert.match(complaints({ cron: '0 10 1-7 * 1' })[0]!, /^cron: days of the month beside days of the week mean "or" to cron and "and" to Temporal/);
  assert.deepEqual(complaints({ at: ['01:00'], on: 'weekdays' }), []);
  for (const zone of ['+01:00', 'Europe/Nowhere', '']) assert.throws(() => when({ at: ['01:00'], zone }), /time zone such as UTC/, zone);
  for (const at of ['1:00', '24:00', '01:60', '01:00:00']) assert.throws(() => when({ at: [at] }), /time of day/, at);
});

test('cron: lists, ranges, steps and names; what is none says what was expected', () => {
  const of = (text: string): Calendar => parseCron(text) as Calendar;
  assert.deepEqual(of('*/20 1-3 * jan,jul *'), { ...of('0 0 * * *'), minute: [0, 20, 40], hour: [1, 2, 3], month: [1, 7] });
  assert.deepEqual(of('0 0 * * mon-fri').dayOfWeek, [1, 2, 3, 4, 5]);
  assert.deepEqual(of('0 0 * * 7').dayOfWeek, [0]);
  assert.deepEqual(of('5/15 0 * * *').minute, [5, 20, 35, 50]);
  assert.match(parseCron('@daily') as string, /five fields/);
  for (const text of ['60 * * * *', '* 24 * * *', '* * 0 * *', '* * * 13 *', '3-1 * * * *', '*/0 * * * *', 'x * * * *', '1- * * * *', '-1 * * * *']) assert.equal(typeof parseCron(text), 'string', text);
});

test('times that the clock is put forward over are named with their day', () => {
  const of = (zone: string, ...at: string[]): string[] => leftOutTimes(compileWhen(when({ at, zone })), Date.parse('2026-11-22T00:00:00Z'));
  assert.deepEqual(of('Europe/Berlin', '01:30', '02:30', '03:00'), ['02:30 on 2027-03-28']);
  assert.deepEqual(of('America/New_York', '02:00', '03:00'), ['02:00 on 2027-03-14']);
  assert.deepEqual(of('Australia/Lord_Howe', '02:00', '02:15', '02:30'), ['02:00 on 2027-10-03', '02:15 on 2027-10-03']);
  assert.deepEqual(of('UTC', '02:30'), []);
  const onDays = (on: string): string[] => leftOutTimes(compileWhen(when({ at: ['02:30'], on, zone: 'Europe/Berlin' })), Date.parse('2026-11-22T00:00:00Z'));
  assert.deepEqual([onDays('monday'), onDays('fourth sunday of march'), onDays('first sunday of the month')], [[], ['02:30 on 2027-03-28'], []], 'only on days that the schedule is of');
});
