import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ValidationResult } from '../../workflows/contract.ts';
import { drillOf } from '../../workflows/domain/drill-history.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Mark } from '../../workflows/domain/source-records.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { details, failureOf, openLab, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

/** Nobody is there: what the file approved beforehand asks nobody. */
const approved: SystemView = { ...view, approvals: { 'approve-switch': { ...view.approvals['approve-switch']!, preApproved: { purpose: 'drill' } } } };
const drill = { system: 'demo', purpose: 'drill', requestedBy: 'schedule/demo/weekly-drill', unattended: true };
const written = (lab: Lab): RunReport => (lab.stubs.calls.filter(({ name }) => name === 'writeReport').at(-1)!.input as { report: RunReport }).report;
const production = ['fencePrimary', 'retirePrimary', 'admitTraffic', 'startTimeline', 'drainLog', 'makeRoom', 'deployVersion'];
const equal: ValidationResult = { id: 'equality', ok: true, effect: 'gate', claim: 'equal to base and log', problems: [], collections: [{ ns: 'shop.orders', count: 100, expectedCount: 100, hashEqual: true, note: null }], collectionCount: 1 };
const differs: ValidationResult = { id: 'equality', ok: false, effect: 'gate', claim: 'equal to base and log', problems: ['shop.orders: 99 documents, expected 100'], collections: [{ ns: 'shop.orders', count: 99, expectedCount: 100, hashEqual: false, note: null }], collectionCount: 1 };

test('a drill that nobody watches ends by itself, and its report says what became of the place that it restored to', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(approved), validateTarget: () => Promise.resolve(equal) });
  const report = (await (await lab.start('recoverSystem', drill)).result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual(written(lab).cleanup, { documents: { removed: true, summary: 'stopped, moved aside' } });
  const { schedule, result, rto, cleanedUp, sources } = drillOf(written(lab));
  assert.deepEqual([schedule, result, cleanedUp, sources.map(({ limit }) => limit)], ['demo/weekly-drill', 'passed', true, ['1763700100-0000000001']]);
  assert.ok(rto.achievedMs !== null && rto.met, 'up to where the switch would be');
  assert.equal(lab.stubs.called().filter((name) => name === 'writeReport').length, 1, 'one report, and so one bundle of evidence, with what became of the place');
  const step = written(lab).state.steps.find(({ uses }) => uses === 'report')!;
  assert.deepEqual([step.state, step.summary], ['skipped', 'written when what was restored is removed']);
  assert.deepEqual(written(lab).compared!.map(({ source, backup, ok }) => [source, backup, ok]), [['documents', 'B1', true]], 'a whole restore that was compared is a verification');
});

test('a place that cannot be removed is told, in the report and the warnings', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(approved), removeTarget: () => Promise.resolve({ summary: 'let go; it is still there', kept: true }) });
  const report = (await (await lab.start('recoverSystem', drill)).result()) as RunReport;
  assert.deepEqual(report.warnings.filter((what) => what.includes('not removed')), ['documents: what was restored is not removed: let go; it is still there']);
  assert.equal(drillOf(written(lab)).cleanedUp, false);
});

test('a drill that fails with nobody there is undone, and a base that was restored and differs is doubted; production is not touched', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(approved), validateTarget: () => Promise.resolve(differs) });
  const failure = await failureOf(await lab.start('recoverSystem', drill));
  assert.match(failure.message, /demo: the run was aborted by holdfast: step validate failed: ValidationFailed: documents: .*99 documents, expected 100/);
  assert.equal(lab.stubs.called().filter((name) => name === 'removeTarget').length, 1);
  for (const name of production) assert.ok(!lab.stubs.called().includes(name), name);
  const { point, state, by } = lab.stubs.calls.find(({ name }) => name === 'markPoint')!.input as Mark;
  assert.deepEqual([point, state, by], ['B1', 'suspect', 'drill']);
  const { outcome, cleanup, compared, warnings } = written(lab);
  assert.deepEqual([outcome, cleanup!['documents']!.removed], ['aborted', true]);
  assert.deepEqual(compared!.map(({ source, ok, problems }) => [source, ok, problems]), [['documents', false, ['shop.orders: 99 documents, expected 100']]]);
  assert.ok(warnings.includes('documents: base B1 is marked suspect: what was restored of it differs'));
  const { result, why } = drillOf(written(lab));
  assert.equal(result, 'failed');
  assert.match(why!, /^step validate: ValidationFailed/);
});

test('with people there a failed step waits for them; a recovery is never given up by itself', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(approved), replayLog: () => Promise.reject(new HoldfastError('ReplayFailed', 'stops at 7')) });
  await lab.start('recoverSystem', { ...drill, unattended: undefined });
  await until(lab.run(), ({ status }) => status === 'paused');
  assert.match((await failureOf(await lab.start('recoverSystem', { system: 'demo', unattended: true }, 'recovery'))).message, /only for a drill/);
  assert.match((await failureOf(await lab.start('recoverSystem', { system: 'demo', surprise: '4h' }, 'surprised'))).message, /only for a drill/);
});

test('a surprise drill begins within its window, and until then neither a lock nor a message nor any timer says when', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(approved) });
  const begun: number[] = [];
  for (const id of ['first', 'second', 'third']) {
    const startMs = await lab.env.currentTimeMs();
    const entry = await lab.start('recoverSystem', { ...drill, surprise: '4h' }, id);
    const report = (await entry.result()) as RunReport;
    const afterMs = Date.parse(report.incidentAt) - startMs;
    assert.ok(afterMs >= 0 && afterMs <= 4 * 3_600_000, `began after ${afterMs} ms`);
    assert.ok(report.rto.machineMs < 3_600_000, 'its clock starts when it begins');
    begun.push(afterMs);
    const { events = [] } = await entry.fetchHistory();
    const timers = events?.flatMap(({ timerStartedEventAttributes: timer }) => (timer ? [Number(timer.startToFireTimeout!.seconds)] : [])) ?? [];
    assert.ok(timers.every((seconds) => seconds === 240), `only equal ticks: ${timers.join(', ')}`);
  }
  assert.ok(begun.some((afterMs) => afterMs > 0), 'not all at the first moment');
  const entry = await lab.start('recoverSystem', { ...drill, surprise: '7d' }, 'cancelled');
  if ((await details(entry)).includes('surprise')) {
    assert.match(await details(entry), /begins at some moment until 2\d\d\d-.* nobody knows it before/);
    await entry.cancel();
    await assert.rejects(entry.result());
  }
});
