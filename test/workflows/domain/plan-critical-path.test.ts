import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCriticalPath, type StepToPlan } from '../../../workflows/domain/plan-critical-path.ts';
import { describePlan } from '../../../workflows/domain/recovery-plan.ts';
import { describeUndo } from '../../../workflows/domain/step-undo.ts';
import { minutes } from '../../../workflows/domain/units.ts';

const step = (id: string, budgetMinutes: number, needs: string[] = [], uses = id): StepToPlan => ({ id, uses, needs, budgetMs: minutes(budgetMinutes) });

const runbook = [
  step('declare', 1),
  step('find', 2, ['declare']),
  step('provision', 10, ['declare']),
  step('restore', 20, ['find', 'provision']),
  step('validate', 5, ['restore']),
  step('switch', 4, ['validate']),
  step('protect', 30, ['switch']),
];

test('steps side by side cost only the longer of them', () => {
  const plan = planCriticalPath(runbook);
  assert.deepEqual(plan.criticalPath, ['declare', 'provision', 'restore', 'validate', 'switch']);
  assert.equal(plan.criticalMs, minutes(1 + 10 + 20 + 5 + 4));
});

test('what comes after the switch does not count against the RTO', () => {
  const plan = planCriticalPath(runbook);
  assert.equal(plan.servedBy, 'switch');
  assert.equal(plan.steps.find(({ id }) => id === 'protect')?.critical, false);
  assert.equal(plan.steps.find(({ id }) => id === 'protect')?.startMs, plan.criticalMs);
});

test('waves name what may run side by side', () => {
  assert.deepEqual(planCriticalPath(runbook).waves, [['declare'], ['find', 'provision'], ['restore'], ['validate'], ['switch'], ['protect']]);
});

test('a runbook without a switch counts whole, and a step without a budget takes no time', () => {
  const plan = planCriticalPath([{ ...step('a', 1), budgetMs: null }, step('b', 3, ['a']), step('c', 2, ['a'])]);
  assert.deepEqual({ path: plan.criticalPath, ms: plan.criticalMs }, { path: ['a', 'b'], ms: minutes(3) });
});

test('an unknown need and a circle are named, not followed', () => {
  assert.throws(() => planCriticalPath([step('a', 1, ['b'])]), /step "b" is unknown or needs itself/);
  assert.throws(() => planCriticalPath([step('a', 1, ['b']), step('b', 1, ['a'])]), /needs itself/);
});

test('a plan says of a step how the runbook has it taken back', () => {
  const undone = planCriticalPath([{ ...step('dns', 1), undo: describeUndo({ command: 'dns-back', manual: 'look' }) }, { ...step('switch', 1, ['dns']), undo: describeUndo({ manual: 'look' }) }]);
  const { lines } = describePlan({ system: 'demo', plannedAt: '2026-11-21T03:00:00.000Z', rtoObjectiveMs: minutes(60), rpoObjectiveMs: minutes(5), runbook: undone, spareMs: 0, points: [], findings: [] });
  assert.match(lines[0]!, /dns .* undone by command dns-back, then by hand$/);
  assert.match(lines[1]!, /switch .* undone by hand$/);
});
