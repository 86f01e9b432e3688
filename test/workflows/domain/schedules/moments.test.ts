import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastMoment, nextMoment } from '../../../../workflows/domain/schedules/moments.ts';
import { compileWhen, type When } from '../../../../workflows/domain/schedules/when.ts';

const times = (when: Partial<When>) => compileWhen({ zone: 'UTC', jitter: 0, ...when } as When);
const iso = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16));
const around = (when: Partial<When>, at: string): (string | undefined)[] => [iso(lastMoment(times(when), Date.parse(at))), iso(nextMoment(times(when), Date.parse(at)))];

test('the first Monday of the quarter is found on both sides, at the hour of its zone', () => {
  assert.deepEqual(around({ at: ['10:00'], on: 'first monday of the quarter' }, '2026-11-22T12:00:00Z'), ['2026-10-05T10:00', '2027-01-04T10:00']);
  assert.deepEqual(around({ at: ['10:00'], on: 'first monday of the quarter', zone: 'Europe/London' }, '2026-11-22T12:00:00Z'), ['2026-10-05T09:00', '2027-01-04T10:00']);
  assert.deepEqual(around({ at: ['00:30'], on: 'monday', zone: 'Asia/Tokyo' }, '2026-11-22T15:30:00Z'), ['2026-11-22T15:30', '2026-11-29T15:30']);
});

test('a moment is its own last one, and never its own next one', () => {
  assert.deepEqual(around({ at: ['03:00', '09:00'] }, '2026-11-22T09:00:00Z'), ['2026-11-22T09:00', '2026-11-23T03:00']);
  assert.deepEqual(around({ every: 6 * 3_600_000, offset: 3_600_000 }, '2026-11-22T07:00:00Z'), ['2026-11-22T07:00', '2026-11-22T13:00']);
});

test('a time of day that the clock is put forward over is none, and one that comes twice is two', () => {
  assert.deepEqual(around({ at: ['02:30'], zone: 'Europe/Berlin' }, '2027-03-28T12:00:00Z'), ['2027-03-27T01:30', '2027-03-29T00:30']);
  assert.deepEqual(around({ at: ['02:30'], zone: 'Europe/Berlin' }, '2026-10-25T01:00:00Z'), ['2026-10-25T00:30', '2026-10-25T01:30']);
});

test('a day that no year has is found nowhere, and a yearly one within the year', () => {
  assert.deepEqual(around({ cron: '0 4 30 2 *' }, '2026-11-22T12:00:00Z'), [undefined, undefined]);
  assert.deepEqual(around({ at: ['04:00'], on: 'day 1 of the year' }, '2026-11-22T12:00:00Z'), ['2026-01-01T04:00', '2027-01-01T04:00']);
});
