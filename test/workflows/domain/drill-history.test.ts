import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeDrills } from '../../../workflows/domain/describe-drills.ts';
import { drillDue, drillHistory, drillOf, type DrillSchedule } from '../../../workflows/domain/drill-history.ts';
import { drillSchedules } from '../../../workflows/domain/schedules/drill-schedules.ts';
import { scheduleSchema } from '../../../workflows/domain/schedules/schema.ts';
import { beginsAtTick, surpriseTicks } from '../../../workflows/domain/surprise.ts';
import type { RunReport } from '../../../workflows/domain/report.ts';
import { sampleDrill } from '../../activities/report/sample-report.ts';

const changed = (change: (report: RunReport) => void, startedAt = '2026-11-21T03:00:05.000Z') => {
  const report = sampleDrill(startedAt);
  change(report);
  return drillOf(report);
};
const schedules = { weekly: scheduleSchema.parse({ does: 'drill', at: ['03:00'], on: 'saturday' }), surprise: scheduleSchema.parse({ does: 'drill', at: ['10:00'], on: 'day 1 of the month', with: { surprise: '4h' } }) };
const [weekly, surprise] = drillSchedules({ system: 'demo', schedules }) as [DrillSchedule, DrillSchedule];
const due = (drills: Parameters<typeof drillDue>[1], at: string, since: string | null | undefined = '2026-01-01T00:00:00Z') => drillDue(weekly, drills, Date.parse(at), since === null ? null : { sinceMs: Date.parse(since) });

test('a drill passed only by the whole runbook, equal, and within both objectives', () => {
  const passed = changed(() => undefined);
  assert.deepEqual([passed.result, passed.rto.achievedMs, passed.rto.met, passed.rpo.achievedMs, passed.schedule], ['passed', 58_300, true, 1_240, 'demo/weekly']);
  assert.deepEqual(passed.proof, { equal: true, claims: ['equality: every collection equals base and log'], collections: 4, documents: 490_520, hashed: 4 });
  assert.equal(changed((report) => void (report.rto.met = false)).result, 'missed');
  assert.equal(changed((report) => void (report.rpo.met = false)).result, 'missed');
  assert.equal(changed((report) => void (report.outcome = 'done, with steps skipped')).result, 'failed');
  assert.equal(changed((report) => void (report.validation[0]!.ok = false)).result, 'failed');
  const aborted = changed((report) => {
    report.outcome = 'aborted';
    Object.assign(report.rto, { achievedMs: null, met: null });
    Object.assign(report.state.steps[4]!, { state: 'undone', error: { type: 'ReplayFailed', message: 'stops at 7' } });
  });
  assert.deepEqual([aborted.result, aborted.rto.achievedMs, aborted.why], ['failed', null, 'step replay: ReplayFailed: stops at 7']);
});

test('a drill is overdue once its moment and its grace are over, and not for a moment that was before its schedule', () => {
  const drill = changed(() => undefined, '2026-11-21T03:00:05.000Z');
  assert.deepEqual(due([drill], '2026-11-22T12:00:00Z'), { schedule: 'demo/weekly', nextAt: '2026-11-28T03:00:00.000Z', lastDueAt: '2026-11-21T03:00:00.000Z', lastAt: '2026-11-21T03:00:05.000Z', applied: true, overdue: false });
  assert.equal(due([drill], '2026-11-28T14:00:00Z').overdue, false, 'within the time that a missed start is made up for');
  assert.equal(due([drill], '2026-11-28T16:00:00Z').overdue, true);
  assert.equal(due([], '2026-11-22T12:00:00Z').overdue, true, 'never drilled');
  assert.equal(due([], '2026-11-22T12:00:00Z', '2026-11-21T18:00:00Z').overdue, false, 'the schedule is younger than the moment');
  assert.equal(due([changed((report) => void (report.state.requestedBy = 'dana'))], '2026-11-22T12:00:00Z').overdue, true, 'somebody else’s drill is not the schedule’s');
  const unasked = (drills: Parameters<typeof drillDue>[1]) => drillDue(weekly, drills, Date.parse('2026-11-28T16:00:00Z'));
  assert.deepEqual([unasked([drill]).overdue, unasked([drill]).applied], [true, null], 'who cannot ask the server knows by its last drill that it was applied');
  assert.equal(unasked([]).overdue, false, 'and without one nothing');
  assert.equal(surprise.graceMs - weekly.graceMs, 4 * 3_600_000, 'a surprise may come until its window ends');
});

test('a schedule that is not on the server is not applied, and owes nothing', () => {
  const missing = due([], '2026-11-28T16:00:00Z', null);
  assert.deepEqual(missing, { schedule: 'demo/weekly', nextAt: null, lastDueAt: null, lastAt: null, applied: false, overdue: false });
  assert.equal(describeDrills(drillHistory('demo', [], [missing]))[1], 'demo/weekly: NOT APPLIED: nothing starts it (holdfast apply); last never');
});

test('compliance counts whole drills only; what failed is not within, and recoveries stand beside', () => {
  const runs = [changed((report) => void (report.outcome = 'aborted')), changed(() => undefined), changed((report) => void (report.state.only = ['a.*'])), changed((report) => void (report.state.purpose = 'recovery'))];
  const history = drillHistory('demo', runs, [due(runs, '2026-11-28T16:00:00Z')]);
  assert.deepEqual(history.compliance, { of: 2, within: 1, share: 0.5 });
  assert.equal(history.lastSuccess, runs[1]);
  const [head, overdue, failed, ...rest] = describeDrills(history);
  assert.equal(head, 'demo: 1 of 2 within the objectives (50 %); last success 2026-11-21 03:00 UTC');
  assert.equal(overdue, 'demo/weekly: OVERDUE since 2026-11-28 03:00 UTC, last 2026-11-21 03:00 UTC; next 2026-12-05 03:00 UTC');
  assert.match(failed!, /^2026-11-21 03:00 UTC {2}FAILED {2}drill by demo\/weekly/);
  assert.ok(rest.includes('  RTO 58s of 1h00m (people 7.3s); RPO 1.2s of 5m00s; equal: 4 collections, 490,520 documents; removed afterwards'), rest.join('\n'));
});

test('every tick of a surprise’s window is as likely as any other, and the last begins for certain', () => {
  const { count, everyMs } = surpriseTicks(4 * 3_600_000);
  assert.deepEqual([count, everyMs], [60, 240_000]);
  let left = 1;
  for (let tick = 0; tick < count; tick += 1) {
    const chance = 1 / (count - tick);
    assert.ok(beginsAtTick(tick, count, chance - 1e-9) && (tick === count - 1 || !beginsAtTick(tick, count, chance + 1e-9)));
    assert.ok(Math.abs(left * chance - 1 / count) < 1e-9);
    left *= 1 - chance;
  }
  assert.ok(beginsAtTick(count - 1, count, 0.999_999));
});
