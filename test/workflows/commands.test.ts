import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import type { ActToRecord } from '../../workflows/contract.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { details, gateOpen, openLab, stateOf, stepIs, until } from './lab.ts';
import { point, view } from './stub-activities.ts';
import { untilCancelled } from './until-cancelled.ts';

const update = async (handle: WorkflowHandle, name: string, input: object = {}): Promise<string> => {
  try {
    await handle.executeUpdate<unknown, [object]>(name, { args: [input] });
    return 'accepted';
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return String(error.cause?.message);
    throw error;
  }
};

test('choose while the restore runs: its activities are cancelled, the target is removed and made anew, and the approval counts for the new data only', async (t) => {
  let ended = 0;
  let slow = true;
  const lab = await openLab(t);
  const { restoreGroup } = lab.stubs.answers;
  lab.stubs.answers.restoreGroup = async (input) => {
    if (!slow) return await restoreGroup(input);
    try {
      return await untilCancelled();
    } finally {
      ended += 1;
    }
  };
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', severity: 'P2' });
  const run = lab.run();
  await until(run, stepIs('restore', 'running'));
  while (lab.stubs.called().filter((name) => name === 'restoreGroup').length < 4) await stateOf(run);
  const removed = lab.stubs.answers.removeTarget;
  lab.stubs.answers.removeTarget = async (input) => {
    assert.equal(ended, 4, 'every group has ended before the target is removed');
    slow = false;
    return await removed(input);
  };
  const choice = { targetTime: '2026-11-21T02:58:00Z', by: 'erik', reason: 'corrupt since 02:59' };
  assert.match(await update(run, 'choose', { ...choice, targetTime: '2099-01-01T00:00:00Z' }), /in the future/);
  // Those that come while a task is at work come together with the next one: each is let in before any has been worked off.
  const tasks = Promise.all(Array.from({ length: 20 }, async (_, n) => await run.signal('comment', { text: `line ${n}`, by: 'gus' })));
  const answers = await Promise.all(Array.from({ length: 12 }, async (_, n) => await update(run, 'choose', { ...choice, by: `operator ${n}` })));
  const refused = answers.filter((answer) => /is being taken already|that the run goes to already/.test(answer));
  assert.deepEqual([answers.filter((answer) => answer === 'accepted').length, refused.length], [1, 11], `operators at once, one choice: ${answers.join(' | ')}`);
  await tasks;
  await until(run, gateOpen('approve-switch'));
  const asked = lab.stubs.calls.flatMap(({ name, input }) => (name === 'findRecoveryPoint' ? [(input as { target: unknown }).target] : []));
  assert.deepEqual(asked, [{}, { targetTime: '2026-11-21T02:58:00.000Z' }]);
  const called = lab.stubs.called();
  assert.ok(called.lastIndexOf('provisionTarget') > called.indexOf('removeTarget') && called.indexOf('releaseHold') < called.lastIndexOf('findRecoveryPoint'));
  assert.match(await details(run), /recovery point: 2026-11-21T02:58:00.000Z/);
  await run.signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.equal(report.state.severity, 'P2');
  assert.ok(!lab.stubs.called().includes('drainLog'), 'what came after the chosen moment is left out');
});

test('older: the bases that were given up are passed over, and the moment stays', async (t) => {
  let validations = 0;
  const lab = await openLab(t, {
    validateTarget: ({ validator }) => Promise.resolve({ id: validator, ok: ++validations > 1, effect: 'gate', claim: 'equal', problems: ['shop.orders differs'], collections: [], collectionCount: 1 }),
    findRecoveryPoint: ({ source, avoid }) => Promise.resolve({ ...point, source, base: { ...point.base, backup: avoid ? 'B0' : 'B1' } }),
  });
  const entry = await lab.start('recoverSystem', 'demo');
  await until(lab.run(), stepIs('validate', 'failed'));
  assert.equal(await update(lab.run(), 'choose', { older: true, by: 'erik', reason: 'the base is bad' }), 'accepted');
  await until(lab.run(), gateOpen('approve-switch'));
  const asked = lab.stubs.calls.flatMap(({ name, input }) => (name === 'findRecoveryPoint' ? [(input as { avoid?: string[] }).avoid ?? []] : []));
  assert.deepEqual(asked, [[], ['B1']]);
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, report.points.map(({ base }) => base.backup)], ['done', ['B0']]);
});

test('hold, resume, comment, extend and severity, by signal and by update: accepted once, refused by name, shown, and in the report', async (t) => {
  let goOn = (): void => undefined;
  const replayed = new Promise<void>((resolve) => (goOn = resolve));
  const lab = await openLab(t);
  const { replayLog } = lab.stubs.answers;
  lab.stubs.answers.replayLog = async (input) => (await replayed, await replayLog(input));
  const entry = await lab.start('recoverSystem', 'demo');
  const run = lab.run();
  await until(run, stepIs('replay', 'running'));
  await entry.signal('hold', { by: 'erik', reason: 'the vendor looks' });
  await until(run, ({ held }) => held?.by === 'erik');
  assert.match(await update(run, 'hold', { by: 'fay' }), /held already, by erik/);
  assert.match(await details(run), /\*\*HELD\*\* by erik/);
  goOn();
  const held = await until(run, ({ status }) => status === 'held');
  assert.equal(held.steps.find(({ id }) => id === 'build-indexes')!.state, 'pending');
  assert.equal(await update(run, 'comment', { by: 'erik', text: 'the disk is lost' }), 'accepted');
  assert.equal(await update(run, 'extend', { step: 'validate', budget: '9m', by: 'erik', reason: 'twice the data' }), 'accepted');
  assert.match(await update(run, 'extend', { step: 'validate', budget: '9m', by: 'erik', reason: 'twice the data' }), /has a budget of 9m00s already/);
  assert.equal(await update(run, 'severity', { severity: 'P1', by: 'erik' }), 'accepted');
  assert.match(await update(run, 'severity', { severity: 'P0', by: 'erik' }), /expected P1, P2, P3 or P4/);
  const attributes = (await run.describe()).typedSearchAttributes.getAll().map(({ key, value }) => `${key.name}=${String(value)}`);
  assert.ok(attributes.includes('HoldfastSeverity=P1') && attributes.includes('HoldfastPhase=held'), attributes.join(' '));
  await run.signal('resume');
  await until(run, gateOpen('approve-switch'));
  assert.match(await update(run, 'resume'), /not held/);
  await run.signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual([report.state.severity, report.state.steps.find(({ id }) => id === 'validate')!.budgetMs], ['P1', 540_000]);
  assert.match(report.state.journal.map(({ what, by }) => `${what} by ${by}`).join('\n'), /comment: the disk is lost by erik/);
});

test('extend, delegate, choose and escalate by signal, to the run or to the entry that people started: obeyed, and in the audit', async (t) => {
  const people = Object.fromEntries([['ada', 'administrator'], ['dana', 'dr-team'], ['erik', 'dr-team'], ['olaf', 'operator']].map(([name, role]) => [name, { name: name!, roles: [role!], proofs: [] }]));
  const approvals = { 'approve-switch': { description: 'May it?', quorum: 1, people: ['dana', 'erik'], notRequester: true } };
  const instead = runbookSchema.parse({ steps: [{ id: 'tell', uses: 'manual', with: { items: [{ id: 'all', do: 'tell all' }] } }] });
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, people, approvals, runbooks: { instead } }) });
  const entry = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', requestedBy: 'ada' });
  const run = lab.run();
  const found = (): number => lab.stubs.called().filter((name) => name === 'findRecoveryPoint').length;
  const by = 'dana';
  const signals: [to: WorkflowHandle, name: string, message: object, obeyed: (state: RunState) => boolean][] = [
    [run, 'extend', { step: 'fence', budget: '9m', by, reason: 'it is far away' }, ({ steps }) => steps.find(({ id }) => id === 'fence')!.budgetMs === 540_000],
    [entry, 'delegate', { to: 'olaf', for: '2h', by }, ({ gates }) => gates[0]!.delegations?.some(({ from, to }) => from === by && to === 'olaf') ?? false],
    [run, 'choose', { targetTime: '2026-11-21T02:58:00Z', by, reason: 'corrupt since 02:59' }, (state) => state.target?.targetTime === '2026-11-21T02:58:00.000Z' && found() === 2 && gateOpen('approve-switch')(state)],
    [entry, 'escalate', { runbook: 'instead', by, reason: 'more is broken' }, (state) => state.runbook === 'instead' && stepIs('tell', 'waiting')(state)],
  ];
  await until(run, gateOpen('approve-switch'));
  for (const [to, name, message, obeyed] of signals) {
    assert.ok(!obeyed(await stateOf(run)), name);
    await to.signal(name, message);
    await until(run, obeyed);
  }
  await run.signal('confirm', { by });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  const acts = lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord).filter(({ workflow }) => workflow === 'runRecovery');
  assert.deepEqual(acts.map(({ by: who, act, outcome }) => `${who} ${act} ${outcome}`), [...signals.map(([, name]) => name), 'confirm'].map((name) => `dana ${name} permitted`));
});

test('once traffic is let in, another recovery point is refused by name', async (t) => {
  const lab = await openLab(t, { watchHealth: () => Promise.reject(new HoldfastError('ValidationFailed', 'not healthy')) });
  const entry = await lab.start('recoverSystem', 'demo');
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('switch', 'failed'));
  assert.match(await update(lab.run(), 'choose', { older: true, by: 'erik', reason: 'x' }), /step "switch" has begun to let traffic in/);
  await lab.run().signal('skip', { by: 'erik', reason: 'the test ends' });
  await entry.result();
});
