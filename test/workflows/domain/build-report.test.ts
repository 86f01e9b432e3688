import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FenceResult, ReplayResult, ValidationResult } from '../../../workflows/contract.ts';
import { buildReport, type ReportFacts } from '../../../workflows/domain/build-report.ts';
import type { RunState } from '../../../workflows/domain/run-state.ts';
import { at, newRun, step } from '../runbook/plans.ts';
import { point } from '../stub-activities.ts';

const fenced = (outcome: FenceResult['outcome']): FenceResult => ({ outcome, logReachable: true, evidence: [], fencedAt: at(1) });
const replayed = (appliedToAt: string | null): ReplayResult => ({ appliedTo: null, appliedToAt, entries: 1, operations: 1, slices: 1, discardedTransactions: 0 });
const facts = (extra: Partial<ReportFacts> = {}): ReportFacts => ({
  title: 'Demo',
  workflowId: 'recover/demo',
  runId: 'R',
  humanMsAtService: 60_000,
  points: { documents: point },
  replays: { documents: replayed(at(-12)) },
  fences: { documents: fenced('proved') },
  watches: {},
  validations: {},
  ...extra,
});
const done = (extra: Partial<RunState> = {}): RunState => ({ ...newRun([step('fence')]).state, status: 'done', servedAt: at(600), endedAt: at(900), ...extra });

test('achieved RTO is incident to service, machine and human time apart; achieved RPO is incident minus the last entry applied', () => {
  const report = buildReport(done(), facts(), at(901));
  assert.deepEqual(report.rto, { objectiveMs: 3_600_000, achievedMs: 600_000, machineMs: 540_000, humanMs: 60_000, met: true });
  assert.deepEqual(report.rpo, { objectiveMs: 300_000, achievedMs: 12_000, met: true });
  assert.equal(report.outcome, 'done');
  assert.equal(report.finishedAt, at(900));
});

test('a drill’s achieved RTO is until the switch that it passed over, not until its end; without a switch, until its last step; of one that came to nothing none', () => {
  const steps = newRun([step('validate'), step('switch'), step('report')]).state.steps.map((one, n) => ({ ...one, state: one.id === 'switch' ? 'skipped' as const : 'done' as const, startedAt: at(n * 100), endedAt: at(n * 100 + 100) }));
  const rto = (extra: Partial<RunState>) => buildReport(done({ purpose: 'drill', servedAt: null, humanMs: 0, endedAt: at(900), steps, ...extra }), facts({ humanMsAtService: null }), at(901)).rto;
  assert.deepEqual(rto({}), { objectiveMs: 3_600_000, achievedMs: 200_000, machineMs: 200_000, humanMs: 0, met: true });
  assert.equal(rto({ rtoObjectiveMs: 199_000 }).met, false);
  assert.equal(rto({ steps: steps.filter(({ id }) => id !== 'switch') }).achievedMs, 300_000);
  assert.deepEqual([rto({ status: 'aborted' }).achievedMs, rto({ status: 'aborted' }).met], [null, null]);
});

test('the worst source counts; entries after the incident are no loss; a source without log counts from its base', () => {
  const points = { documents: point, users: point };
  const rpo = (a: string | null, b: string | null) => buildReport(done(), facts({ points, replays: { documents: replayed(a), users: replayed(b) } }), at(901)).rpo.achievedMs;
  assert.equal(rpo(at(-5), at(-400)), 400_000);
  assert.equal(rpo(at(5), at(9)), 0);
  assert.ok(rpo(at(5), null)! > 86_400_000);
});

test('nothing is claimed that was not measured', () => {
  const report = buildReport(done({ servedAt: null, status: 'aborted' }), facts({ replays: {}, humanMsAtService: null }), at(901));
  assert.equal(report.outcome, 'aborted');
  assert.equal(report.rto.achievedMs, null);
  assert.equal(report.rto.met, null);
  assert.equal(report.rpo.achievedMs, null);
  assert.equal(buildReport(done({ status: 'stuck' }), facts(), at(901)).outcome, 'failed');
  assert.equal(buildReport(done({ status: 'running', endedAt: null }), facts(), at(901)).outcome, 'goes on', 'a report that was written on the way has not failed');
});

test('a fence that is unproved, skipped, or of one source only is never plain done', () => {
  const outcome = (fences: ReportFacts['fences'], points: ReportFacts['points'] = { documents: point }) => buildReport(done(), facts({ fences, points }), at(901)).outcome;
  assert.equal(outcome({ documents: fenced('isolated') }), 'done');
  assert.equal(outcome({ documents: fenced('unproved') }), 'done, fence unproved');
  assert.equal(outcome({}), 'done, fence unproved');
  assert.equal(outcome({ documents: fenced('proved') }, { documents: point, users: point }), 'done, fence unproved');
  assert.equal(buildReport(done({ purpose: 'drill' }), facts({ fences: {} }), at(901)).outcome, 'done');
});

test('a run that went on without a step, or with a validation that does not hold, is never plain done', () => {
  const steps = (skippedBy?: string): RunState['steps'] => newRun([step('fence'), step('validate')]).state.steps.map((one) => (one.id === 'validate' ? { ...one, state: 'skipped', skippedBy } : one));
  const validated = (ok: boolean, effect: 'gate' | 'warn' = 'gate'): ReportFacts['validations'] => {
    const result: ValidationResult = { id: 'equality', ok, effect, claim: 'equal', problems: [], collections: [], collectionCount: 0 };
    return { 'documents/equality': result };
  };
  const outcome = (state: RunState, extra: Partial<ReportFacts> = {}) => buildReport(state, facts(extra), at(901)).outcome;
  assert.equal(outcome(done({ steps: steps('erik') })), 'done, with steps skipped');
  assert.equal(outcome(done({ steps: steps() })), 'done', 'passed over by itself');
  assert.equal(outcome(done(), { validations: validated(false) }), 'done, with steps skipped');
  assert.equal(outcome(done(), { validations: validated(false, 'warn') }), 'done');
  assert.equal(outcome(done({ steps: steps('erik'), purpose: 'drill' })), 'done, with steps skipped');
  const both = buildReport(done({ steps: steps('erik') }), facts({ fences: {} }), at(901));
  assert.equal(both.outcome, 'done, fence unproved');
  assert.deepEqual(both.warnings, ['the old primary is not proved to be fenced', 'skipped by people: validate']);
});
