import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { failureOf, openLab, stateOf, stepIs, until } from './lab.ts';
import { point, view } from './stub-activities.ts';
import { untilCancelled } from './until-cancelled.ts';

const runbook = (...steps: object[]): SystemView['runbook'] => runbookSchema.parse({ steps });
const loading = (extra: Partial<SystemView>): { loadSystem: () => Promise<SystemView> } => ({ loadSystem: () => Promise.resolve({ ...view, ...extra }) });
const confirm = (handle: WorkflowHandle, item: string): Promise<unknown> => handle.executeUpdate('confirm', { args: [{ item, by: 'erik' }] });

const data = [
  { id: 'declare', uses: 'declare' },
  { id: 'find', uses: 'find-recovery-point', needs: ['declare'] },
  { id: 'make', uses: 'provision', needs: ['declare'] },
  { id: 'load', uses: 'restore', needs: ['find', 'make'] },
  { id: 'log', uses: 'replay', needs: ['load'] },
];

test('conditions, a checklist, an approval before a step and a failure that is gone on from, in one drill', async (t) => {
  const lab = await openLab(t, {
    ...loading({
      approvals: { 'may-validate': { description: 'May it be read?', quorum: 1, people: [], notRequester: true } },
      runbook: runbook(
        ...data,
        { id: 'indexes', uses: 'build-indexes', needs: ['log'], onFailure: 'continue' },
        { id: 'look', uses: 'manual', needs: ['indexes'], when: { step: 'indexes', is: 'failed' }, with: { items: [{ id: 'size', do: 'look at the size' }, { id: 'log', do: 'read the log' }] } },
        { id: 'tell', uses: 'manual', needs: ['indexes'], when: { purpose: 'recovery' }, with: { items: [{ id: 'all', do: 'tell all' }] } },
        { id: 'validate', uses: 'validate', needs: ['look', 'tell'], approval: 'may-validate' },
      ),
    }),
    buildIndexes: () => Promise.reject(new HoldfastError('ValidationFailed', 'a unique index holds doubles')),
  });
  const entry = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill' });
  await until(lab.run(), stepIs('look', 'waiting'));
  await confirm(lab.run(), 'log');
  await assert.rejects(confirm(lab.run(), 'log'), (error: Error) => /confirmed already, by erik/.test(String(error.cause)));
  assert.ok(!lab.stubs.called().includes('validateTarget'));
  await confirm(lab.run(), 'size');
  await until(lab.run(), stepIs('validate', 'waiting'));
  assert.ok(!lab.stubs.called().includes('validateTarget'), 'not before its gate is approved');
  await lab.run().signal('approve', { gate: 'may-validate', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  const states = Object.fromEntries(report.state.steps.map(({ id, state }) => [id, state]));
  assert.deepEqual([states['indexes'], states['look'], states['tell'], states['validate']], ['skipped', 'done', 'skipped', 'done']);
  assert.equal(report.outcome, 'done, with steps skipped');
});

test('a step that takes longer than its timeout is cancelled, waited for, and has failed by name', async (t) => {
  let ended = false;
  const lab = await openLab(t, loading({ runbook: runbook(...data.slice(0, 3), { ...data[3], timeout: '2s' }) }));
  lab.stubs.answers.restoreGroup = async () => {
    try {
      return await untilCancelled();
    } finally {
      ended = true;
    }
  };
  const entry = await lab.start('recoverSystem', 'demo');
  await until(lab.run(), stepIs('load', 'running'));
  // Time is not skipped while an activity runs, so the timeout is a short one.
  const state = await until(lab.run(), stepIs('load', 'failed'));
  assert.ok(ended);
  assert.deepEqual(state.steps.find(({ id }) => id === 'load')!.error!.type, 'TimedOut');
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
});

test('sources side by side, each in its own row: a step of one source touches that one alone', async (t) => {
  const sources = { documents: { engine: 'mongodb', environment: 'production' }, users: { engine: 'mongodb', environment: 'production' } };
  const rows = data.map((step) => (step.id === 'declare' ? step : { ...step, foreach: 'sources' }));
  const lab = await openLab(t, loading({ sources, runbook: runbook(...rows, { id: 'validate', uses: 'validate', needs: ['log'], source: 'users' }) }));
  const entry = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual(report.state.steps.map(({ id }) => id), ['declare', 'find-documents', 'find-users', 'make-documents', 'make-users', 'load-documents', 'load-users', 'log-documents', 'log-users', 'validate']);
  const of = (name: string): string[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => (input as { target: { source: string } }).target.source).sort();
  assert.deepEqual([of('replayLog'), of('validateTarget')], [['documents', 'users'], ['users']]);
  assert.deepEqual(report.points.map(({ source }) => source).sort(), ['documents', 'users']);
});

test('a component runbook that fails escalates to the full one: undone first, one run, one clock; nobody starts it with a name that is not there', async (t) => {
  let broken = true;
  const lab = await openLab(t, {
    ...loading({
      runbook: runbook({ id: 'all', uses: 'runbook', with: { runbook: 'data' } }),
      runbooks: { data: runbook(...data), component: runbook(...data.map((step) => (step.id === 'log' ? { ...step, onFailure: { escalate: 'main' } } : step))) },
    }),
    replayLog: () => (broken ? Promise.reject(new HoldfastError('ReplayFailed', 'stops at 7')) : Promise.resolve({ appliedTo: point.reaches, appliedToAt: null, entries: 1, operations: 1, slices: 1, discardedTransactions: 0 })),
  });
  lab.stubs.answers.removeTarget = () => {
    broken = false;
    return Promise.resolve({ summary: 'removed' });
  };
  assert.match((await failureOf(await lab.start('recoverSystem', { system: 'demo', runbook: 'componet' }, 'wrong'))).message, /field "runbook" is "componet", and demo has main, data, component/);
  const entry = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', runbook: 'component' });
  const report = (await entry.result()) as RunReport;
  const called = lab.stubs.called();
  assert.deepEqual([report.outcome, report.state.runbook, report.state.escalations!.map(({ from, to }) => `${from} → ${to}`)], ['done', 'main', ['component → main']]);
  assert.deepEqual(report.state.steps.map(({ id }) => id), data.map(({ id }) => `all-${id}`));
  assert.ok(called.indexOf('removeTarget') < called.lastIndexOf('provisionTarget'), 'the target of the first is gone before the second makes one');
  assert.match(report.warnings.join('\n'), /log: failed, and the run goes on by runbook main/);
});

test('a failed validation goes to an older base by itself, so many times, and then waits for a person', async (t) => {
  let bases = 0;
  const lab = await openLab(t, {
    ...loading({ runbook: runbook(...data, { id: 'validate', uses: 'validate', needs: ['log'], onFailure: { goto: 'find', atMost: 2 } }) }),
    findRecoveryPoint: ({ source }) => Promise.resolve({ ...point, source, base: { ...point.base, backup: `B${++bases}` } }),
    validateTarget: ({ validator }) => Promise.resolve({ id: validator, ok: false, effect: 'gate', claim: 'equal', problems: ['differs'], collections: [], collectionCount: 1 }),
  });
  const entry = await lab.start('recoverSystem', 'demo');
  await until(lab.run(), ({ status }) => status === 'paused');
  const avoided = lab.stubs.calls.flatMap(({ name, input }) => (name === 'findRecoveryPoint' ? [(input as { avoid?: string[] }).avoid ?? []] : []));
  assert.deepEqual(avoided, [[], ['B1'], ['B1', 'B2']]);
  assert.equal(lab.stubs.called().filter((name) => name === 'removeTarget').length, 2);
  assert.match((await stateOf(lab.run())).journal.map(({ what }) => what).join('\n'), /2 were, and that is the bound/);
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
});

test('undo of a step: what its type takes back, then a program, then a person, who is told; stuck where the program fails, and nothing before it is undone', async (t) => {
  let programs = 0;
  const lab = await openLab(t, {
    ...loading({
      commands: { 'dns-back': { undo: false } },
      notify: { receivers: [{ name: 'ops', kind: 'webhook', audience: 'internal', phases: ['confirm', 'stuck'], drills: true }], updateEveryMs: { internal: 900_000, external: 900_000 }, external: null },
      runbook: runbook(
        ...data.slice(0, 2),
        { ...data[2], undo: { command: 'dns-back', inDrills: true, manual: 'Take the name of the target away' } },
        { id: 'look', uses: 'manual', needs: ['make'], with: { items: [{ id: 'size', do: 'look at the size' }] }, undo: { command: 'dns-back' } },
      ),
    }),
    runCommand: ({ command }) => (++programs === 1 ? Promise.reject(new HoldfastError('ValidationFailed', `${command} said no`)) : Promise.resolve({ summary: `${command} ended well` })),
  });
  const entry = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill' });
  await until(lab.run(), stepIs('look', 'waiting'));
  await lab.run().executeUpdate('abort', { args: [{ by: 'erik' }] });
  await until(lab.run(), ({ status }) => status === 'stuck');
  assert.ok(lab.stubs.called().indexOf('removeTarget') < lab.stubs.called().indexOf('runCommand'), 'what the type takes back by itself comes first');
  await lab.run().executeUpdate('retry', { args: [{ step: 'make', by: 'erik' }] });
  const asking = await until(lab.run(), stepIs('make', 'waiting'));
  assert.equal(asking.steps.find(({ id }) => id === 'look')!.summary, 'a drill leaves production alone', 'its program does not say that it may run in drills');
  assert.ok(!lab.stubs.called().includes('releaseHold'), 'what it stands on is not touched meanwhile');
  const answer = (await lab.run().executeUpdate('comment', { args: [{ by: 'erik', text: 'on it' }] })) as { waitsFor: string };
  assert.match(answer.waitsFor, /the undo of "make" waits to be confirmed: "undo"/);
  await confirm(lab.run(), 'undo');
  const failure = await failureOf(entry);
  assert.equal(failure.type, 'Aborted');
  const { state } = failure.details![0] as RunReport;
  const make = state.steps.find(({ id }) => id === 'make')!;
  assert.deepEqual([make.state, make.items!.map(({ id, by }) => `${id} ${by}`)], ['undone', ['undo erik']]);
  assert.match(make.summary!, /; dns-back ended well$/);
  assert.equal(lab.stubs.called().filter((name) => name === 'removeTarget').length, 2, 'each part of it is repeated with the whole');
  const said = lab.stubs.calls.flatMap(({ name, input }) => (name === 'notify' ? [(input as { notice: { phase: string; title: string; lines: string[]; answers: string[] } }).notice] : []));
  const asked = said.find(({ title }) => /UNDO BY HAND WAITS: make$/.test(title))!;
  assert.match(asked.lines.join('\n'), /to do: undo: Take the name of the target away/);
  assert.match(asked.answers.join('\n'), /holdfast confirm demo --step make --item undo --by YOUR-NAME/);
});
