import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowFailedError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure, CancelledFailure, defaultPayloadConverter } from '@temporalio/common';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import { failureOf, gateOpen, openLab, stateOf, stepIs, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';
import { untilCancelled } from './until-cancelled.ts';

const request = { system: 'demo', requestedBy: 'dana' };

/** The failure that the UI's first line shows. */
/** Why an update was refused. */
async function refused(handle: WorkflowHandle, name: string, input?: unknown): Promise<ApplicationFailure> {
  try {
    if (input === undefined) await handle.executeUpdate(name);
    else await handle.executeUpdate<unknown, [unknown]>(name, { args: [input] });
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) return error.cause;
    throw error;
  }
  throw new Error(`${name} was accepted`);
}

async function atGate(lab: Lab, input: object = request): Promise<WorkflowHandle> {
  const entry = await lab.start('recoverSystem', input);
  await until(lab.run(), gateOpen('approve-switch'));
  return entry;
}

const notes = (state: RunState): string => state.journal.map(({ what }) => what).join('\n');
const inOrder = (called: string[], names: string[]): void => {
  let from = 0;
  for (const name of names) {
    const found = called.indexOf(name, from);
    assert.ok(found >= 0, `${name} after ${names[names.indexOf(name) - 1] ?? 'the start'}: ${called.join(' ')}`);
    from = found + 1;
  }
};

test('a recovery does its steps in order, and nothing is fenced before the approval', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  assert.ok(!lab.stubs.called().includes('fencePrimary'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  inOrder(lab.stubs.called(), [
    ...['loadSystem', 'claimEpoch', 'findRecoveryPoint', 'prepareRestore', 'restoreGroup', 'replayLog', 'buildIndexes', 'validateTarget', 'fencePrimary'],
    ...['drainLog', 'replayLog', 'buildIndexes', 'validateTarget', 'promoteTarget', 'admitTraffic', 'watchHealth', 'startTimeline', 'proveArchive', 'writeReport', 'releaseHold'],
  ]);
  const percents = lab.stubs.calls.flatMap(({ name, input }) => (name === 'admitTraffic' ? [(input as { percent: number }).percent] : []));
  assert.deepEqual(percents, [0, 10, 100]);
  assert.equal(report.outcome, 'done');
  assert.ok(report.state.steps.every(({ state }) => state === 'done'));
  assert.deepEqual(report.warnings, []);
  assert.equal(report.rto.met, true);
  assert.equal(report.rto.machineMs + report.rto.humanMs, report.rto.achievedMs);
  assert.ok(lab.stubs.called().includes('sealBackup'), 'a new base was taken');
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('the written report says what the run ends with, and what people have to see to', async (t) => {
  const lab = await openLab(t);
  const { prepareRestore } = lab.stubs.answers;
  lab.stubs.answers.prepareRestore = async (input) => ({ ...(await prepareRestore(input)), lacks: { what: 'nobody logs in as app', hint: 'ALTER ROLE app PASSWORD' } });
  const entry = await atGate(lab);
  await lab.run().signal('approve');
  const returned = (await entry.result()) as RunReport;
  const written = (lab.stubs.calls.find(({ name }) => name === 'writeReport')!.input as { report: RunReport }).report;
  assert.equal(written.outcome, 'done');
  assert.equal(written.state.status, 'done');
  assert.equal(written.warnings[0], 'restore: documents: nobody logs in as app HINT: ALTER ROLE app PASSWORD');
  assert.deepEqual(written.state.steps.map(({ id, state }) => [id, state]), returned.state.steps.map(({ id, state }) => [id, state]));
  assert.deepEqual(written.rto, returned.rto);
});

test('an approval by signal with no input, sent to the entry, approves the only open gate', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  await entry.signal('approve');
  const report = (await entry.result()) as RunReport;
  assert.deepEqual(report.state.gates[0]!.decisions.map(({ by, proof }) => [by, proof]), [['somebody (Temporal UI)', 'claimed']]);
  assert.match(report.warnings.join('\n'), /approve-switch: approved without a name: .*separation of duties\) could not be checked/);
});

test('an update is answered: refused with the reason, or accepted with what the run waits for', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  const run = lab.run();
  const wrongGate = await refused(run, 'approve', { gate: 'approve-swich', by: 'erik' });
  assert.equal(wrongGate.type, 'BadInput');
  assert.match(wrongGate.message, /no gate "approve-swich".*open: "approve-switch"/);
  const requester = await refused(run, 'approve', { by: 'dana' });
  assert.equal(requester.type, 'NotPermitted');
  const misspelt = await refused(run, 'approve', { gat: 'approve-switch' });
  assert.match(misspelt.message, /unknown field "gat".*Example/);
  const wrongType = await refused(run, 'approve', { gate: 7 });
  assert.match(wrongType.message, /field "gate" is 7/);
  const notFailed = await refused(run, 'retry', {});
  assert.equal(notFailed.type, 'NotWaiting');
  assert.match((await refused(run, 'skip', { step: 'validate' })).message, /field "reason" is missing/);
  assert.match((await refused(run, 'retry', { step: 'nope' })).message, /no step "nope"/);
  const answer = await run.executeUpdate<{ accepted: boolean }, [unknown]>('approve', { args: [{ by: 'erik' }] });
  assert.equal(answer.accepted, true);
  const again = await refused(run, 'approve', { gate: 'approve-switch', by: 'erik' });
  assert.match(again.message, /already approved/);
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
});

test('signals that cannot be obeyed are in the journal, and harm nothing', async (t) => {
  let goOn = (): void => undefined;
  const proved = new Promise<void>((resolve) => (goOn = resolve));
  const lab = await openLab(t, { buildIndexes: async () => (await proved, { indexes: 1, failed: [] }) });
  const entry = await lab.start('recoverSystem', request);
  const run = lab.run();
  await until(run, stepIs('build-indexes', 'running'));
  await run.signal('approve', { gate: 'approve-switch', by: 'erik' });
  await run.signal('approve', { gate: 'approve-switch', by: 'erik', resaon: 'x' });
  await run.signal('approve', 'yes');
  await run.signal('skip');
  goOn();
  const state = await until(run, gateOpen('approve-switch'));
  assert.match(notes(state), /not open yet: it opens with step "approve-switch"/);
  assert.match(notes(state), /unknown field "resaon"/);
  assert.match(notes(state), /approve not accepted: the input is "yes", expected an object/);
  assert.match(notes(state), /skip not accepted: field "reason" is missing/);
  assert.deepEqual(state.gates[0]!.decisions, []);
  await run.signal('approve', { by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
});

test('a rejection pauses the run; a retry asks again', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  await lab.run().signal('reject', { by: 'erik', reason: 'counts look odd' });
  const paused = await until(lab.run(), ({ status }) => status === 'paused');
  assert.match(paused.steps.find(({ id }) => id === 'approve-switch')!.error!.message, /rejected by erik: counts look odd/);
  await lab.run().signal('retry');
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
});

test('a failed validation pauses; a skip with a reason goes on and stands in the report', async (t) => {
  const lab = await openLab(t, {
    validateTarget: ({ validator }) =>
      Promise.resolve({ id: validator, ok: false, effect: 'gate', claim: 'equal to base and log', problems: ['shop.orders: 3 documents too few'], collections: [], collectionCount: 1 }),
    drainLog: () => Promise.resolve({ drained: false, to: null, note: 'its disk is gone' }),
  });
  const entry = await lab.start('recoverSystem', request);
  const paused = await until(lab.run(), ({ status }) => status === 'paused');
  assert.match(paused.steps.find(({ id }) => id === 'validate')!.error!.message, /3 documents too few/);
  await lab.run().executeUpdate('skip', { args: [{ by: 'erik', reason: 'known difference' }] });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.match(report.warnings.join('\n'), /validate: skipped by erik: known difference/);
  assert.match(report.warnings.join('\n'), /documents was not drained: its disk is gone/);
  assert.equal(report.validation[0]!.ok, false);
  assert.equal(report.outcome, 'done, with steps skipped');
});

test('a drained tail that failed its validation is validated again on a retry, though the old log is gone by then', async (t) => {
  const limits: string[] = [];
  const lab = await openLab(t, {
    drainLog: () => Promise.resolve(limits.length < 2 ? { drained: true, to: '1763700200-0000000005', note: 'to the fenced end' } : { drained: false, to: null, note: 'gone' }),
    validateTarget: ({ validator, limit }) => {
      limits.push(limit);
      // The first one is the step validate; the second the drain’s, which fails.
      return Promise.resolve({ id: validator, ok: limits.length !== 2, effect: 'gate', claim: 'equal to base and log', problems: ['shop.orders differs'], collections: [], collectionCount: 1 });
    },
  });
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('drain', 'failed'));
  await lab.run().signal('retry', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(limits.length, 3, 'validated again');
  assert.equal(limits[2], limits[1]);
  assert.match(report.state.steps.find(({ id }) => id === 'drain')!.summary!, /validated again/);
  const called = lab.stubs.called();
  assert.ok(called.lastIndexOf('validateTarget') < called.indexOf('promoteTarget'));
  assert.equal(called.filter((name) => name === 'buildIndexes').length, 3);
});

test('an unproved fence opens a second gate for another person, and the run never ends as plainly done', async (t) => {
  const lab = await openLab(t, {
    fencePrimary: () => Promise.resolve({ outcome: 'unproved', logReachable: false, evidence: ['no answer'], fencedAt: new Date().toISOString() }),
  });
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), gateOpen('accept-unproved-fence'));
  assert.equal((await refused(lab.run(), 'approve', { by: 'erik' })).type, 'NotPermitted');
  assert.equal((await refused(lab.run(), 'approve')).type, 'NotPermitted');
  await lab.run().signal('approve', { by: 'fay' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, fence unproved');
  assert.equal(report.state.steps.find(({ id }) => id === 'drain')!.state, 'skipped');
});

test('an abort at the gate undoes in reverse order; the run fails as Aborted with its report', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  await lab.run().signal('abort', { by: 'erik', reason: 'the primary is back' });
  const failure = await failureOf(entry);
  assert.equal(failure.type, 'Aborted');
  assert.match(failure.message, /aborted by erik: the primary is back/);
  const report = failure.details![0] as RunReport;
  assert.equal(report.outcome, 'aborted');
  assert.equal(report.state.steps.find(({ id }) => id === 'provision')!.state, 'undone');
  inOrder(lab.stubs.called(), ['removeTarget', 'releaseHold', 'writeReport']);
  assert.ok(!lab.stubs.called().includes('admitTraffic'), 'traffic was never touched');
});

test('cancelling the entry aborts the run: what works is cancelled and waited for, then undone', async (t) => {
  let ended = 0;
  const lab = await openLab(t, {
    restoreGroup: async () => {
      try {
        return await untilCancelled();
      } finally {
        ended += 1;
      }
    },
    removeTarget: () => {
      assert.equal(ended, 4, 'every group has ended before the target is removed');
      return Promise.resolve({ summary: 'removed' });
    },
  });
  const entry = await lab.start('recoverSystem', request);
  await until(lab.run(), stepIs('restore', 'running'));
  while (lab.stubs.called().filter((name) => name === 'restoreGroup').length < 4) await stateOf(lab.run());
  await entry.cancel();
  await assert.rejects(entry.result(), (error: unknown) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
  assert.ok(lab.stubs.called().includes('removeTarget'));
  assert.equal((await lab.run().describe()).status.name, 'FAILED');
});

test('cancelling the run itself unwinds it too, and ends it as cancelled', async (t) => {
  const lab = await openLab(t);
  await atGate(lab);
  await lab.run().cancel();
  await assert.rejects(lab.run().result(), (error: unknown) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
  assert.ok(lab.stubs.called().includes('removeTarget'));
});

test('a failed undo is stuck, says so, and a retry unwinds the rest', async (t) => {
  let broken = true;
  const lab = await openLab(t, {
    removeTarget: () => (broken ? Promise.reject(new HoldfastError('FenceFailed', 'the server does not stop')) : Promise.resolve({ summary: 'removed' })),
  });
  const entry = await atGate(lab);
  await lab.run().signal('abort', { by: 'erik' });
  const stuck = await until(lab.run(), ({ status }) => status === 'stuck');
  assert.match(stuck.warnings.join(), /provision: its undo failed: FenceFailed: the server does not stop/);
  broken = false;
  await lab.run().signal('retry');
  assert.equal((await failureOf(entry)).type, 'Aborted');
});

test('every undo failed in turn is stuck there; retried, all of it is undone in reverse order', async (t) => {
  const undos = ['unfencePrimary', 'removeTarget', 'releaseHold'] as const;
  const broken = new Set<string>(undos);
  const lab = await openLab(t, { promoteTarget: () => Promise.reject(new HoldfastError('ValidationFailed', 'no primary')) });
  for (const name of undos) {
    const works = lab.stubs.answers[name] as (input: unknown) => Promise<unknown>;
    const first = (input: unknown): Promise<unknown> => (broken.delete(name) ? Promise.reject(new HoldfastError('Unsupported', `${name} is broken`)) : works(input));
    Object.assign(lab.stubs.answers, { [name]: first });
  }
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('promote', 'failed'));
  await lab.run().signal('abort', { by: 'erik' });
  const stuck: string[] = [];
  while (stuck.length < undos.length) {
    const state = await until(lab.run(), ({ steps }) => steps.some((step) => step.state === 'stuck' && !stuck.includes(step.id)));
    const step = state.steps.find((candidate) => candidate.state === 'stuck')!;
    assert.equal(state.status, 'stuck');
    stuck.push(step.id);
    await lab.run().executeUpdate('retry', { args: [{ by: 'erik' }] });
  }
  const failure = await failureOf(entry);
  assert.deepEqual([stuck[0], [...stuck].sort()], ['fence', ['fence', 'find-point', 'provision']]);
  const states = (failure.details![0] as RunReport).state.steps.filter(({ id }) => stuck.includes(id)).map(({ state }) => state);
  assert.deepEqual(states, ['undone', 'undone', 'undone']);
});

test('after the new side took a write nothing turns back: abort is refused, a cancel is noted, the run ends well', async (t) => {
  let proved = false;
  const lab = await openLab(t, { proveArchive: () => Promise.resolve({ proved, position: '1763700300-0000000001', tookMs: 900 }) });
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('protect', 'failed'));
  assert.match((await refused(lab.run(), 'abort')).message, /cannot be turned back: the new side accepted a write/);
  await lab.run().cancel();
  await until(lab.run(), (state) => /abort not accepted/.test(notes(state)));
  proved = true;
  await lab.run().signal('retry');
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  assert.ok(!lab.stubs.called().includes('removeTarget'));
});

test('an abort while the new side fails its health check leaves it stuck, in maintenance, and keeps the target', async (t) => {
  const lab = await openLab(t, { watchHealth: () => Promise.reject(new HoldfastError('ValidationFailed', 'not healthy within 1m')) });
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('switch', 'failed'));
  await lab.run().signal('abort', { by: 'erik' });
  const stuck = await until(lab.run(), ({ status }) => status === 'stuck');
  assert.match(stuck.steps.find(({ id }) => id === 'switch')!.error!.message, /up to 10 % was let in/);
  await lab.run().signal('skip', { by: 'erik', reason: 'it stays as it is' });
  const failure = await failureOf(entry);
  assert.match((failure.details![0] as RunReport).warnings.join('\n'), /provision: not undone: a step that stands on it/);
  assert.ok(!lab.stubs.called().includes('removeTarget'));
  assert.ok(!lab.stubs.called().includes('unfencePrimary'));
});

test('every step failed in turn pauses there; retried, the run ends well', async (t) => {
  const activities = ['claimEpoch', 'findRecoveryPoint', 'provisionTarget', 'restoreGroup', 'replayLog', 'buildIndexes', 'validateTarget', 'fencePrimary', 'drainLog', 'promoteTarget', 'admitTraffic', 'startTimeline', 'writeReport'] as const;
  const broken = new Set<string>(activities);
  const lab = await openLab(t);
  for (const name of activities) {
    const works = lab.stubs.answers[name] as (input: unknown) => Promise<unknown>;
    const first = (input: unknown): Promise<unknown> => (broken.delete(name) ? Promise.reject(new HoldfastError('Tampered', `${name} is broken`)) : works(input));
    Object.assign(lab.stubs.answers, { [name]: first });
  }
  const entry = await lab.start('recoverSystem', request);
  const failed: string[] = [];
  for (;;) {
    const state = await until(lab.run(), ({ status, gates }) => status !== 'running' || gates.some((gate) => gate.status === 'open'));
    if (state.status === 'done') break;
    const step = state.steps.find((candidate) => candidate.state === 'failed');
    if (step) {
      failed.push(step.id);
      await lab.run().executeUpdate('retry', { args: [{ step: step.id, by: 'erik' }] });
    } else await lab.run().executeUpdate('approve', { args: [{ by: 'erik' }] });
  }
  assert.deepEqual([...new Set(failed)].sort(), ['build-indexes', 'declare', 'drain', 'fence', 'find-point', 'promote', 'protect', 'provision', 'replay', 'report', 'restore', 'switch', 'validate']);
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
});

test('two recoveries of one system: the second fails at once, names the first, and the first is unharmed', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  const second = await failureOf(await lab.start('recoverSystem', 'demo', 'another'));
  assert.equal(second.type, 'AlreadyRunning');
  assert.match(second.message, /workflow recover\/demo.*HINT/);
  await lab.run().signal('approve', { by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
});

test('bad input fails at once, names field, value and an example, and starts nothing', async (t) => {
  const lab = await openLab(t);
  const cases: [unknown, string, RegExp][] = [
    [undefined, 'BadInput', /no input.*for example \{"system": "demo"/],
    [{}, 'BadInput', /field "system" is missing/],
    [{ system: 'demo', targettime: 'x' }, 'BadInput', /unknown field "targettime"/],
    [{ system: 'demo', targetTime: 'yesterday' }, 'BadInput', /field "targetTime" is "yesterday", expected a time/],
    [{ system: 'demo', targetTime: '2099-01-01T00:00:00Z' }, 'TargetTimeInFuture', /2099/],
    [{ system: 'demo', incidentAt: '2099-01-01T00:00:00Z' }, 'BadInput', /incidentAt/],
    [{ system: 'demo', targetPosition: 'x' }, 'BadInput', /field "targetPosition" is "x", expected a log position/],
    [{ system: 'demo', purpose: 'test' }, 'BadInput', /field "purpose" is "test"/],
    [{ system: 'demo', takeOver: 'yes' }, 'BadInput', /field "takeOver" is "yes", expected true or false/],
    [7, 'BadInput', /the input is 7/],
    ['dmeo', 'UnknownSystem', /no system "dmeo".*known: demo/],
  ];
  for (const [input, type, text] of cases) {
    const failure = await failureOf(await lab.start('recoverSystem', input));
    assert.equal(failure.type, type, failure.message);
    assert.match(failure.message, text);
    assert.equal(failure.nonRetryable, true);
  }
  assert.deepEqual([...new Set(lab.stubs.called())], ['loadSystem']);
  assert.match((await failureOf(await lab.start('recoverSystem', 'demo', 'recover/demo'))).message, /lock of the run itself/);
});

test('a step type that only another build of the workers has is refused before anything is touched', async (t) => {
  const newer = runbookSchema.parse({ steps: [{ id: 'one', uses: 'declare' }, { id: 'two', uses: 'restor' }] });
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, runbook: newer }) });
  const failure = await failureOf(await lab.start('recoverSystem', 'demo'));
  assert.equal(failure.type, 'BadSystemFile');
  assert.match(failure.message, /runbook\.steps\[1\] \("two"\): unknown step type "restor"; this build has declare, find-recovery-point, provision/);
  assert.deepEqual([...new Set(lab.stubs.called())], ['loadSystem']);
});

test('the RTO clock warns and never kills; waiting for people is counted apart', async (t) => {
  const lab = await openLab(t);
  // The skipped clock is the server's alone: what a stub says of time must be of it too.
  const environmentNow = async (): Promise<string> => new Date(await lab.env.currentTimeMs()).toISOString();
  lab.stubs.answers.watchHealth = async () => ({ healthyForMs: 1_000, checks: 3, firstAcceptedWriteAt: await environmentNow() });
  const entry = await atGate(lab);
  await lab.env.sleep('2 hours');
  const state = await stateOf(lab.run());
  assert.equal(state.status, 'running');
  assert.deepEqual(state.warnings.filter((text) => text.includes('RTO objective')).map((text) => text.slice(0, 24)), ['50 % of the RTO objectiv', '75 % of the RTO objectiv', '90 % of the RTO objectiv', 'the RTO objective of 1h0']);
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.ok(report.rto.humanMs >= 7_100_000, String(report.rto.humanMs));
});

/** What a workflow's timers are for that neither came due nor were cancelled: what the UI's timeline draws as going on. */
async function timersOf(handle: WorkflowHandle): Promise<string[]> {
  const { events = [] } = await handle.fetchHistory();
  const over = new Set(events?.flatMap((event) => (event.timerFiredEventAttributes ?? event.timerCanceledEventAttributes)?.timerId ?? []));
  return (events ?? []).flatMap((event) => {
    const id = event.timerStartedEventAttributes?.timerId;
    return !id || over.has(id) ? [] : [defaultPayloadConverter.fromPayload<string>(event.userMetadata!.summary!)];
  });
}

test('no timer goes on for what is over: the timeline shows what is awaited', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  const waiting = await timersOf(lab.run());
  assert.deepEqual(waiting.filter((summary) => /^(budget|timeout|retry) of /.test(summary)), [], 'of the steps before it');
  assert.equal(waiting.filter((summary) => summary.endsWith('of the RTO objective')).length, 4);
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), ({ servedAt }) => servedAt !== null);
  await entry.result();
  assert.deepEqual(await timersOf(lab.run()), []);
  const { events } = await lab.run().fetchHistory();
  const served = events?.findIndex((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === 'startTimeline') ?? -1;
  const cancelled = events?.findIndex((event) => event.timerCanceledEventAttributes && events.some((start) => start.timerStartedEventAttributes?.timerId === event.timerCanceledEventAttributes?.timerId && defaultPayloadConverter.fromPayload<string>(start.userMetadata!.summary!).startsWith('100 %'))) ?? -1;
  assert.ok(cancelled > 0 && cancelled < served, 'the RTO is awaited no more once service is back');
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('a drill proves the data and leaves production alone', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab, { ...request, purpose: 'drill' });
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  for (const name of ['fencePrimary', 'admitTraffic', 'startTimeline', 'drainLog']) assert.ok(!lab.stubs.called().includes(name), name);
  inOrder(lab.stubs.called(), ['validateTarget', 'removeTarget']);
});

test('a moment that was asked for is passed on, and nothing after it is drained', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab, { ...request, targetTime: '2026-01-01T01:00:00+01:00' });
  const found = lab.stubs.calls.find(({ name }) => name === 'findRecoveryPoint')!.input as { target: unknown };
  assert.deepEqual(found.target, { targetTime: '2026-01-01T00:00:00.000Z' });
  await lab.run().signal('approve', { by: 'erik' });
  await entry.result();
  assert.ok(!lab.stubs.called().includes('drainLog'));
});

test('a system of two sources: each step does both', async (t) => {
  const sources = { documents: { engine: 'mongodb', environment: 'production' }, users: { engine: 'mongodb', environment: 'production' } };
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, sources }) });
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual(Object.keys(report.fence).sort(), ['documents', 'users']);
  assert.equal(report.points.length, 2);
  const promoted = lab.stubs.calls.flatMap(({ name, input }) => (name === 'promoteTarget' ? [(input as { target: { source: string } }).target.source] : []));
  assert.deepEqual(promoted.sort(), ['documents', 'users']);
});

test('an archive that still tails the old side is told that its source moved', async (t) => {
  const lab = await openLab(t);
  await (await lab.start('archiveLog', 'demo')).result();
  const archive = lab.env.client.workflow.getHandle('archive/demo/documents');
  const entry = await atGate(lab);
  await lab.run().signal('approve', { by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  const rounds = async (): Promise<number> => lab.stubs.called().filter((name) => name === 'archiveLog').length;
  while ((await rounds()) < 2) await archive.query('state');
  const { events } = await lab.run().fetchHistory();
  const refused = events?.filter((event) => event.startChildWorkflowExecutionFailedEventAttributes ?? event.signalExternalWorkflowExecutionFailedEventAttributes);
  assert.deepEqual(refused, [], 'that it runs already is expected, and stands nowhere as a failure');
  await archive.signal('stop');
  await archive.result();
});

test('the entry shows what the run shows: who is waited for, and what to send', async (t) => {
  const lab = await openLab(t);
  const entry = await atGate(lab);
  const details = async (): Promise<string> => {
    const metadata = await entry.query<{ currentDetails?: string; definition?: { signalDefinitions?: { name?: string; description?: string }[] } }>('__temporal_workflow_metadata');
    return metadata.currentDetails ?? '';
  };
  let shown = await details();
  while (!shown.includes('WAITING for approval')) shown = await details();
  assert.match(shown, /signal `approve` \(or `reject`\) with `\{"gate": "approve-switch", "by": "YOUR NAME"\}`/);
  assert.ok(Buffer.byteLength(shown) < 4_096);
  const help = await lab.run().query<string>('help');
  assert.match(help, /approve: Approve the gate that waits\..*Example/);
  const attributes = (await lab.run().describe()).typedSearchAttributes.getAll().map(({ key, value }) => [key.name, value]).filter(([name]) => String(name).startsWith('Holdfast'));
  assert.deepEqual(Object.fromEntries(attributes), { HoldfastSystem: 'demo', HoldfastPurpose: 'recovery', HoldfastPhase: 'waiting' });
  await lab.env.sleep('20m');
  const { currentDetails } = await lab.run().query<{ currentDetails: string }>('__temporal_workflow_metadata');
  const passed = /RTO: (?:(\d+)h)?(\d+)m/.exec(currentDetails)!;
  assert.ok(Number(passed[1] ?? 0) * 60 + Number(passed[2]) >= 18, `a clock that goes on while people are waited for, not ${currentDetails.slice(0, 200)}`);
});
