import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError, type ErrorType } from '../../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { makeId } from '../../../workflows/domain/make-id.ts';
import { logPosition, nextLogPosition, parseLogPosition } from '../../../workflows/domain/log-position.ts';
import type { Catalog, RecoveryTarget } from '../../../workflows/domain/recovery-point.ts';
import { at, base, catalogOf, gap, randomOf, span, timelineOf } from '../../harness/catalogs.ts';

const now = '2025-11-21T12:00:00.000Z';
const find = (catalog: Catalog, target: RecoveryTarget = {}) => findRecoveryPoint(catalog, target, { now });
const before = (n: number): RecoveryTarget => ({ targetPosition: at(n) });

function refusal(catalog: Catalog, target: RecoveryTarget, type: ErrorType): HoldfastError {
  try {
    const point = find(catalog, target);
    assert.fail(`found ${point.base.backup} to ${point.limit}`);
  } catch (error) {
    assert.ok(error instanceof HoldfastError, String(error));
    assert.equal(error.type, type, error.message);
    return error;
  }
}

test('the latest is the newest base and all of the log after it', () => {
  const point = find(catalogOf({ bases: [base(10), base(50)], spans: [span(0, 90)] }));
  assert.equal(point.base.backup, 'b50');
  assert.equal(point.limit, nextLogPosition(at(90)));
  assert.equal(point.reaches, at(90));
  assert.equal(point.reachesAt, '2025-11-21T03:00:09.000Z');
  assert.equal(point.log.from, at(50));
});

test('a target time takes its second whole, and nothing of the next', () => {
  const point = find(catalogOf({ bases: [base(10), base(50)], spans: [span(0, 90)] }), { targetTime: '2025-11-21T03:00:03.400Z' });
  assert.equal(point.base.backup, 'b10');
  assert.equal(point.limit, at(40));
  assert.equal(point.reachesAt, '2025-11-21T03:00:03.000Z');
});

test('a target position is exclusive: a base that ends at it is too new', () => {
  const catalog = catalogOf({ bases: [base(10), base(50)], spans: [span(0, 90)] });
  assert.equal(find(catalog, before(50)).base.backup, 'b10');
  assert.equal(find(catalog, before(51)).base.backup, 'b50');
  assert.equal(find(catalog, { targetPosition: '1763694002-1' }).limit, at(21));
});

test('a base that was read over a while serves only limits after its end, and needs the log from its start', () => {
  const fuzzy = base(50, { exact: false, start: at(40), logFrom: at(38) });
  const catalog = catalogOf({ bases: [base(10), fuzzy], spans: [span(0, 90)] });
  assert.equal(find(catalog, before(45)).base.backup, 'b10');
  assert.equal(find(catalog, before(50)).base.backup, 'b10');
  const point = find(catalog, before(51));
  assert.equal(point.base.backup, 'b50');
  assert.equal(point.log.from, at(38));
  refusal(catalogOf({ bases: [fuzzy] }), {}, 'NoRecoveryPoint');
  refusal(catalogOf({ bases: [fuzzy], spans: [span(39, 90)] }), {}, 'NoRecoveryPoint');
  assert.equal(find(catalogOf({ bases: [fuzzy], spans: [span(38, 50)] })).limit, at(51));
});

test('a base read at one instant is a recovery point without any log', () => {
  const point = find(catalogOf({ bases: [base(50, { logFrom: at(45) })] }));
  assert.equal(point.limit, at(51));
  assert.deepEqual(point.log, { from: at(50), slices: 0, storedBytes: 0 });
  assert.equal(find(catalogOf({ bases: [base(50)], spans: [span(0, 50)] }), before(51)).log.slices, 0);
});

test('an older base whose log reaches the target is taken when the newest one’s log is missing', () => {
  // The newest base needs the log from 38 on for a transaction that was open; that stretch lies in another span.
  const catalog = catalogOf({ bases: [base(10), base(60, { logFrom: at(58), exact: false, start: at(59) })], spans: [span(0, 40), span(45, 59)] });
  assert.equal(find(catalog, before(30)).base.backup, 'b10');
  const stalled = catalogOf({ bases: [base(10), base(50, { logFrom: at(49), timeline: 't00000001' })], spans: [span(0, 90)] });
  assert.equal(find(stalled).base.backup, 'b50');
  const lost = catalogOf({ bases: [base(10), base(50, { logFrom: at(-5) })], spans: [span(0, 90)] });
  assert.equal(find(lost, before(80)).base.backup, 'b10');
  assert.equal(find(lost).base.backup, 'b10');
});

test('a target beyond the archive gives its end, and says how far it reaches', () => {
  const point = find(catalogOf({ bases: [base(10)], spans: [span(0, 90)] }), { targetTime: '2025-11-21T04:00:00Z' });
  assert.equal(point.limit, at(91));
  assert.equal(point.reachesAt, '2025-11-21T03:00:09.000Z');
});

test('a target in a hole of the log is refused, with the nearest good point on either side', () => {
  const catalog = catalogOf({ bases: [base(10), base(70)], spans: [span(0, 40), span(60, 90)] });
  const error = refusal(catalog, before(65), 'ChainBroken');
  assert.match(error.message, /chain broken between 2025-11-21T03:00:04Z\.0 and 2025-11-21T03:00:06Z\.0 \(no slice\)/);
  assert.match(error.hint!, /before it 2025-11-21T03:00:04Z\.0 .*after it 2025-11-21T03:00:07Z\.0/);
  assert.equal(find(catalog, { targetPosition: String(error.details.nearestBefore) }).base.backup, 'b10');
  assert.equal(find(catalog, { targetPosition: String(error.details.nearestAfter) }).base.backup, 'b70');
  assert.equal(find(catalog, before(41)).limit, at(41));
  refusal(catalog, before(42), 'ChainBroken');
});

test('asked for so, a target that no log reaches gives the newest moment before it, of bases without a log too; one that a log reaches is given itself', () => {
  const bases = catalogOf({ bases: [base(10), base(30), base(70)] });
  refusal(bases, before(50), 'ChainBroken');
  const point = find(bases, { ...before(50), orBefore: true });
  assert.deepEqual([point.base.backup, point.limit, point.log.slices], ['b30', at(31), 0]);
  assert.equal(find(catalogOf({ bases: [base(10), base(70)], spans: [span(0, 40), span(60, 90)] }), { ...before(50), orBefore: true }).limit, at(41));
  assert.equal(find(catalogOf({ bases: [base(10)], spans: [span(0, 90)] }), { ...before(50), orBefore: true }).limit, at(50));
  refusal(bases, { ...before(10), orBefore: true }, 'NoRecoveryPoint');
});

test('the latest is refused when log is missing before it: where to stop then is for a person to say', () => {
  const catalog = catalogOf({ bases: [base(10)], spans: [span(0, 40), span(60, 90)] });
  const error = refusal(catalog, {}, 'ChainBroken');
  assert.match(error.message, /no slice\), so the latest cannot be reached/);
  assert.equal(find(catalog, { targetPosition: String(error.details.nearestBefore) }).limit, at(41));
  assert.equal(find(catalogOf({ bases: [base(10), base(70)], spans: [span(0, 40), span(60, 90)] })).base.backup, 'b70');
});

test('a declared gap is refused and its reason given, also when no log follows it', () => {
  const error = refusal(catalogOf({ bases: [base(10)], spans: [span(0, 40)], gaps: [gap(40, 60)] }), before(50), 'ChainBroken');
  assert.match(error.message, /the log was overwritten/);
  assert.match(error.hint!, /after it none/);
  assert.equal(find(catalogOf({ bases: [base(10)], spans: [span(0, 40)], gaps: [gap(40, 60)] })).limit, at(41));
});

test('a target before the first base is refused, and the earliest time named', () => {
  const error = refusal(catalogOf({ bases: [base(50)], spans: [span(0, 90)] }), before(20), 'NoRecoveryPoint');
  assert.match(error.hint!, /earliest restorable time of this timeline is 2025-11-21T03:00:05Z\.0/);
  assert.equal(find(catalogOf({ bases: [base(50)], spans: [span(0, 90)] }), before(51)).base.backup, 'b50');
});

test('nothing there, a target in the future and a target that is none are each refused', () => {
  refusal(catalogOf({ timelines: [] }), {}, 'NoRecoveryPoint');
  refusal(catalogOf({}), {}, 'NoRecoveryPoint');
  const catalog = catalogOf({ bases: [base(10)], spans: [span(0, 90)] });
  refusal(catalog, { targetTime: '2025-11-21T12:00:01.000Z' }, 'TargetTimeInFuture');
  refusal(catalog, { targetTime: 'yesterday' }, 'BadInput');
  refusal(catalog, { targetPosition: 'later' }, 'BadInput');
  refusal(catalog, { targetTime: now, targetPosition: at(1) }, 'BadInput');
});

test('a target before a timeline began is found in its parent, up to where the parent was left', () => {
  // Timeline 1 was left at 40 (exclusive) though its archive goes on to 60; timeline 2 began at 03:01:00.
  const catalog = catalogOf({
    timelines: [timelineOf(1, '2025-11-21T02:59:00.000Z'), timelineOf(2, '2025-11-21T03:01:00.000Z', { timeline: 't00000001', limit: at(40) })],
    bases: [base(10), base(620, { timeline: 't00000002' })],
    spans: [span(0, 60), span(600, 700, 't00000002')],
  });
  assert.equal(find(catalog).timeline, 't00000002');
  const inParent = find(catalog, before(30));
  assert.deepEqual([inParent.timeline, inParent.limit], ['t00000001', at(30)]);
  assert.deepEqual([find(catalog, before(40)).timeline, find(catalog, before(40)).limit], ['t00000001', at(40)]);
  // Between the two sides, the new one may have taken writes that no base holds: its parent's end is not that moment.
  for (const between of [{ targetTime: '2025-11-21T03:00:30Z' }, { targetTime: '2025-11-21T03:01:01Z' }, before(41), before(620)]) {
    const lost = refusal(catalog, between, 'NoRecoveryPoint');
    assert.match(lost.hint!, /until 2025-11-21T03:00:04Z\.0 it was timeline t00000001.*earliest restorable time of this timeline is 2025-11-21T03:01:02Z\.0/);
    assert.equal(find(catalog, { targetPosition: String(lost.details['nearestBefore']) }).timeline, 't00000001');
    assert.equal(find(catalog, { targetPosition: String(lost.details['nearestAfter']) }).timeline, 't00000002');
  }
  const error = refusal(catalog, before(610), 'NoRecoveryPoint');
  assert.match(error.hint!, /it was timeline t00000001/);
  refusal(catalog, before(5), 'NoRecoveryPoint');
  const young = { ...catalog, bases: [base(10)] };
  refusal(young, {}, 'NoRecoveryPoint');
  assert.equal(find(young, before(40)).timeline, 't00000001');
});

test('a newest timeline without bases names the others that have some', () => {
  const catalog = catalogOf({ timelines: [timelineOf(1, '2025-11-21T02:59:00.000Z'), timelineOf(2, '2025-11-21T03:01:00.000Z')], bases: [base(10), base(50)], spans: [span(0, 90)] });
  for (const target of [{}, before(30)]) {
    const error = refusal(catalog, target, 'NoRecoveryPoint');
    assert.match(error.hint!, /take a base backup; timeline t00000001 has 2 bases, the last one of 2025-11-21T03:00:05Z\.0/);
  }
});

test('whatever the store holds, what is found can be restored, and nothing better was passed over', () => {
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = randomOf(seed);
    const upTo = (n: number): number => Math.floor(random() * n);
    const spans: { from: number; to: number }[] = [];
    for (let from = upTo(10); from < 90; ) {
      const to = from + 1 + upTo(40);
      spans.push({ from, to });
      from = to + 1 + upTo(8);
    }
    const bases = [...new Set(Array.from({ length: 1 + upTo(4) }, () => 5 + upTo(95)))].map((end) => {
      const exact = random() < 0.6;
      const start = exact ? end : end - upTo(5);
      return { end, start, exact: start === end, logFrom: start - upTo(4) };
    });
    const catalog = catalogOf({
      spans: spans.map(({ from, to }) => ({ ...span(from, to), from: inOneSecond(from), to: inOneSecond(to) })),
      bases: bases.map(({ end, start, exact, logFrom }) =>
        base(end, { end: inOneSecond(end), start: inOneSecond(start), exact, logFrom: inOneSecond(logFrom) })),
    });
    const limit = 1 + upTo(130);

    const held = (n: number): boolean => spans.some(({ from, to }) => n > from && n <= to);
    const restorable = (b: (typeof bases)[number], to: number): boolean =>
      b.end < to && ((b.exact && to === b.end + 1) || Array.from({ length: to - 1 - b.logFrom }, (_, i) => b.logFrom + 1 + i).every(held));
    const usable = bases.filter((b) => b.end < limit);
    const whole = usable.filter((b) => restorable(b, limit));
    const reach = Math.max(-1, ...usable.flatMap((b) => Array.from({ length: limit }, (_, i) => i + 1).filter((to) => restorable(b, to)))) - 1;
    const goesOn = spans.some(({ to }) => to > reach) || bases.some(({ end }) => end > reach);
    const expected = whole.length > 0
      ? `${Math.max(...whole.map((b) => b.end))} to ${limit}`
      : reach < 0 ? 'NoRecoveryPoint' : goesOn ? 'ChainBroken' : `to ${reach + 1}`;

    let found: string;
    try {
      const point = find(catalog, { targetPosition: inOneSecond(limit) });
      found = expected.startsWith('to') ? `to ${numberOf(point.limit)}` : `${point.base.backup.slice(1)} to ${numberOf(point.limit)}`;
      assert.ok(restorable(bases.find((b) => `b${b.end}` === point.base.backup)!, numberOf(point.limit)), `seed ${seed}`);
    } catch (error) {
      assert.ok(error instanceof HoldfastError, `seed ${seed}: ${String(error)}`);
      found = error.type;
    }
    assert.equal(found, expected, `seed ${seed}, limit ${limit}`);
  }
});

/** Positions whose neighbours are neighbours in the log too. */
const inOneSecond = (n: number): string => logPosition(1_795_230_000, n + 100);
const numberOf = (position: string): number => parseLogPosition(position).ordinal - 100;

const log = (from: number, to: number, why = 'does not open') => ({ key: layout.slice({ ...place, timeline: 't00000001' }, at(from), at(to)), why });
const place = { system: 'demo', source: 'documents' };

test('the latest is refused by name where a slice that is not believed lies beyond it; its own end, asked for, is given', () => {
  const catalog = (rejected: Catalog['rejected']) => catalogOf({ bases: [base(10)], spans: [span(0, 90)], rejected });
  const error = refusal(catalog([log(90, 100)]), {}, 'Tampered');
  assert.ok(error.message.includes(`${log(90, 100).key} is not believed: does not open`), error.message);
  assert.match(error.message, /so the latest cannot be reached HINT: nearest good points: before it 2025-11-21T03:00:09Z\.0 .*; after it none/);
  assert.deepEqual([error.details['nearestBefore'], error.details['nearestAfter']], [nextLogPosition(at(90)), null]);
  assert.equal(find(catalog([log(90, 100)]), { targetPosition: nextLogPosition(at(90)) }).limit, nextLogPosition(at(90)));
  refusal(catalog([log(90, 100)]), { targetPosition: at(95) }, 'Tampered');
  assert.equal(find(catalog([log(90, 100)]), before(80)).limit, at(80));
  assert.equal(find(catalog([log(30, 80)])).reaches, at(90), 'what it claims is there without it');
  assert.equal(find(catalog([{ ...log(90, 100), spare: true }])).reaches, at(90));
});

test('a hole is explained by the slice in it that is not believed', () => {
  const error = refusal(catalogOf({ bases: [base(10)], spans: [span(0, 40), span(50, 90)], rejected: [log(40, 50)] }), {}, 'Tampered');
  assert.ok(error.message.includes(log(40, 50).key), error.message);
});

test('which timeline is the newest has to be known, but for a position', () => {
  const rejected = [{ key: layout.timeline({ ...place, timeline: 't00000002' }), why: 'not JSON' }];
  const catalog = catalogOf({ bases: [base(10)], spans: [span(0, 90)], rejected });
  const error = refusal(catalog, {}, 'Tampered');
  assert.match(error.message, /which timeline is the newest cannot be told: .*t00000002.json is not believed: not JSON HINT: nearest good points: before it target position 1763694009-0000000001 of timeline t00000001/);
  assert.equal(refusal(catalog, { targetTime: '2025-11-21T03:00:03Z' }, 'Tampered').details['nearestBefore'], at(40));
  assert.equal(find(catalog, before(50)).limit, at(50));
  refusal(catalog, before(95), 'Tampered');
  assert.equal(find(catalogOf({ ...catalog, timelines: [timelineOf(2, '2025-11-21T02:59:00.000Z')], bases: [base(10, { timeline: 't00000002' })] })).base.backup, 'b10', 'another version of it is believed');
});

test('a manifest that is not believed matters where it is newer than the log', () => {
  const rejected = (atMs: number): Catalog['rejected'] => [{ key: layout.manifest({ ...place, timeline: 't00000001', backup: makeId(atMs, '0'.repeat(32)) }), why: 'not JSON' }];
  const catalog = (atMs: number) => catalogOf({ bases: [base(10)], spans: [span(0, 90)], rejected: rejected(atMs) });
  assert.equal(find(catalog(Date.parse('2025-11-21T03:00:05Z'))).reaches, at(90));
  refusal(catalog(Date.parse('2025-11-21T03:00:20Z')), {}, 'Tampered');
});

test('a parent that ends before it was left has lost log', () => {
  const timelines = [timelineOf(1, '2025-11-21T02:59:00.000Z'), timelineOf(2, '2025-11-21T02:59:30.000Z', { timeline: 't00000001', limit: at(60) })];
  const bases = [base(10), base(70, { timeline: 't00000002' })];
  assert.equal(find(catalogOf({ timelines, bases, spans: [span(0, 60)] }), before(60)).limit, at(60));
  refusal(catalogOf({ timelines, bases, spans: [span(0, 40)] }), before(60), 'ChainBroken');
});

test('a base that is named is taken as it was at its own end, whatever is newer; its log only where it needs it', () => {
  const fuzzy = base(50, { exact: false, logFrom: at(42), start: at(45) });
  const catalog = catalogOf({ bases: [base(10), fuzzy, base(80)], spans: [span(0, 90)] });
  const exact = find(catalog, { point: 'b10' });
  assert.deepEqual([exact.base.backup, exact.limit, exact.log.slices], ['b10', nextLogPosition(at(10)), 0]);
  const whole = find(catalog, { point: 'b50' });
  assert.deepEqual([whole.limit, whole.reaches, whole.log.from], [nextLogPosition(at(50)), at(50), at(42)]);
  assert.ok(whole.log.slices > 0);
  assert.match(refusal(catalogOf({ bases: [fuzzy], spans: [span(0, 47)] }), { point: 'b50' }, 'ChainBroken').message, /base b50 was read over a while, and the log from .* is not whole/);
  assert.match(refusal(catalog, { point: 'b7' }, 'NoRecoveryPoint').message, /no base and no import b7 HINT: holdfast points demo lists them; the newest bases: b10, b50, b80/);
  refusal(catalog, { point: 'b10', targetPosition: at(20) }, 'BadInput');
});

/** A dump of a program that ran from position n to n + 5. */
const dumped = (n: number) => base(n + 5, { start: at(n), logFrom: at(n), exact: false, alone: true, program: 'pg_dump' });

test('dumps of a program are their own recovery points: the latest, one by its id, one by its position; a time between two is refused', () => {
  const catalog = catalogOf({ bases: [dumped(10), dumped(50)] });
  const latest = find(catalog);
  assert.deepEqual([latest.base.backup, latest.limit, latest.log.slices], ['b55', nextLogPosition(at(55)), 0]);
  assert.equal(find(catalog, { point: 'b15' }).limit, nextLogPosition(at(15)));
  assert.equal(find(catalog, { targetPosition: nextLogPosition(at(15)) }).base.backup, 'b15');
  const between = refusal(catalog, before(40), 'ChainBroken');
  assert.match(between.message, /there is no log between its bases/);
  assert.deepEqual([between.details['nearestBefore'], between.details['nearestAfter']], [nextLogPosition(at(15)), nextLogPosition(at(55))]);
  refusal(catalog, before(12), 'NoRecoveryPoint');
});

test('a log that was archived while a program dumped is not taken for the dump’s own', () => {
  const point = find(catalogOf({ bases: [dumped(50)], spans: [span(0, 90)] }), { point: 'b55' });
  assert.deepEqual([point.limit, point.log.slices], [nextLogPosition(at(55)), 0]);
});

const doubtOf = (is: 'suspect' | 'bad') => ({ doubt: { is, by: 'dana', at: '2025-11-21T05:00:00.000Z', reason: 'looks wrong' } });

test('a base that is marked suspect or bad is passed over for an older one that reaches the same moment, and given to who names it', () => {
  for (const is of ['suspect', 'bad'] as const) {
    const catalog = catalogOf({ bases: [base(10), base(50, { mark: doubtOf(is) })], spans: [span(0, 90)] });
    assert.deepEqual([find(catalog).base.backup, find(catalog).limit], ['b10', nextLogPosition(at(90))]);
    assert.equal(find(catalog, before(70)).base.backup, 'b10');
    assert.equal(find(catalog, { point: 'b50' }).limit, at(51));
  }
  const held = catalogOf({ bases: [base(10), base(50, { mark: { hold: { by: 'dana', at: '2025-11-21T05:00:00.000Z', reason: 'evidence' } } })], spans: [span(0, 90)] });
  assert.equal(find(held).base.backup, 'b50');
});

test('where nothing but a marked base leads there, it is refused by name', () => {
  const alone = refusal(catalogOf({ bases: [base(50, { mark: doubtOf('bad') })], spans: [span(0, 90)] }), {}, 'NoRecoveryPoint');
  assert.match(alone.message, /base b50 of .* is marked bad by dana at 2025-11-21T05:00:00.000Z: looks wrong; whoever names it \(point b50\) is given it all the same/);
  const behindHole = refusal(catalogOf({ bases: [base(10), base(50, { mark: doubtOf('suspect') })], spans: [span(0, 40), span(45, 90)] }), {}, 'ChainBroken');
  assert.match(behindHole.message, /base b50 of .* is marked suspect by dana/);
});
