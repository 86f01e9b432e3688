import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forecastRto } from '../../../workflows/domain/forecast-rto.ts';
import type { RunState } from '../../../workflows/domain/run-state.ts';
import { at, newRun, step } from '../runbook/plans.ts';

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

test('what is left is the longest way to the switch; work after it does not count', () => {
  const { forecastMs, basis } = forecastRto(state(), null, {}, at(0));
  assert.equal(forecastMs, 32 * minute);
  assert.match(basis, /along provision → restore → switch \(3 by budget\); waiting for people to come is not counted/);
});

test('earlier runs count before budgets, scaled by bytes', () => {
  const history = { steps: { restore: { runs: 2, medianMs: 5 * minute, medianBytes: 100 }, switch: { runs: 1, medianMs: minute, medianBytes: null } } };
  const { forecastMs, basis } = forecastRto(state(), history, { restore: 300 }, at(0));
  assert.equal(forecastMs, (10 + 15 + 1) * minute);
  assert.match(basis, /2 by earlier runs, 1 by budget/);
});

test('what has passed counts; a step that runs counts by what is left of it, and never by less than nothing', () => {
  const running = state();
  Object.assign(running.steps[0]!, { state: 'running', startedAt: at(0) });
  assert.equal(forecastRto(running, null, {}, at(240)).forecastMs, (4 + 6 + 22) * minute);
  // The other branch, not begun, is the longest way now.
  assert.equal(forecastRto(running, null, {}, at(900)).forecastMs, (15 + 1 + 22) * minute);
  Object.assign(running.steps[0]!, { state: 'done' });
  Object.assign(running.steps[1]!, { state: 'skipped' });
  assert.equal(forecastRto(running, null, {}, at(900)).forecastMs, (15 + 22) * minute);
});

test('a step that nobody knows counts as nothing, and the basis says so', () => {
  const unknown = newRun([step('switch')]).state;
  assert.match(forecastRto(unknown, null, {}, at(60)).basis, /1m00s passed, 0ms left along switch \(1 unknown and counted as nothing\)/);
});

test('once service is back the forecast is what was measured', () => {
  const served = { ...state(), servedAt: at(600) };
  assert.deepEqual(forecastRto(served, null, {}, at(9_000)), { forecastMs: 600_000, basis: 'service is back: measured, not forecast' });
});
