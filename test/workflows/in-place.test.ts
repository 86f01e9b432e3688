import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { point, view } from './stub-activities.ts';

const inPlace = runbookSchema.parse({
  mode: 'in-place',
  steps: [
    { id: 'declare', uses: 'declare' },
    { id: 'find-point', uses: 'find-recovery-point', needs: ['declare'] },
    { id: 'quiesce', uses: 'fence', needs: ['find-point'] },
    { id: 'safety-point', uses: 'safety-point', needs: ['quiesce'] },
    { id: 'approve-switch', uses: 'approval', needs: ['safety-point'] },
    { id: 'provision', uses: 'provision', needs: ['approve-switch'], with: { left: 'move-aside' } },
    { id: 'restore', uses: 'restore', needs: ['provision'] },
    { id: 'replay', uses: 'replay', needs: ['restore'] },
    { id: 'validate', uses: 'validate', needs: ['replay'] },
    { id: 'promote', uses: 'promote', needs: ['validate'] },
    { id: 'switch', uses: 'switch', needs: ['promote'] },
    { id: 'protect', uses: 'protect', needs: ['switch'] },
    { id: 'report', uses: 'report', needs: ['protect'] },
  ],
});
const withInPlace: SystemView = { ...view, runbooks: { back: inPlace } };
const asked = { system: 'demo', mode: 'in-place', targetTime: '2026-01-02T03:00:05Z', requestedBy: 'dana' };

const open = async (t: Parameters<typeof openLab>[0]): Promise<Lab> => await openLab(t, { loadSystem: () => Promise.resolve(withInPlace) });
const inputsOf = (lab: Lab, name: string): Record<string, unknown>[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => input as Record<string, unknown>);

test('in place: writers wait, what they wrote is archived and read back, people approve what is discarded, and only then the server is replaced; no old side is left to retire or watch', async (t) => {
  const lab = await open(t);
  const entry = await lab.start('recoverSystem', asked);
  const { gates } = await until(lab.run(), gateOpen('approve-switch'));
  assert.match(gates[0]!.description, /documents: all that it held up to .* is safe: base B1 and the log of timeline t00000001, read back whole\. To restore that again: holdfast recover demo --timeline t00000001.*1,234 writes .* will be DISCARDED/s);
  const before = lab.stubs.called();
  assert.deepEqual(['admitTraffic', 'fencePrimary', 'drainLog', 'verifyRecoveryPoint', 'countDiscarded'].map((name) => before.indexOf(name as 'drainLog')).toSorted((a, b) => a - b), ['admitTraffic', 'fencePrimary', 'drainLog', 'verifyRecoveryPoint', 'countDiscarded'].map((name) => before.indexOf(name as 'drainLog')));
  assert.ok(!before.some((name) => ['makeRoom', 'provisionTarget'].includes(name)), 'nothing is replaced before the approval');
  assert.deepEqual(inputsOf(lab, 'admitTraffic').map(({ environment, percent }) => [environment, percent]), [['production', 0]], 'people are told that they wait');
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, report.state.inPlace], ['done', true]);
  for (const name of ['makeRoom', 'provisionTarget']) assert.deepEqual(inputsOf(lab, name).map(({ environment, inPlace: there }) => [environment, there]), [['production', true]], name);
  for (const name of ['fencePrimary', 'findRecoveryPoint']) assert.deepEqual(inputsOf(lab, name).map(({ inPlace: there }) => there), [true], name);
  const { target } = inputsOf(lab, 'restoreGroup')[0] as { target: { environment: string; inPlace: boolean } };
  assert.deepEqual([target.environment, target.inPlace], ['production', true]);
  assert.deepEqual(inputsOf(lab, 'startTimeline').map(({ environment }) => environment), ['production']);
  assert.ok(!lab.stubs.called().includes('retirePrimary'));
  await assert.rejects(lab.env.client.workflow.getHandle(lockIds.watch('demo', 'documents')).describe(), 'it would fence what was restored');
});

test('in place, aborted when nothing is left of the old server in its place: it is back, unfenced and started before people are let in', async (t) => {
  const lab = await open(t);
  lab.stubs.answers.replayLog = () => Promise.reject(new HoldfastError('ReplayFailed', 'stops'));
  const entry = await lab.start('recoverSystem', asked);
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await until(lab.run(), stepIs('replay', 'failed'));
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  const undone = lab.stubs.called().filter((name) => ['removeTarget', 'giveRoomBack', 'unfencePrimary', 'startAgain', 'admitTraffic'].includes(name));
  assert.deepEqual(undone, ['admitTraffic', 'removeTarget', 'giveRoomBack', 'unfencePrimary', 'startAgain', 'admitTraffic']);
  assert.deepEqual(inputsOf(lab, 'admitTraffic').map(({ environment, percent }) => [environment, percent]), [['production', 0], ['production', 100]]);
});

test('in place is refused where it could lose something: without a moment, of a part, in a drill, and when the fence or the safety point is not proved', async (t) => {
  const lab = await open(t);
  const refused = async (input: object, id: string): Promise<string> => (await failureOf(await lab.start('recoverSystem', { ...asked, ...input }, id))).message;
  assert.match(await refused({ targetTime: undefined }, 'a'), /goes back to an earlier moment, and none is given/);
  assert.match(await refused({ only: ['shop.orders'] }, 'b'), /replaces nothing/);
  assert.match(await refused({ purpose: 'drill' }, 'c'), /A drill leaves production alone/);
  assert.match(await refused({ mode: 'over' }, 'd'), /field "mode".*new, in-place, beside, swap or rows/);
  assert.match(await refused({ mode: 'swap' }, 'e'), /field "mode" is "swap", and demo has no runbook with mode: swap/);
  assert.match(await refused({ mode: 'new', runbook: 'back' }, 'f'), /runbook "back" of demo restores in-place/);
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'claimEpoch'), []);

  const fence = lab.stubs.answers.fencePrimary;
  lab.stubs.answers.fencePrimary = async (input) => ({ ...(await fence(input)), outcome: 'unproved' });
  lab.stubs.answers.verifyRecoveryPoint = ({ system, source }) => Promise.resolve({ system, source, scope: 'newest', ok: true, backup: 'B1', timeline: 't00000001', objects: 9, bytes: 900, parts: 6, slices: 3, entries: 30, problems: [], restorable: { from: point.base.end, to: point.reaches } });
  const entry = await lab.start('recoverSystem', asked, 'g');
  const paused = await until(lab.run(), stepIs('quiesce', 'failed'));
  assert.match(paused.steps.find(({ id }) => id === 'quiesce')!.error!.message, /in place needs a proved fence/);
  lab.stubs.answers.fencePrimary = fence;
  await lab.run().signal('retry', { by: 'erik' });
  const unsafe = await until(lab.run(), stepIs('safety-point', 'failed'));
  assert.match(unsafe.steps.find(({ id }) => id === 'safety-point')!.error!.message, /has no safety point: what the store holds does not reach/);
  await assert.rejects(lab.run().executeUpdate('skip', { args: [{ step: 'safety-point', by: 'erik', reason: 'no time' }] }));
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  assert.ok(!lab.stubs.called().includes('makeRoom'));
});
