import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunReport } from '../../workflows/domain/report.ts';
import { gateOpen, openLab, until } from './lab.ts';
import { point, view } from './stub-activities.ts';

const only = ['shop.orders', 'shop.items*'];
const request = { system: 'demo', requestedBy: 'dana', only };
const partial = { findRecoveryPoint: () => Promise.resolve({ ...point, only: { patterns: only, collections: 3, documents: 12, plainBytes: 100 } }) };
const touchesProduction = ['fencePrimary', 'drainLog', 'promoteTarget', 'admitTraffic', 'retirePrimary', 'startTimeline', 'proveArchive', 'probeOldPrimary'];

test('a partial restore touches nothing of production, waits until its data was taken out, and then removes its target', async (t) => {
  const lab = await openLab(t, partial);
  const entry = await lab.start('recoverSystem', request);
  const waiting = await until(lab.run(), gateOpen('data-taken-out'));
  assert.deepEqual(lab.stubs.called().filter((name) => touchesProduction.includes(name)), []);
  assert.deepEqual(waiting.only, only);
  const states = Object.fromEntries(waiting.steps.map(({ id, state, summary }) => [id, `${state} ${summary ?? ''}`]));
  for (const id of ['approve-switch', 'fence', 'drain', 'promote', 'switch', 'protect']) assert.match(states[id]!, /^skipped partial: only shop\.orders, shop\.items\*/, id);
  assert.match(states['find-point']!, /^done partial: only shop\.orders, shop\.items\*, 3 collections/);
  const gate = waiting.gates.find((one) => one.gate === 'data-taken-out')!;
  assert.match(gate.description, /^partial: only shop\.orders, shop\.items\*\. The data waits in dr: an empty server\. Take out/);
  assert.ok(!lab.stubs.called().includes('removeTarget'));
  const asked = lab.stubs.calls.find(({ name }) => name === 'findRecoveryPoint')!.input;
  assert.deepEqual((asked as { only: string[] }).only, only);
  const written = (lab.stubs.calls.find(({ name }) => name === 'writeReport')!.input as { report: RunReport }).report;
  assert.equal(written.outcome, 'done, partial');

  // Who asked for it may say that they have it.
  await lab.run().signal('approve', { gate: 'data-taken-out', by: 'dana' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, partial');
  assert.deepEqual([report.rto.achievedMs, report.rpo.achievedMs, report.warnings], [null, null, []]);
  assert.ok(lab.stubs.called().includes('removeTarget'));
  assert.ok(lab.stubs.called().includes('releaseHold'));
  const kept = (lab.stubs.calls.findLast(({ name }) => name === 'writeReport')!.input as { report: RunReport }).report;
  assert.deepEqual(kept.state.gates.filter((one) => one.gate === 'data-taken-out').map(({ status, decisions }) => [status, decisions.map(({ by }) => by)]), [['approved', ['dana']]], 'the report in the store has who took the data out');
  assert.deepEqual(lab.stubs.called().filter((name) => touchesProduction.includes(name)), []);
});

test('a partial restore that is aborted while its data waits removes the target too, and has no RTO to breach', async (t) => {
  const lab = await openLab(t, partial);
  const entry = await lab.start('recoverSystem', { ...request, incidentAt: '2020-01-01T00:00:00Z' });
  const waiting = await until(lab.run(), gateOpen('data-taken-out'));
  assert.deepEqual(waiting.warnings, []);
  await lab.run().signal('abort', { by: 'dana', reason: 'the primary burns' });
  await assert.rejects(entry.result());
  assert.ok(lab.stubs.called().includes('removeTarget'));
});

test('a partial restore is refused at once where it could not wait, or could not say of what it is', async (t) => {
  const steps = view.runbook.steps.filter(({ uses }) => uses !== 'report');
  const views = [{ ...view, runbook: { steps } }, { ...view, sources: { ...view.sources, other: view.sources['documents']! } }];
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(views.shift() ?? view) });
  const refusal = async (input: object, id: string): Promise<string> => {
    const error = await (await lab.start('recoverSystem', input, id)).result().then(() => undefined, (failed: unknown) => failed as Error);
    return String((error?.cause as Error | undefined)?.message);
  };
  assert.match(await refusal(request, 'one'), /no step that uses report/);
  assert.match(await refusal(request, 'two'), /2 sources/);
  assert.match(await refusal({ ...request, only: ['orders'] }, 'three'), /field "only\.0" is "orders", expected a namespace such as/);
  assert.deepEqual(lab.stubs.called().filter((name) => !['loadSystem', 'recordAct'].includes(name)), []);
});
