import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ActToRecord } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { until as eventually } from '../harness/until.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';

const quick = [join(import.meta.dirname, 'quick-retries.ts')];
const decided = ({ stubs }: Lab): ActToRecord[] => stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord).filter(({ workflow }) => workflow === 'runRecovery');

test('what people decide in a run, and what is refused of it, is in the audit in its order, each with who, why and when; a comment is not', async (t) => {
  let broken = true;
  const lab = await openLab(t);
  const { replayLog } = lab.stubs.answers;
  lab.stubs.answers.replayLog = (input) => (broken ? Promise.reject(new HoldfastError('ReplayFailed', 'stops at 7')) : replayLog(input));
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), stepIs('replay', 'failed'));
  await lab.run().signal('comment', { by: 'dana', text: 'looking at it' });
  await lab.run().signal('hold', { by: 'dana', reason: 'one moment' });
  await lab.run().signal('resume', { by: 'dana' });
  broken = false;
  await lab.run().signal('retry', { by: 'dana', reason: 'the disk is free again' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'wrong', by: 'erik' });
  await lab.run().executeUpdate('approve', { args: [{ by: 'erik', reason: 'looks right' }] });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  const acts = decided(lab);
  assert.deepEqual(acts.map(({ by, act, outcome }) => [by, act, outcome]), [['dana', 'hold', 'permitted'], ['dana', 'resume', 'permitted'], ['dana', 'retry', 'permitted'], ['erik', 'approve', 'refused'], ['erik', 'approve', 'permitted']]);
  const { workflowId, runId, system } = acts[4]!;
  assert.deepEqual([system, workflowId, runId.length], ['demo', 'recover/demo', 36]);
  assert.match(acts[2]!.about, /^replay: tried again: the disk is free again \(said at \d{4}-.+Z\)$/);
  assert.match(acts[3]!.about, /^run: approve not accepted: .*wrong.* \(said at /);
  assert.match(acts[4]!.about, /^approve-switch: approved, 1 of 1 \(name as claimed\): looks right \(said at /);
  const called = lab.stubs.called();
  assert.ok(called.lastIndexOf('recordAct') < called.lastIndexOf('writeReport'), 'before the evidence, which names the last record of the audit');
});

test('a store that takes no record holds no decision up: it takes effect, is tried again, and the report names what never got there', async (t) => {
  const dead = ({ workflow }: ActToRecord): Promise<{ number: number }> => (workflow === 'runRecovery' ? Promise.reject(new HoldfastError('StoreUnavailable', 'the store does not answer')) : Promise.resolve({ number: 1 }));
  const lab = await openLab(t, { recordAct: dead }, quick);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().executeUpdate('reject', { args: [{ by: 'erik', reason: 'look again' }] });
  await until(lab.run(), stepIs('approve-switch', 'failed'));
  await lab.run().executeUpdate('abort', { args: [{ by: 'erik', reason: 'enough' }] });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  assert.ok(decided(lab).length > 1, 'it was tried');
  const { report } = lab.stubs.calls.findLast(({ name }) => name === 'writeReport')!.input as { report: RunReport };
  const unwritten = report.warnings.flatMap((what) => /audit: not in the audit when the report was written, as the store did not take it: (\w+) by erik, permitted: /.exec(what)?.[1] ?? []);
  assert.deepEqual(unwritten, ['reject', 'abort'], report.warnings.join('\n'));
});

test('a record that the store refused for a while is written once it takes it, and nothing is said of it in the end', async (t) => {
  let away = true;
  const lab = await openLab(t, { recordAct: ({ workflow }) => (away && workflow === 'runRecovery' ? Promise.reject(new HoldfastError('StoreUnavailable', 'away')) : Promise.resolve({ number: 1 })) }, quick);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('hold', { by: 'dana' });
  await lab.run().signal('resume', { by: 'dana' });
  await eventually('the first was refused for good', async () => (await until(lab.run(), () => true)).warnings.some((what) => what.includes('decisions cannot be written into the audit for now')));
  away = false;
  await lab.run().signal('abort', { by: 'erik', reason: 'enough' });
  await entry.result().catch(() => undefined);
  const told = decided(lab).slice(-3).map(({ act }) => act);
  assert.deepEqual(told, ['hold', 'resume', 'abort']);
  const written = lab.stubs.calls.findLast(({ name }) => name === 'writeReport')!.input as { report: RunReport };
  assert.ok(!written.report.warnings.some((what) => what.includes('not in the audit')), written.report.warnings.join('\n'));
});
