import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { watchSignals, type WatchState } from '../../workflows/domain/watch.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { runbook, view } from './stub-activities.ts';

const steps = runbook.steps.map((step) => (step.uses === 'provision' ? { ...step, with: { left: 'move-aside' } } : step));
const part: SystemView['runbook'] = { steps: steps.slice(0, 3) };
const withFailback: SystemView = { ...view, runbooks: { failback: { ...runbook, steps, towards: 'home' }, part } };
const failback = { system: 'demo', runbook: 'failback', requestedBy: 'dana' };

const inputsOf = (lab: Lab, name: string): Record<string, unknown>[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => input as Record<string, unknown>);

test('a failback is the recovery the other way round: home is made, the standby fenced, traffic goes home, and the watch is on the standby', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(withFailback) });
  const entry = await lab.start('recoverSystem', failback);
  await until(lab.run(), gateOpen('approve-switch'));
  const other = lab.run().executeUpdate('escalate', { args: [{ runbook: 'main', by: 'erik', reason: 'no' }] });
  await assert.rejects(other, (error: Error) => /failback/.test(String(error.cause)) && !/ part/.test(String(error.cause)), 'a run does not turn round');
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, report.state.homeward], ['done', true]);
  for (const name of ['makeRoom', 'provisionTarget']) assert.deepEqual(inputsOf(lab, name).map(({ environment }) => environment), ['production'], name);
  for (const name of ['findRecoveryPoint', 'fencePrimary', 'retirePrimary']) assert.deepEqual(inputsOf(lab, name).map(({ towards }) => towards), ['production'], name);
  assert.deepEqual(inputsOf(lab, 'startTimeline').map(({ environment }) => environment), ['production']);
  assert.deepEqual([...new Set(inputsOf(lab, 'admitTraffic').map(({ environment }) => environment))], ['production']);
  const watch = await lab.env.client.workflow.getHandle(lockIds.watch('demo', 'documents')).query<WatchState>('state');
  assert.equal(watch.environment, 'dr');
  assert.deepEqual([...new Set(inputsOf(lab, 'probeOldPrimary').map(({ environment, towards }) => `${String(environment)} ${String(towards)}`))], ['dr production'], 'asked only by the watch: a standby that answers before its fence is no news');
});

test('the watch on the old side ends before its place is used again: it would fence what is made there', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(withFailback) });
  const first = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' }, 'first');
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await first.result();
  const watch = lab.env.client.workflow.getHandle(lockIds.watch('demo', 'documents'));
  const over: (string | null)[] = [];
  lab.stubs.answers.makeRoom = async () => {
    over.push((await watch.query<WatchState>('state')).over);
    return { summary: 'moved aside' };
  };
  const { checkTarget } = lab.stubs.answers;
  lab.stubs.answers.checkTarget = () => Promise.reject(new HoldfastError('TargetNotEmpty', 'of another run'));
  const entry = await lab.start('recoverSystem', failback, 'second');
  const refused = await until(lab.run(), stepIs('provision', 'failed'));
  assert.match(refused.steps.find(({ id }) => id === 'provision')!.error!.message, /of another run/);
  assert.equal((await watch.query<WatchState>('state')).over, null, 'what is refused leaves the old side looked after');
  lab.stubs.answers.checkTarget = checkTarget;
  await lab.run().signal('retry', { step: 'provision', by: 'erik' });
  const state = await until(lab.run(), gateOpen('approve-switch'));
  assert.deepEqual(over, ['told to stop']);
  assert.match(state.steps.find(({ id }) => id === 'provision')!.summary!, /watch\/demo\/documents has ended; moved aside; an empty server/);
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  const called = lab.stubs.called();
  assert.ok(called.lastIndexOf('giveRoomBack') > called.lastIndexOf('removeTarget'), 'what was left there comes back once the target is gone');
  await assert.rejects(watch.signal(watchSignals.look.name));
});

test('a drill with a place of its own is restored there, whichever way its runbook goes, touches nothing else, and is deleted', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...withFailback, drillEnvironment: 'test' }) });
  for (const name of ['main', 'failback']) {
    const before = lab.stubs.calls.length;
    const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', purpose: 'drill', runbook: name }, name);
    await until(lab.run(), gateOpen('approve-switch'));
    await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
    assert.equal(((await entry.result()) as RunReport).outcome, 'done');
    const calls = lab.stubs.calls.slice(before);
    const places = calls.flatMap(({ input }) => {
      const { environment, target } = input as { environment?: string; target?: { environment?: string } };
      return [environment, target?.environment].filter((place) => place !== undefined);
    });
    assert.deepEqual([...new Set(places)], ['test'], name);
    for (const touching of ['fencePrimary', 'retirePrimary', 'makeRoom', 'admitTraffic', 'startTimeline', 'drainLog']) assert.ok(!calls.some((call) => call.name === touching), touching);
    assert.deepEqual(inputsOf(lab, 'removeTarget').at(-1)!['discard'], true);
  }
});

test('a drill and a partial restore move nothing aside, and only whole recoveries go home', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...withFailback, runbook: { ...runbook, steps } }), provisionTarget: () => Promise.reject(new HoldfastError('TargetNotEmpty', 'of another run')) });
  assert.match((await failureOf(await lab.start('recoverSystem', { ...failback, only: ['shop.orders'] }, 'partial'))).message, /A partial restore does not go home/);
  const drill = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill' });
  await until(lab.run(), stepIs('provision', 'failed'));
  await lab.run().signal('abort', { by: 'erik' });
  await failureOf(drill);
  assert.deepEqual([inputsOf(lab, 'makeRoom'), inputsOf(lab, 'giveRoomBack')], [[], []]);
});
