import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepPeriods } from '../../../../workflows/domain/retention/keep-periods.ts';
import { rulesSchema } from '../../../../workflows/domain/retention/rules.ts';
import { hours } from '../../../../workflows/domain/units.ts';

/** A base each day at 02:00 from the first day on, by its day. */
const daily = (first: string, days: number) =>
  Array.from({ length: days }, (_, n) => new Date(Date.parse(`${first}T02:00:00.000Z`) + n * hours(24)).toISOString()).map((storedAt) => ({ id: storedAt.slice(0, 10), storedAt }));
const kept = (bases: { id: string; storedAt: string }[], rules: object, now: string): string[] => [...keepPeriods(bases, rulesSchema.parse(rules), now).keys()].sort();

test('7 days, 28 days of Sundays and 365 days of firsts of a month are kept, of a year of daily bases', () => {
  const bases = daily('2025-11-22', 366);
  const ids = kept(bases, { daily: '7d', weekly: '28d', monthly: '365d' }, '2026-11-22T12:00:00.000Z');
  const sundays = ['2026-11-01', '2026-11-08', '2026-11-15', '2026-11-22'];
  const firsts = Array.from({ length: 11 }, (_, n) => `2026-${String(n + 1).padStart(2, '0')}-01`);
  const week = ['2026-11-16', '2026-11-17', '2026-11-18', '2026-11-19', '2026-11-20', '2026-11-21', '2026-11-22'];
  assert.deepEqual(ids, [...new Set([...week, ...sundays, ...firsts, '2025-12-01'])].sort());
});

test('seven years of yearly bases: the eighth goes, and none a day too early', () => {
  const bases = Array.from({ length: 9 }, (_, n) => ({ id: `${2018 + n}`, storedAt: `${2018 + n}-01-01T02:00:00.000Z` }));
  assert.deepEqual(kept(bases, { yearly: '7y' }, '2026-01-01T02:00:00.000Z'), ['2019', '2020', '2021', '2022', '2023', '2024', '2025', '2026']);
  assert.deepEqual(kept(bases, { yearly: '7y' }, '2026-01-09T02:00:00.000Z'), ['2020', '2021', '2022', '2023', '2024', '2025', '2026'].sort());
});

test('a count keeps so many of the newest periods that have a base, however old they are', () => {
  const bases = [...daily('2026-01-01', 3), ...daily('2026-03-01', 2)];
  assert.deepEqual(kept(bases, { daily: 4 }, '2027-01-01T00:00:00.000Z'), ['2026-01-02', '2026-01-03', '2026-03-01', '2026-03-02']);
});

test('the first of a period stands for it, and says for which; a week may begin on a Monday', () => {
  const bases = [{ id: 'a', storedAt: '2026-11-21T01:00:00.000Z' }, { id: 'b', storedAt: '2026-11-21T13:00:00.000Z' }, { id: 'c', storedAt: '2026-11-22T01:00:00.000Z' }];
  const why = keepPeriods(bases, rulesSchema.parse({ daily: '30d', weekly: 4, weekBegins: 'monday' }), '2026-11-22T12:00:00.000Z');
  assert.deepEqual([...why], [['a', ['the first of the day 2026-11-21, kept 30 days', 'the first of the week 2026-11-16, of 4 weeks that are kept']], ['c', ['the first of the day 2026-11-22, kept 30 days']]]);
  assert.deepEqual(kept(bases, { weekly: 4 }, '2026-11-22T12:00:00.000Z'), ['a', 'c']);
});

test('what is gone changes nothing of what stands for a period', () => {
  const bases = daily('2026-01-01', 200);
  const rules = { daily: '7d', weekly: 5, monthly: '365d' };
  const first = kept(bases, rules, '2026-07-20T12:00:00.000Z');
  assert.deepEqual(kept(bases.filter(({ id }) => first.includes(id)), rules, '2026-07-20T12:00:00.000Z'), first);
});
