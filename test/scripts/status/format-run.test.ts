import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRun, formatRunLine } from '../../../scripts/status/format-run.ts';
import type { RunStatusView } from '../../../scripts/status/read-run.ts';
import type { StepState } from '../../../workflows/domain/run-state.ts';
import { minutes, mib } from '../../../workflows/domain/units.ts';
import { sampleReport } from '../../activities/report/sample-report.ts';

const readAt = '2026-11-21T03:31:05.000Z';

/** The sample run, stopped in the middle: the steps given replace its own. */
function view(changes: Record<string, Partial<StepState>>, more: Partial<RunStatusView> = {}): RunStatusView {
  const { state } = sampleReport();
  const steps = Object.entries(changes).map(([id, change]) => ({ ...state.steps.find((step) => step.id === id)!, ...change }));
  return { workflowId: 'recover/demo', runId: 'r', workflowStatus: 'RUNNING', readAt, activities: [], ...more, state: { ...state, status: 'running', endedAt: null, servedAt: null, gates: [], forecastMs: null, ...more.state, steps } };
}

const pending = { state: 'pending', startedAt: null, endedAt: null, elapsedMs: 0, attempt: 0, summary: null } as const;

test('a step under way shows percent, amount, rate and time left, summed over what runs side by side', () => {
  const heartbeat = (done: number, of: number) => ({ activity: 'restoreGroup', attempt: 1, heartbeat: { phase: 'load', done, of, unit: 'bytes' as const, percent: null, perSecond: null, leftMs: null, log: null }, lastFailure: null });
  const restoring = { state: 'running', uses: 'restore', startedAt: '2026-11-21T03:29:05.000Z', endedAt: null, elapsedMs: minutes(2), budgetMs: minutes(10), attempt: 1, work: { done: mib(100), of: mib(400), unit: 'bytes' as const, window: { fromAt: '2026-11-21T03:29:05.000Z', fromDone: 0, toAt: '2026-11-21T03:31:00.000Z', fromStart: true } } } as const;
  const text = formatRun(view({ restore: restoring, validate: pending }, { activities: [heartbeat(mib(60), mib(100)), heartbeat(mib(40), mib(100))] }));
  assert.match(text, /^ {2}running {2}restore {2}load {2}50\.0% {2}200\.0 MiB of 400\.0 MiB {2}1\.7 MiB\/s {2}2m00s left {2}2m00s of 10m00s$/m);
  assert.match(text, /^ {2}pending {2}validate$/m);
});

test('a gate shows how many approvals are missing, and the command that gives one', () => {
  const gate = { gate: 'switch', step: 'approve-switch', description: 'd', status: 'open', quorum: 2, people: [], notRequester: true, openedAt: '2026-11-21T03:30:05.000Z', closedAt: null, decisions: [{ by: 'ada', decision: 'approve', reason: null, at: readAt, proof: 'claimed' }] } as const;
  const of = view({ 'approve-switch': { state: 'waiting', endedAt: null } });
  of.state.gates = [{ ...gate, people: [], decisions: [...gate.decisions] }];
  assert.match(formatRun(of), /waiting {2}approve-switch {2}1 of 2 approvals {2}from anybody but the requester {2}open for 1m00s/);
  const approved = view({ 'approve-switch': { state: 'done', uses: 'approval', startedAt: '2026-11-21T03:29:00.000Z', endedAt: '2026-11-21T03:31:17.000Z', elapsedMs: 43, budgetMs: minutes(1), summary: 'approved' } });
  assert.match(formatRun(approved), /done {5}approve-switch {2}waited 2m17s of 1m00s {2}approved/, 'its own work is none: its budget is for people');
  assert.match(formatRun(of), /^answer: holdfast approve demo --gate switch --by NAME$/m);
});

test('a failed step shows its error, and the run what a person can do', () => {
  const of = view({ restore: { state: 'failed', error: { type: 'Tampered', message: 'part x is not what was written' } } });
  of.state.status = 'paused';
  assert.match(formatRun(of), /failed {3}restore {2}Tampered: part x is not what was written/);
  assert.match(formatRun(of), /^paused: holdfast retry\|skip\|abort demo$/m);
});

test('a forecast past the objective says by how much, and how far the run is by it', () => {
  const of = view({ restore: pending });
  of.state.forecastMs = minutes(72);
  assert.match(formatRun(of), /^forecast 1h12m, 12m00s past the objective; 43% of it has passed, 41m00s left$/m);
});

test('off a terminal one line tells what runs now', () => {
  const running = { state: 'running', uses: 'replay', startedAt: '2026-11-21T03:31:00.000Z', endedAt: null, elapsedMs: 5_000, attempt: 1 } as const;
  const line = formatRunLine(view({ declare: {}, replay: running }));
  assert.equal(line.includes('\n'), false);
  assert.match(line, /^recover demo running; elapsed 31m00s; 1 of 2 steps; running replay 5\.0s of 10m00s$/);
});
