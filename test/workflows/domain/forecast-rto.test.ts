import assert from 'node:assert/strict';
import { test } from 'node:test';
import { amountsOf, forecastRto, type ForecastFacts } from '../../../workflows/domain/forecast-rto.ts';
import type { RunState } from '../../../workflows/domain/run-state.ts';
import { logPosition } from '../../../workflows/domain/log-position.ts';
import type { PastStep } from '../../../workflows/contract.ts';
import { at, newRun, step } from '../runbook/plans.ts';
import { point } from '../stub-activities.ts';

const minute = 60_000;
/** A run like a recovery: two branches, a switch, and work after it that the RTO does not wait for. */
const state = (): RunState =>
  newRun([
    step('provision', [], { budgetMs: 10 * minute }),
    step('find', [], { budgetMs: minute }),
    step('restore', ['provision', 'find'], { budgetMs: 20 * minute }),
    step('switch', ['restore'], { budgetMs: 2 * minute }),
    step('protect', ['switch'], { budgetMs: 60 * minute }),
  ]).state;

const facts = (given: Partial<ForecastFacts> = {}): ForecastFacts => ({ history: null, amounts: {}, passedOver: new Set(), ...given });

test('what is left is the longest way to the switch; work after it does not count', () => {
  const { forecastMs, basis } = forecastRto(state(), facts(), at(0));
  assert.equal(forecastMs, 32 * minute);
  assert.match(basis, /along provision → restore → switch \(3 by budget\); waiting for people to come is not counted/);
});

test('earlier runs count before budgets: those of like size as they were, others scaled by size, and the basis says so', () => {
  const past = (ms: number, amount: number | null = null): { ms: number; amount: number | null } => ({ ms, amount });
  const steps = { restore: [past(5 * minute, 100), past(4 * minute, 100), past(6 * minute, 100)], switch: [past(minute)] };
  const larger = forecastRto(state(), facts({ history: { steps }, amounts: { restore: { amount: 300 } } }), at(0));
  assert.equal(larger.forecastMs, (10 + 15 + 1) * minute);
  assert.match(larger.basis, /2 by earlier runs, scaled to this size: restore ×3.0; 1 by budget\); restore by 3 runs of 100 B; waiting/);
  const like = forecastRto(state(), facts({ history: { steps: { ...steps, restore: [past(12 * minute, 300), ...steps.restore] } }, amounts: { restore: { amount: 300 } } }), at(0));
  assert.equal(like.forecastMs, (10 + 12 + 1) * minute);
  assert.match(like.basis, /2 by earlier runs; 1 by budget/);
  const byId = forecastRto(state(), facts({ history: { steps: { ...steps, 'restore/restore': [past(2 * minute)] } } }), at(0));
  assert.equal(byId.forecastMs, (10 + 2 + 1) * minute, 'a step of its own name knows better than all of its kind');
  assert.equal(forecastRto(state(), facts({ history: { steps } }), at(0)).forecastMs, (10 + 5 + 1) * minute, 'not chosen yet: as it was');
});

test('of a replay both count, the bytes of its log and how many slices it is in', () => {
  const log = (storedBytes: number, slices: number): number => amountsOf([{ ...point, log: { ...point.log, storedBytes, slices } }])['replay']!.amount;
  assert.ok(log(2_000_000, 20) > log(1_000_000, 20));
  assert.ok(log(1_000_000, 200) > 2 * log(1_000_000, 20));
  assert.equal(log(2_000_000, 40), 2 * log(1_000_000, 20));
});

test('of a replay the seconds of log count too: of runs that weigh the same those whose log is as long, and the basis says how long it was', () => {
  const from = logPosition(1_763_717_200, 1);
  const amounts = amountsOf([{ ...point, reaches: logPosition(1_763_717_241, 7), log: { from, slices: 9, storedBytes: 1_000_000 } }]);
  assert.equal(amounts['replay']!.logSeconds, 41);
  assert.equal(amountsOf([{ ...point, log: { from, slices: 0, storedBytes: 0 } }])['replay']!.logSeconds, 0, 'no log to replay');
  const { amount } = amounts['replay']!;
  const replay = newRun([step('replay'), step('switch', ['replay'])]).state;
  const run = (ms: number, scale: number, logSeconds?: number): PastStep => ({ ms, amount: amount * scale, ...(logSeconds === undefined ? {} : { logSeconds }) });
  const of = (...past: PastStep[]): { forecastMs: number; basis: string } => forecastRto(replay, facts({ history: { steps: { replay: past, switch: [{ ms: 0, amount: null }] } }, amounts }), at(0));
  const quiet = run(9 * minute, 1, 3_600);
  const mixed = of(quiet, run(2 * minute, 1, 41), quiet, run(2 * minute, 1, 41), run(2 * minute, 1, 44));
  assert.equal(mixed.forecastMs, 2 * minute, 'not the quiet hour that weighs the same');
  assert.match(mixed.basis, /; replay by 3 runs of 41s to 44s of log; waiting/);
  assert.equal(of(quiet).forecastMs, 9 * minute, 'where there is no other, that one');
  assert.equal(of(run(minute, 1), run(3 * minute, 0.5, 41)).forecastMs, minute, 'of a run that said no seconds only its size is known');
  const scaled = of(run(minute, 0.5, 20), run(minute, 0.5, 20));
  assert.deepEqual([scaled.forecastMs, /scaled to this size: replay ×2.0\); replay by 2 runs of 20s of log/.test(scaled.basis)], [2 * minute, true]);
});

test('what has passed counts; a step that runs counts by what is left of it, and never by less than nothing', () => {
  const running = state();
  Object.assign(running.steps[0]!, { state: 'running', startedAt: at(0) });
  assert.equal(forecastRto(running, facts(), at(240)).forecastMs, (4 + 6 + 22) * minute);
  // The other branch, not begun, is the longest way now.
  assert.equal(forecastRto(running, facts(), at(900)).forecastMs, (15 + 1 + 22) * minute);
  Object.assign(running.steps[0]!, { state: 'done' });
  Object.assign(running.steps[1]!, { state: 'skipped' });
  assert.equal(forecastRto(running, facts(), at(900)).forecastMs, (15 + 22) * minute);
});

test('while people are waited for, the machine’s part of the step is over; a budget is for both', () => {
  const waiting = state();
  Object.assign(waiting.steps[0]!, { state: 'waiting', startedAt: at(0) });
  assert.equal(forecastRto(waiting, facts(), at(240)).forecastMs, (4 + 6 + 22) * minute);
  assert.equal(forecastRto(waiting, facts({ history: { steps: { provision: [{ ms: 9 * minute, amount: null }] } } }), at(240)).forecastMs, (4 + 1 + 22) * minute);
});

test('a step that is going to be passed over takes no time, and a drill is measured up to its switch', () => {
  const drill = state();
  const { forecastMs, basis } = forecastRto(drill, facts({ passedOver: new Set(['switch']), history: { steps: { switch: [{ ms: 9 * minute, amount: null }] } } }), at(0));
  assert.equal(forecastMs, 30 * minute);
  assert.match(basis, /along provision → restore \(2 by budget\)/);
  for (const one of drill.steps.slice(0, 4)) Object.assign(one, { state: 'done', endedAt: at(60) });
  Object.assign(drill.steps[3]!, { state: 'skipped', endedAt: at(100) });
  assert.equal(forecastRto(drill, facts(), at(5_000)).forecastMs, 100_000);
});

test('a step that nobody knows counts as nothing, and the basis says so', () => {
  const unknown = newRun([step('switch')]).state;
  assert.match(forecastRto(unknown, facts(), at(60)).basis, /1m00s passed, 0ms left along switch \(1 unknown and counted as nothing\)/);
});

test('once service is back the forecast is what was measured', () => {
  const served = { ...state(), servedAt: at(600) };
  assert.deepEqual(forecastRto(served, facts(), at(9_000)), { forecastMs: 600_000, basis: 'service is back: measured, not forecast' });
});
