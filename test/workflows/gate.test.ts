import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { WorkflowFailedError, WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { RetentionResult } from '../../workflows/apply-retention.ts';
import type { ActToRecord, ProofToCheck } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice, NotifyView } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import type { GateConfig } from '../../workflows/domain/system.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import { details, failureOf, gateOpen, openLab, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

/** The gate of a workflow that is no run of a runbook (workflows/gate.ts), at a retention. */

const notify: NotifyView = toNotifyView(notifySchema.parse({ updateEvery: { internal: '10m' }, receivers: { ops: { kind: 'slack', url: 'file:secret' } } }))!;
const person = (name: string, ...roles: string[]) => ({ name, roles, proofs: ['totp' as const, 'signature' as const] });
const people: SystemView['people'] = { ada: person('ada', 'administrator'), dana: person('dana', 'dr-team'), fay: person('fay', 'dr-team'), gus: person('gus', 'dr-team'), olaf: person('olaf', 'operator') };
const gate = (more: Partial<GateConfig>): GateConfig => ({ description: 'May it go?', quorum: 2, people: ['dana', 'fay', 'gus'], notRequester: true, ...more });

async function begin(t: TestContext, of: { gate?: GateConfig; waitMs?: number; people?: SystemView['people'] }): Promise<{ lab: Lab; handle: WorkflowHandle; told: Notice[]; update(name: string, input: object): Promise<unknown>; refused(name: string, input: object): Promise<string>; acts(): string[][] }> {
  const told: Notice[] = [];
  const loaded: SystemView = { ...view, people: of.people ?? people, notify, retention: { waitMs: of.waitMs ?? 0, ...(of.gate ? { approval: 'go' } : {}) }, approvals: of.gate ? { go: of.gate } : {} };
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(loaded), notify: ({ notice }) => Promise.resolve(told.push(notice)).then(() => ({ summary: 'ok' })) });
  const handle = await lab.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'ada' });
  await until(handle, gateOpen(of.gate ? 'go' : 'retention'));
  const update = (name: string, input: object): Promise<unknown> => handle.executeUpdate(name, { args: [input] });
  const refused = async (name: string, input: object): Promise<string> => {
    const error = await update(name, input).then(() => assert.fail('was accepted'), (thrown: unknown) => thrown);
    assert.ok(error instanceof WorkflowUpdateFailedError);
    return error.cause!.message;
  };
  const acts = (): string[][] => lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord).map(({ by, act, about, outcome }) => [by ?? '', act, about, outcome]);
  return { lab, handle, told, update, refused, acts };
}

const resultOf = async (handle: WorkflowHandle): Promise<RetentionResult> => (await handle.result()) as RetentionResult;

test('a gate that asks for proof takes no bare name; what is proved says what goes, and the audit has who proved it and how', async (t) => {
  const { lab, handle, update, refused, acts } = await begin(t, { gate: gate({ proof: 'any' }) });
  assert.match(await refused('approve', { by: 'dana' }), /takes no name that is only claimed, but a one-time code or a signature: .*holdfast approve demo --workflow entry\/applyRetention --gate go --by YOUR-NAME --code 123456/);
  assert.match(await refused('approve', { by: 'ada', code: '123123' }), /ada asked for this run|answered by/);
  assert.match(await refused('approve', { by: 'dana', code: '000000' }), /the one-time code is wrong/);
  await handle.signal('approve', { by: 'dana', code: '000000' });
  await until(handle, ({ journal }) => journal.filter(({ what }) => /approve not accepted: the one-time code is wrong/.test(what)).length === 2);
  await update('approve', { by: 'dana', code: '123123' });
  assert.equal(lab.stubs.called().includes('expire'), false);
  await update('approve', { by: 'fay', signature: { at: '2026-11-22T00:00:00Z', nonce: '0'.repeat(32), value: 'x' } }).then(() => assert.fail('the stub takes no signature'), () => undefined);
  lab.stubs.answers.checkProof = () => Promise.reject(new HoldfastError('BadSystemFile', 'the secret cannot be read'));
  assert.match(await refused('approve', { by: 'fay', code: '123123' }), /could not be checked/);
  lab.stubs.answers.checkProof = () => Promise.resolve({ ok: true, wrong: false, why: 'a signature' });
  await update('approve', { by: 'fay', signature: { at: '2026-11-22T00:00:00Z', nonce: '1'.repeat(32), value: 'x' } });
  assert.equal((await resultOf(handle)).outcome, 'applied');
  const refusals = (by: string): string[] => [`${by} approve refused`, `${by} approve refused`];
  const checks = lab.stubs.calls.filter(({ name }) => name === 'checkProof').map(({ input }) => input as ProofToCheck);
  const { runId } = await handle.describe();
  assert.deepEqual([checks[0]!.shown.purpose, checks[0]!.shown.gate, checks[0]!.shown.run, new Set(checks.map(({ check }) => check)).size], ['retention', 'go', runId, 6]);
  assert.match(checks[0]!.shown.description, /^May it go\? Of documents 1 of 3 bases, 3 of 3 slices go, 800 B\.$/);
  assert.deepEqual(acts().map(([by, act, , outcome]) => `${by} ${act} ${outcome}`), ['ada retain permitted', ...refusals('dana'), 'dana approve permitted', ...refusals('fay'), 'fay approve permitted', 'ada dispose permitted']);
  assert.match(acts()[3]![2]!, /^go: approved, 1 of 2 \(proved by one-time code\) \(said at \d{4}-.+Z\)$/);
  assert.match(acts()[7]![2]!, /^approved by dana \(totp\), fay \(signature\); /);
});

test('while nobody answers, the gate of a retention reminds, calls others and asks anew, and tells only whoever is asked', async (t) => {
  const { lab, handle, told, update, acts } = await begin(t, { gate: gate({ expiresAfter: minutes(10), remindEvery: minutes(4), escalate: [{ after: minutes(5), to: ['olaf'] }] }) });
  await update('approve', { by: 'fay' });
  await lab.env.sleep('11m');
  const state = await until(handle, ({ gates }) => gates[0]!.round === 2);
  const notes = state.journal.map(({ what }) => what).join('\n');
  for (const wanted of [/reminder: open for/, /escalated to olaf/, /the approval of fay has lapsed/]) assert.match(notes, wanted);
  await update('delegate', { to: 'olaf', for: '2h', by: 'dana' }).then(() => assert.fail('olaf answers already'), () => undefined);
  await update('approve', { by: 'fay' });
  await update('approve', { by: 'olaf' });
  assert.equal((await resultOf(handle)).outcome, 'applied');
  assert.deepEqual([...new Set(told.map(({ phase }) => phase))], ['approval', 'answered']);
  assert.deepEqual(told.filter(({ phase }) => phase === 'approval').map(({ severity }) => severity), ['warning', 'warning', 'warning', 'warning', 'warning']);
  assert.match(told[0]!.title, /APPROVAL WANTED for retention: go/);
  assert.match(told[0]!.lines.join('\n'), /1 of 3 bases[\s\S]*approvals: 0 of 2, by dana, fay, gus/);
  assert.match(told[0]!.answers.join('\n'), /holdfast approve demo --workflow entry\/applyRetention --gate go/);
  assert.match(told.at(-1)!.title, /go: approved by fay, olaf/);
  // The same person twice, in two rounds: two decisions.
  assert.deepEqual(acts().filter(([, act]) => act === 'approve').map(([by, , about]) => [by, /approved, (\d of \d)/.exec(about!)![1]]), [['fay', '1 of 2'], ['fay', '1 of 2'], ['olaf', '2 of 2']]);
});

test('approvals that come together while it waits neither lapse nor hurry it; somebody can still say no', async (t) => {
  const asked = { gate: gate({ expiresAfter: minutes(10), remindEvery: minutes(4) }), waitMs: hours(1) };
  const { lab, handle, told, update, refused } = await begin(t, asked);
  const began = await lab.env.currentTimeMs();
  await update('approve', { by: 'dana' });
  await update('approve', { by: 'fay' });
  await lab.env.sleep('40m');
  assert.deepEqual([lab.stubs.called().includes('expire'), told.length], [false, 1]);
  assert.match(await refused('approve', { by: 'gus' }), /has its 2 approvals, and waits until/);
  assert.match(await details(handle), /waits for people[\s\S]*2 of 2, by dana, fay, gus; begins at[\s\S]*goes: base B1/);
  assert.equal((await resultOf(handle)).outcome, 'applied');
  assert.ok((await lab.env.currentTimeMs()) - began >= hours(1));
  const again = await lab.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'ada' }, 'again');
  await until(again, gateOpen('go'));
  for (const by of ['dana', 'fay']) await again.executeUpdate('approve', { args: [{ by }] });
  await again.executeUpdate('reject', { args: [{ by: 'gus', reason: 'an audit is on' }] });
  const { outcome, by } = await resultOf(again);
  assert.deepEqual([outcome, by, lab.stubs.called().filter((name) => name === 'expire').length], ['rejected', 'gus', 1]);
  assert.match(told.at(-1)!.title, /go: rejected by dana, fay, gus/);
});

test('where no gate is named nobody is asked or told; the details say how to say no, and who may', async (t) => {
  const { handle, told, update, refused, acts } = await begin(t, { waitMs: hours(1) });
  assert.match(await details(handle), /### BEGINS at .*, unless somebody rejects it[\s\S]*who can: ada, dana, fay, gus[\s\S]*holdfast reject demo --workflow entry\/applyRetention --gate retention --by YOUR-NAME/);
  assert.match(await refused('approve', { by: 'dana' }), /No approval is asked for: it begins at /);
  assert.match(await refused('reject', { by: 'olaf' }), /answered by .*, not by olaf/);
  await update('reject', { by: 'dana', reason: 'an audit is on' });
  assert.deepEqual([(await resultOf(handle)).by, told], ['dana', []]);
  assert.match(acts().at(-1)!.join(' '), /dana reject retention: rejected \(name as claimed\): an audit is on/);
});

test('what is sent before it waits is refused, and approves nothing', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, people: undefined, retention: { waitMs: 0, approval: 'go' }, approvals: { go: gate({ quorum: 1, people: [] }) } }) });
  const { planRetention } = lab.stubs.answers;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  lab.stubs.answers.planRetention = async (input) => {
    await released;
    return await planRetention(input);
  };
  const handle = await lab.start('applyRetention', { system: 'demo', apply: true });
  while (!lab.stubs.called().includes('planRetention')) await handle.describe();
  await handle.signal('approve', { by: 'dana' });
  await assert.rejects(handle.executeUpdate('approve', { args: [{ by: 'dana' }] }), (error: WorkflowUpdateFailedError) => /Nothing waits for people yet/.test(error.cause!.message));
  release();
  const { journal } = await until(handle, gateOpen('go'));
  assert.match(journal.map(({ what }) => what).join('\n'), /approve not accepted: nothing waited for people yet/);
  await handle.signal('approve', { by: 'dana' });
  assert.equal((await resultOf(handle)).outcome, 'applied');
});

test('cancelled while it waits, and where the audit cannot be written, nothing goes', async (t) => {
  const { lab, handle } = await begin(t, { gate: gate({ quorum: 1 }) });
  await handle.cancel();
  await assert.rejects(handle.result(), (error: unknown) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
  const again = await lab.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'ada' }, 'again');
  await until(again, gateOpen('go'));
  lab.stubs.answers.recordAct = () => Promise.reject(new HoldfastError('NotPermitted', 'the store takes no record'));
  await again.signal('approve', { by: 'dana' });
  assert.match((await failureOf(again)).message, /the store takes no record/);
  assert.equal(lab.stubs.called().includes('expire'), false);
});
