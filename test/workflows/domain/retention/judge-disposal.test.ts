import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDisposal } from '../../../../workflows/domain/retention/judge-disposal.ts';
import { findRecoveryPoint } from '../../../../workflows/domain/find-recovery-point.ts';
import { nextLogPosition } from '../../../../workflows/domain/log-position.ts';
import type { Catalog } from '../../../../workflows/domain/recovery-point.ts';
import type { RetentionFacts } from '../../../../workflows/domain/retention/plan.ts';
import { rulesSchema } from '../../../../workflows/domain/retention/rules.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { at, base, catalogOf, randomOf, span, timelineOf } from '../../../harness/catalogs.ts';

const now = '2025-11-21T03:00:10.000Z';
const judge = (catalog: Partial<Catalog>, point: string, { rules, ...more }: Partial<RetentionFacts> & { rules?: object } = {}) =>
  judgeDisposal({ now, catalog: catalogOf(catalog), imports: [], stored: {}, recentLogFrom: {}, holds: [], proved: null, unfinished: [], ...more }, rules && rulesSchema.parse(rules), point);

test('a base whose moments others lead to may go; the first of its log, and the only one, only with evenTheLast', () => {
  const chain = { bases: [base(10), base(28), base(45)], spans: [span(5, 60)] };
  assert.deepEqual([judge(chain, 'b45')!.unlessEvenTheLast, judge(chain, 'b28')!.unlessEvenTheLast], [[], []]);
  assert.match(judge(chain, 'b10')!.unlessEvenTheLast.join(), /^the log of t00000001 from .*03:00:01Z.0 to .*03:00:02Z.8 is restored from it alone$/);
  assert.deepEqual(judge(chain, 'b10', { rules: { log: '1s' } })!.unlessEvenTheLast, [], 'the window begins later');
  assert.match(judge(chain, 'b10', { rules: { log: '8s' } })!.unlessEvenTheLast.join(), /restored from it alone, and the last .* hours are to be restorable/);
  assert.deepEqual(judge({ bases: [base(10)], spans: [span(5, 60)] }, 'b10')!.unlessEvenTheLast[0], 'it is the only restorable point of the source');
  assert.match(judge({ bases: [base(10), base(45)], spans: [span(5, 20), span(40, 60)] }, 'b45')!.unlessEvenTheLast[0]!, /without it the latest moment that can be restored is .*03:00:02Z.0 of t00000001, and not .*03:00:06Z.0/);
  assert.equal(judge(chain, 'b11'), undefined);
});

test('of what a program keeps in a repository of its own it is said that it stays there; what has no log has none that stays', () => {
  const kept = base(10, { alone: true, program: 'pgbackrest', foreign: '20251121-030000F' });
  assert.deepEqual(judge({ bases: [kept] }, 'b10')!.notes, ['the backup itself is 20251121-030000F in the repository of pgbackrest, which is not touched, and can be opened as before: what lies here only names it']);
  assert.match(judge({ bases: [base(10)] }, 'b10')!.notes.join(), /^the log since is not its own/);
});

test('what people hold and runs read is never disposed of; what was proved last only with evenTheLast; on older timelines the same holds', () => {
  const said = { by: 'dana', at: now, reason: 'a court asks' };
  const chain = { bases: [base(10), base(28, { mark: { hold: said } })], spans: [span(5, 60)] };
  assert.deepEqual(judge(chain, 'b28')!.never, [`it is held by dana at ${now}: a court asks`]);
  const hold = { run: 'R1', why: '', timeline: 't00000001', backup: 'b10', from: at(10), limit: at(20) };
  assert.deepEqual(judge(chain, 'b10', { holds: [hold] })!.never, ['run R1 reads it']);
  const adder = { bases: [base(10), base(28, { parents: [{ backup: 'b10', plainBytes: 1 }] })] };
  assert.deepEqual([judge(adder, 'b10')!.never, judge(adder, 'b28')!.never], [['base b28 adds to it: dispose of that one first'], []]);
  const proved = { run: 'drill-7', at: now, timeline: 't00000001', backup: 'b28', from: at(28), limit: at(30) };
  assert.match(judge({ ...chain, bases: [base(10), base(28)] }, 'b28', { proved })!.unlessEvenTheLast.join(), /last that was restored and found equal \(run drill-7/);
  const two = { timelines: [timelineOf(1, now), timelineOf(2, now, { timeline: 't00000001', limit: at(40) })], bases: [base(10), base(45, { timeline: 't00000002' })], spans: [span(5, 40), span(40, 60, 't00000002')] };
  assert.match(judge(two, 'b10')!.unlessEvenTheLast.join(), /the log of t00000001 from .* is restored from it alone/);
  assert.match(judge(two, 'b45')!.unlessEvenTheLast[0]!, /without it the latest moment .* of t00000001, and not .* of t00000002/);
  assert.deepEqual(judge(two, 'b10', { rules: { log: '1s' } })!.unlessEvenTheLast, []);
  // Of one that is being disposed of nobody is given anything: another run may finish it.
  const begun = { ...two, bases: [two.bases[1]!], disposed: [base(10, { mark: { disposal: said } })] };
  assert.deepEqual([judge(begun, 'b10')!.never, judge(begun, 'b10')!.unlessEvenTheLast], [[], []]);
});

test('over random chains: what may go without evenTheLast takes no moment from anybody, and "the latest" stays', () => {
  const seed = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  const random = randomOf(seed);
  const whole = (n: number): number => Math.floor(random() * n);
  let went = 0;
  for (let round = 0; round < 400; round += 1) {
    const spans = [span(0, 10 + whole(30)), span(45 + whole(10), 60 + whole(40))].slice(0, 1 + whole(2));
    const ends = [...new Set(Array.from({ length: 1 + whole(6) }, () => 1 + whole(90)))];
    const catalog = catalogOf({ spans, bases: ends.map((end) => base(end, { ...(whole(4) === 0 ? { mark: { doubt: { is: 'bad' as const, by: 'dana', at: now, reason: 'r' } } } : {}), ...(whole(3) === 0 ? { exact: false, start: at(Math.max(0, end - 2)), logFrom: at(Math.max(0, end - 3)) } : {}) })) });
    const momentsOf = (of: Catalog): string[] => Array.from({ length: 110 }, (_, n) => [undefined, nextLogPosition(at(n))] as const).map(([, targetPosition]) => {
      try {
        return findRecoveryPoint(of, { targetPosition }, { now: '2026-01-01T00:00:00.000Z' }).limit === targetPosition ? targetPosition : '';
      } catch (error) {
        assert.ok(error instanceof HoldfastError);
        return '';
      }
    });
    for (const { backup, end } of catalog.bases) {
      const verdict = judge(catalog, backup)!;
      if (verdict.unlessEvenTheLast.length > 0 || verdict.never.length > 0) continue;
      went += 1;
      const rest = { ...catalog, bases: catalog.bases.filter((one) => one.backup !== backup) };
      const [before, after] = [momentsOf(catalog), momentsOf(rest)];
      // Its own end is a moment of its own where no log leads there.
      before.forEach((moment, n) => assert.ok(after[n] === moment || moment === nextLogPosition(end), `seed ${seed}, round ${round}: ${moment} without ${backup}`));
      const latest = (of: Catalog): string => { try { return findRecoveryPoint(of, {}, { now }).limit; } catch (error) { return (error as Error).name; } };
      // A hole behind "the latest" is refused as before, or was the base's own.
      if (latest(catalog) !== 'ChainBroken') assert.equal(latest(rest), latest(catalog), `seed ${seed}, round ${round}: the latest without ${backup}`);
    }
  }
  assert.ok(went > 50, `${went} went`);
});
