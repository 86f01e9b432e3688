import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '../../../../workflows/domain/layout.ts';
import { logPosition, nextLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { tallyLog } from '../../../../workflows/domain/retention/judge-log.ts';
import type { RetentionFacts, RetentionPlan } from '../../../../workflows/domain/retention/plan.ts';
import { planRetention } from '../../../../workflows/domain/retention/plan-retention.ts';
import { rulesSchema } from '../../../../workflows/domain/retention/rules.ts';
import { makeId } from '../../../../workflows/domain/make-id.ts';
import type { Catalog, CatalogBase } from '../../../../workflows/domain/recovery-point.ts';
import { base, catalogOf, timelineOf } from '../../../harness/catalogs.ts';

const now = '2026-11-22T12:00:00.000Z';
const timeline = 't00000001';
const on = (day: string): LogPosition => logPosition(Date.parse(`2026-${day}:00:00.000Z`) / 1000, 1);
/** A base of that day and hour, `11-22T01`, read at one instant. */
const baseOf = (day: string, more: Partial<CatalogBase> = {}): CatalogBase => base(0, { backup: `b-${day}`, logFrom: on(day), start: on(day), end: on(day), storedBytes: 1_000, ...more });
const spanOf = (from: string, to: string, of = timeline) => ({ timeline: of, from: on(from), to: on(to), slices: 1, storedBytes: 1 });

function plan(catalog: Partial<Catalog>, rules: object | undefined, more: Partial<RetentionFacts> = {}): RetentionPlan {
  const whole = catalogOf(catalog);
  const imports = more.imports ?? [];
  const stored = Object.fromEntries([...whole.bases, ...imports].map(({ backup, end }) => [backup, { at: new Date(Number(end.slice(0, 10)) * 1000).toISOString(), lockedUntil: null }]));
  return planRetention({ now, catalog: whole, imports, stored, recentLogFrom: {}, holds: [], proved: null, unfinished: [], ...more }, rules && rulesSchema.parse(rules));
}
const verdicts = (of: RetentionPlan): string[] => of.bases.map(({ backup, goes, why }) => `${backup} ${goes ? 'goes' : 'stays'}: ${why.join('; ')}`);
/** The days' slices that stay, of one slice a day. */
const slicesThatStay = (of: RetentionPlan, days: string[]): string[] => {
  const tally = tallyLog(of, timeline);
  days.slice(1).forEach((day, n) => tally.add({ from: on(days[n]!), to: on(day), bytes: 1 }));
  return tally.end().filter(({ goes }) => !goes).map(({ from, to }) => `${days[days.findIndex((day) => on(day) === from)]} to ${days[days.findIndex((day) => on(day) === to)]}`);
};

test('every verdict is given its reasons, in words', () => {
  const { notes, ...of } = plan(
    { bases: [baseOf('10-01T01'), baseOf('11-15T01'), baseOf('11-18T01'), baseOf('11-22T01'), baseOf('11-22T07', { mark: { doubt: { is: 'bad', by: 'verification', at: now, reason: 'a part is damaged' } } })], spans: [spanOf('11-14T01', '11-22T11')] },
    { daily: '7d', weekly: '28d', log: '72h' },
    { proved: { run: 'drill-7', at: '2026-10-02T10:00:00.000Z', timeline, backup: 'b-10-01T01', from: on('10-01T01'), limit: nextLogPosition(on('10-01T01')) } },
  );
  assert.deepEqual(verdicts({ notes, ...of }), [
    'b-11-22T07 goes: no rule keeps it: 5 hours old; marked bad by verification at 2026-11-22T12:00:00.000Z: a part is damaged',
    'b-11-22T01 stays: the newest good recovery point; the newest good base; the first of the day 2026-11-22, kept 7 days; the first of the week 2026-11-22, kept 28 days',
    'b-11-18T01 stays: what is within 72 hours begins with it; the first of the day 2026-11-18, kept 7 days',
    'b-11-15T01 stays: the first of the week 2026-11-15, kept 28 days',
    'b-10-01T01 stays: the last that was restored and found equal (run drill-7, 2026-10-02T10:00:00.000Z)',
  ]);
  assert.deepEqual(notes, []);
});

test('the log’s window is restorable from its first second: the base before it stays, and all log from there', () => {
  const days = Array.from({ length: 12 }, (_, n) => `11-${String(n + 11).padStart(2, '0')}T01`);
  const of = plan({ bases: [baseOf('11-12T01'), baseOf('11-16T01'), baseOf('11-21T01')], spans: [spanOf('11-11T01', '11-22T01')] }, { daily: 1, log: '72h' });
  assert.deepEqual(of.bases.map(({ backup, goes }) => [backup, goes]), [['b-11-21T01', false], ['b-11-16T01', false], ['b-11-12T01', true]]);
  assert.deepEqual(slicesThatStay(of, days), ['11-16T01 to 11-19T01', '11-19T01 to 11-21T01', '11-21T01 to 11-22T01']);
});

test('a base that was read over a while keeps the log that was written meanwhile; one that is taken by its day gives up its own', () => {
  const days = ['10-01T00', '10-01T01', '10-01T02', '10-01T03', '10-01T04', '11-22T01'];
  const fuzzy = baseOf('10-01T03', { exact: false, start: on('10-01T02'), logFrom: on('10-01T01') });
  const spans = [spanOf('10-01T00', '11-22T01')];
  assert.deepEqual(slicesThatStay(plan({ bases: [fuzzy, baseOf('11-22T00')], spans }, { monthly: '365d', log: '1h' }), days), ['10-01T01 to 10-01T03', '10-01T04 to 11-22T01']);
  assert.deepEqual(slicesThatStay(plan({ bases: [fuzzy, baseOf('11-22T00')], spans }, { daily: '7d', log: '1h' }), days), ['10-01T04 to 11-22T01']);
});

test('without a rule for the log a chain stays whole, from the oldest base that stays on', () => {
  const days = ['11-01T01', '11-10T01', '11-20T01', '11-22T01'];
  const bases = [baseOf('11-01T01'), baseOf('11-10T01'), baseOf('11-20T01')];
  assert.deepEqual(slicesThatStay(plan({ bases, spans: [spanOf('11-01T01', '11-22T01')] }, { daily: 2 }), days), ['11-10T01 to 11-20T01', '11-20T01 to 11-22T01']);
});

test('a source without rules loses nothing, and neither does one whose file says nothing of bases', () => {
  const bases = [baseOf('01-01T01'), baseOf('01-02T01')];
  for (const rules of [undefined, { log: '72h' }]) assert.ok(plan({ bases, spans: [spanOf('01-01T01', '11-22T01')] }, rules).bases.every(({ goes }) => !goes));
  assert.deepEqual(slicesThatStay(plan({ bases, spans: [spanOf('01-01T01', '11-22T01')] }, undefined), ['01-01T01', '11-22T01']), ['01-01T01 to 11-22T01']);
});

test('size takes the oldest of what only rules keep, and says when that is not enough', () => {
  const bases = [baseOf('11-18T01'), baseOf('11-19T01', { mark: { hold: { by: 'dana', at: now, reason: 'evidence' } } }), baseOf('11-20T01'), baseOf('11-22T01')];
  const small = plan({ bases }, { daily: '30d', atMost: '3000B' });
  assert.deepEqual(small.bases.filter(({ goes }) => goes).map(({ backup, why }) => [backup, why]), [['b-11-18T01', ['the bases that are kept would be 3.9 KiB, and atMost is 2.9 KiB: the oldest goes']]]);
  const tiny = plan({ bases }, { daily: '30d', atMost: '1000B' });
  assert.deepEqual(tiny.bases.filter(({ goes }) => !goes).map(({ backup }) => backup), ['b-11-22T01', 'b-11-19T01']);
  assert.deepEqual(tiny.notes, ['demo/documents: what nothing may take is 2.0 KiB, more than atMost (1000 B)']);
});

test('an import stays unless a rule says for how long, and goes whole', () => {
  const imports = [baseOf('11-01T01', { backup: 'imported', timeline: 'imported-imported', alone: true })];
  const goes = (rules: object): boolean => plan({ bases: [baseOf('11-22T01')] }, rules, { imports }).bases.find(({ backup }) => backup === 'imported')!.goes;
  assert.deepEqual([goes({ daily: '7d' }), goes({ daily: '7d', imports: '30d' }), goes({ daily: '7d', imports: '14d' })], [false, false, true]);
});

test('where something is not believed its timeline is left alone, and where it may be the newest timeline all are; what people have marked holds nothing up', () => {
  const bases = [baseOf('01-01T01'), baseOf('11-22T01')];
  const slice = { key: layout.slice({ system: 'demo', source: 'documents', timeline }, on('01-01T01'), on('01-02T01')), why: 'does not open' };
  const goes = (rejected: Catalog['rejected']): string[] => plan({ bases, rejected }, { daily: '7d' }).bases.filter((one) => one.goes).map(({ backup }) => backup);
  assert.deepEqual(goes([]), ['b-01-01T01']);
  assert.deepEqual(goes([slice]), []);
  assert.deepEqual(goes([{ ...slice, marked: true }]), ['b-01-01T01']);
  assert.deepEqual(goes([{ ...slice, spare: true }]), ['b-01-01T01']);
  const planted = { key: 'demo/documents/timelines/t00000009.json', why: 'not signed' };
  const of = plan({ bases, rejected: [planted], timelines: [timelineOf(1, now), timelineOf(2, now)] }, { daily: '7d' });
  assert.ok(of.bases.every((one) => !one.goes));
  assert.match(of.notes[0]!, /nothing goes while it is not known which timeline is the newest: demo\/documents\/timelines\/t00000009\.json is not believed: not signed/);
  const forged = { key: layout.manifest({ system: 'demo', source: 'documents', timeline, backup: makeId(Date.parse(now), '0'.repeat(32)) }), why: 'not signed' };
  assert.match(plan({ bases, rejected: [forged] }, { daily: '7d' }).notes[0]!, /nothing of timeline t00000001 goes before somebody has looked/);
});

test('a base stays as long as one that stays, or that is being taken, adds to it; size takes it with those that do', () => {
  const on1 = (...days: string[]) => ({ parents: days.map((day) => ({ backup: `b-${day}`, plainBytes: 1 })) });
  const bases = [baseOf('10-01T01'), baseOf('10-01T07', on1('10-01T01')), baseOf('11-20T01', on1('10-01T01', '10-01T07')), baseOf('11-22T01')];
  const stays = plan({ bases }, { daily: '7d' });
  assert.deepEqual(verdicts(stays), [
    'b-11-22T01 stays: the newest good recovery point; the newest good base; the first of the day 2026-11-22, kept 7 days',
    'b-11-20T01 stays: the first of the day 2026-11-20, kept 7 days',
    'b-10-01T07 stays: base b-11-20T01 adds to it',
    'b-10-01T01 stays: base b-11-20T01 adds to it',
  ]);
  const goes = (of: RetentionPlan): string[] => of.bases.filter((one) => one.goes).map(({ backup }) => backup).sort();
  assert.deepEqual(goes(plan({ bases }, { daily: '7d', atMost: '3500B' })), ['b-10-01T01', 'b-10-01T07', 'b-11-20T01'], 'a chain goes whole');
  const newest = [...bases.slice(0, 2), baseOf('11-22T01', on1('10-01T01'))];
  assert.deepEqual(goes(plan({ bases: newest }, { daily: 1, atMost: '1000B' })), ['b-10-01T07'], 'what nothing may take keeps what it adds to');
  const begun = { timeline, backup: 'running', lastAt: now, objects: 1, storedBytes: 1, parents: ['b-10-01T01', 'b-10-01T07'] };
  assert.deepEqual(goes(plan({ bases: [...bases.slice(0, 2), baseOf('11-22T01')] }, { daily: '7d' }, { unfinished: [begun] })), []);
  assert.deepEqual(goes(plan({ bases: [...bases.slice(0, 2), baseOf('11-22T01')] }, { daily: '7d' })), ['b-10-01T01', 'b-10-01T07']);
});
