import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadSystemFile } from '../../activities/system-files.ts';
import { reportAccess } from '../../workflows/domain/access-report.ts';
import type { ActToRecord } from '../../workflows/contract.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { inputExamples } from '../../workflows/domain/inputs.ts';
import { entryWorkflows } from '../../workflows/domain/names.ts';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { details, failureOf, gateOpen, openLab, stateOf, stepIs, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

const named: SystemView = {
  ...view,
  people: {
    ada: { name: 'ada', roles: ['administrator'], proofs: [] },
    dana: { name: 'dana', roles: ['dr-team'], proofs: [] },
    fay: { name: 'fay', roles: ['dr-team'], proofs: [] },
    olaf: { name: 'olaf', roles: ['operator'], proofs: [] },
    sara: { name: 'sara', roles: ['security'], proofs: [] },
  },
};
const proving = { ...named, people: { ...named.people, fay: { name: 'fay', roles: ['dr-team'], proofs: ['totp' as const, 'signature' as const] } }, approvals: { 'approve-switch': { description: 'May it?', quorum: 1, people: ['fay', 'dana'], notRequester: true, proof: 'any' as const } } };

const lab = (t: Parameters<typeof openLab>[0]): Promise<Lab> => openLab(t, { loadSystem: () => Promise.resolve(named) });

test('a start is refused at once to whoever may not, and nothing was touched', async (t) => {
  const here = await lab(t);
  for (const type of entryWorkflows) {
    const input = { ...(JSON.parse(inputExamples[type]) as object), requestedBy: 'mallory' };
    const failure = await failureOf(await here.start(type, input, `${type}/mallory`));
    assert.equal(failure.type, 'NotPermitted', type);
    assert.match(failure.message, new RegExp(`^${type} of demo: mallory may not .* Roles that may .*administrator`));
  }
  assert.match((await failureOf(await here.start('backUpSystem', 'demo'))).message, /Nobody without a name may take a backup.*HINT: give your name in "requestedBy"/);
  assert.match((await failureOf(await here.start('exportRecoveryPoint', { ...(JSON.parse(inputExamples.exportRecoveryPoint) as object), requestedBy: 'olaf' }))).message, /olaf \(operator\) may not export/);
  assert.deepEqual([...new Set(here.stubs.called())], ['loadSystem', 'recordAct']);
  await (await here.start('backUpSystem', { system: 'demo', requestedBy: 'olaf' }, 'backup/olaf')).result();
});

test('every start is written down with who asked and whether they were let; a run that a workflow starts is not asked for again', async (t) => {
  const here = await lab(t);
  const recorded = (): unknown[] => here.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => {
    const { by, act, outcome, workflow, workflowId } = input as ActToRecord;
    return [by, act, outcome, workflow, workflowId];
  });
  await (await here.start('exportRecoveryPoint', { ...(JSON.parse(inputExamples.exportRecoveryPoint) as object), requestedBy: 'ada' }, 'export-1')).result();
  await failureOf(await here.start('exportRecoveryPoint', { ...(JSON.parse(inputExamples.exportRecoveryPoint) as object), requestedBy: 'olaf' }, 'export-2'));
  await (await here.start('backUpSystem', { system: 'demo', requestedBy: 'olaf' }, 'backup/olaf')).result();
  assert.deepEqual(recorded(), [
    ['ada', 'export', 'permitted', 'exportRecoveryPoint', 'export-1'],
    ['olaf', 'export', 'refused', 'exportRecoveryPoint', 'export-2'],
    ['olaf', 'back-up', 'permitted', 'backUpSystem', 'backup/olaf'],
  ]);
  // These do not wait for their record when they are let, and would end before it when they are not.
  for (const [type, act] of [['recoverSystem', 'recover'], ['openIncident', 'open-incident']] as const) {
    await failureOf(await here.start(type, { ...(JSON.parse(inputExamples[type]) as object), requestedBy: 'mallory' }, `refused/${type}`));
    assert.deepEqual(recorded().at(-1), ['mallory', act, 'refused', type, `refused/${type}`]);
  }
  await here.start('recoverSystem', { system: 'demo', requestedBy: 'dana', reason: 'disk lost' }, 'night');
  await until(here.run(), gateOpen('elevation'));
  assert.deepEqual(recorded().at(-1), ['dana', 'recover', 'elevated', 'recoverSystem', 'night']);
});

test('a store that takes no record: nothing is read or exported, and backups and recoveries go on', async (t) => {
  const here = await openLab(t, { loadSystem: () => Promise.resolve(named), recordAct: () => Promise.reject(new HoldfastError('StoreUnavailable', 'the store does not answer')) });
  const failure = await failureOf(await here.start('exportRecoveryPoint', { ...(JSON.parse(inputExamples.exportRecoveryPoint) as object), requestedBy: 'ada' }));
  assert.equal(failure.type, 'StoreUnavailable');
  assert.ok(!here.stubs.called().includes('writeExport'));
  await (await here.start('backUpSystem', { system: 'demo', requestedBy: 'olaf' })).result();
  await here.start('recoverSystem', { system: 'demo', requestedBy: 'ada' });
  await until(here.run(), gateOpen('approve-switch'));
});

test('a recovery that the DR team asks for waits for an administrator before it touches anything, and its elevation ends with it', async (t) => {
  const here = await lab(t);
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'dana', reason: 'disk lost' });
  const asked = await until(here.run(), gateOpen('elevation'));
  assert.deepEqual([...new Set(here.stubs.called())].filter((name) => name !== 'probeOldPrimary' && name !== 'recordAct'), ['loadSystem']);
  assert.match(asked.gates.find(({ gate }) => gate === 'elevation')!.description, /dana asks for a recovery of demo that their roles do not let them start alone: disk lost/);
  await assert.rejects(here.run().executeUpdate('approve', { args: [{ by: 'fay' }] }));
  await here.run().executeUpdate('approve', { args: [{ by: 'ada' }] });
  const run = await until(here.run(), gateOpen('approve-switch'));
  const { elevations } = reportAccess({ file: (await loadSystemFile('demo')).system, run, unread: null, at: run.startedAt });
  assert.deepEqual(elevations.map(({ person, approvedBy, until: ends, reason }) => [person, approvedBy, ends, /disk lost/.test(reason)]), [['dana', ['ada (claimed)'], run.elevation!.until, true]], 'the access report has it');
  // The gate names nobody: whoever the table lets approve is asked.
  await assert.rejects(here.run().executeUpdate('approve', { args: [{ by: 'sara' }] }));
  await here.run().signal('approve', { by: 'fay' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual(report.state.gates.map(({ gate, decisions }) => [gate, decisions.map(({ by }) => by)]), [['elevation', ['ada']], ['approve-switch', ['fay']]]);
  await here.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('an elevation is asked for with a reason, and ends after its time: then its person commands nothing, by name, until they were elevated anew, and the run goes on', async (t) => {
  const here = await lab(t);
  const refused = await failureOf(await here.start('recoverSystem', { system: 'demo', requestedBy: 'dana' }, 'no-reason'));
  assert.deepEqual([refused.type, /dana may recover production by elevation only, and an elevation is asked for with a reason: none was given\. HINT: say why in "reason"/.test(refused.message)], ['NotPermitted', true], refused.message);
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'dana', reason: 'disk lost' });
  await until(here.run(), gateOpen('elevation'));
  const tell = (name: string, input: object): Promise<unknown> => here.run().executeUpdate(name, { args: [input] });
  await tell('approve', { by: 'ada' });
  const first = await until(here.run(), gateOpen('approve-switch'));
  const { until: ends, at, reason } = first.elevation!;
  assert.deepEqual([Date.parse(ends) - Date.parse(at), /disk lost.*hold for 8h00m/.test(reason)], [8 * 3_600_000, true], reason);
  assert.ok(first.journal.some(({ about, what }) => about === 'elevation' && what === `dana is elevated until ${ends}`));
  await tell('hold', { by: 'dana' });
  await tell('resume', { by: 'dana' });
  assert.match((await refusedWith(tell('retry', { step: 'elevate', by: 'dana', reason: 'more' }))).message, /dana is elevated until/);

  await here.env.sleep('9h');
  assert.match((await refusedWith(tell('hold', { by: 'dana' }))).message, new RegExp(`The elevation of dana for this run, by ada \\(claimed\\), ended at ${ends}.*retry with \\{"step": "elevate", "by": "dana"`));
  await tell('comment', { by: 'dana', text: 'I am still here' });
  await tell('hold', { by: 'fay' });
  await tell('resume', { by: 'fay' });
  const { elevations } = reportAccess({ file: (await loadSystemFile('demo')).system, run: await stateOf(here.run()), unread: null, at: new Date(await here.env.currentTimeMs()).toISOString() });
  assert.deepEqual(elevations.map(({ person, approvedBy, ended }) => [person, approvedBy, ended]), [['dana', ['ada (claimed)'], true]]);

  assert.equal((await refusedWith(tell('retry', { step: 'elevate', by: 'dana' }))).type, 'BadInput');
  await tell('retry', { step: 'elevate', by: 'dana', reason: 'the night is long' });
  const asked = await stateOf(here.run());
  assert.ok(gateOpen('elevation')(asked) && stepIs('elevate', 'done')(asked), 'it is asked, and no step waits for it');
  assert.match((await refusedWith(tell('hold', { by: 'dana' }))).message, /ended at/);
  await assert.rejects(tell('approve', { gate: 'elevation', by: 'dana' }));
  await tell('approve', { gate: 'elevation', by: 'ada' });
  await tell('hold', { by: 'dana' });
  await tell('resume', { by: 'dana' });
  await tell('approve', { gate: 'approve-switch', by: 'fay' });
  const report = (await entry.result()) as RunReport;
  assert.match(report.state.elevation!.reason, /anew: the night is long/);
  assert.equal(report.outcome, 'done');
  await here.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('an administrator, and a drill of an operator, need no elevation', async (t) => {
  const here = await lab(t);
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'olaf', purpose: 'drill' });
  const state = await until(here.run(), gateOpen('approve-switch'));
  assert.ok(!state.gates.some(({ gate }) => gate === 'elevation'));
  await here.run().signal('abort', { by: 'ada' });
  await entry.result().catch(() => undefined);
});

/** What an update was refused with. */
async function refusedWith(work: Promise<unknown>): Promise<ApplicationFailure> {
  try {
    await work;
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) return error.cause;
    throw error;
  }
  throw new Error('accepted');
}

test('an update waits for its code to be checked and answers the truth; a signal’s answer is in the journal; an unanswered check fails closed, and five wrong codes lock a name out for a while', async (t) => {
  const here = await openLab(t, { loadSystem: () => Promise.resolve(proving) });
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'ada' });
  const run = here.run();
  await until(run, gateOpen('approve-switch'));
  const approve = (input: object): Promise<unknown> => run.executeUpdate('approve', { args: [input] });
  assert.match((await refusedWith(approve({ by: 'fay' }))).message, /takes no name that is only claimed/);
  assert.match((await refusedWith(approve({ by: 'dana', code: '123123' }))).message, /no TOTP secret of dana/);
  const wrong = await refusedWith(approve({ by: 'fay', code: '000000' }));
  assert.deepEqual([wrong.type, /approve: the one-time code is wrong/.test(wrong.message)], ['NotPermitted', true]);
  await entry.signal('approve', { by: 'fay', code: '000000' });
  const told = await until(run, ({ journal }) => journal.filter(({ what }) => /approve not accepted: the one-time code is wrong/.test(what)).length === 2);
  assert.equal(told.gates.find(({ gate }) => gate === 'approve-switch')!.status, 'open');
  const { checkProof } = here.stubs.answers;
  here.stubs.answers.checkProof = () => Promise.reject(new HoldfastError('BadSystemFile', 'the secret cannot be read'));
  assert.match((await refusedWith(approve({ by: 'fay', code: '123123' }))).message, /could not be checked: BadSystemFile: the secret cannot be read/);
  here.stubs.answers.checkProof = checkProof;
  // Two were wrong so far, and what could not be checked counts as none.
  for (let wrongCodes = 3; wrongCodes <= 5; wrongCodes += 1) await refusedWith(approve({ by: 'fay', code: '000000' }));
  const lockedOut = await refusedWith(approve({ by: 'fay', code: '123123' }));
  assert.deepEqual([lockedOut.type, /^approve: fay gave too many wrong codes: none is taken until \d{4}-.*Z\. A signature is\.$/.test(lockedOut.message)], ['NotPermitted', true], lockedOut.message);
  assert.match(await details(run), /5 wrong codes in the name of fay: none is taken until/);
  await here.env.sleep('16m');
  await approve({ by: 'fay', code: '123123' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual(report.state.gates.map(({ decisions }) => decisions.map(({ by, proof }) => [by, proof])), [[['fay', 'totp']]]);
  assert.doesNotMatch(JSON.stringify(report), /123123/);
  await here.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('while nobody answers, the gate reminds, calls others and asks anew, by timers of the run; a right that was handed on answers it', async (t) => {
  const gate = { description: 'May it?', quorum: 2, people: ['fay', 'dana'], notRequester: true, expiresAfter: 600_000, remindEvery: 240_000, escalate: [{ after: 300_000, to: ['sara'] }] };
  const here = await openLab(t, { loadSystem: () => Promise.resolve({ ...named, approvals: { 'approve-switch': gate } }) });
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'ada' });
  await until(here.run(), gateOpen('approve-switch'));
  await here.run().executeUpdate('approve', { args: [{ by: 'fay' }] });
  await here.env.sleep('11m');
  const state = await until(here.run(), ({ gates }) => gates[0]!.round === 2);
  const notes = state.journal.map(({ what }) => what).join('\n');
  assert.match(notes, /reminder: open for/);
  assert.match(notes, /escalated to sara/);
  assert.match(notes, /the approval of fay has lapsed/);
  assert.match((await refusedWith(here.run().executeUpdate('delegate', { args: [{ to: 'ada', by: 'dana' }] }))).message, /ada asked for this run/);
  assert.match((await refusedWith(here.run().executeUpdate('delegate', { args: [{ to: 'olaf', for: '2d', by: 'dana' }] }))).message, /a duration from 1m to 24h/);
  await here.run().executeUpdate('delegate', { args: [{ to: 'olaf', for: '2h', by: 'dana', reason: 'off duty' }] });
  await here.run().executeUpdate('approve', { args: [{ by: 'olaf' }] });
  await here.run().executeUpdate('approve', { args: [{ by: 'sara' }] });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual(report.state.gates[0]!.decisions.map(({ by, onBehalfOf }) => [by, onBehalfOf ?? null]), [['olaf', 'dana'], ['sara', null]]);
  await here.env.client.workflow.getHandle('archive/demo/documents').terminate();
});
