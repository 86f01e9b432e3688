import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import type { RetentionResult } from '../../workflows/apply-retention.ts';
import type { ActToRecord } from '../../workflows/contract.ts';
import { hours } from '../../workflows/domain/units.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

const waits = { ...view, retention: { waitMs: hours(1) } };
const asks = { ...view, retention: { waitMs: hours(1), approval: 'go' }, approvals: { go: { description: 'may it go?', quorum: 2, people: ['erik', 'fay', 'dana'], notRequester: true } } };
const open = (t: TestContext, of: object = waits): Promise<Lab> => openLab(t, { loadSystem: () => Promise.resolve({ ...view, ...of }) });
const apply = (lab: Lab) => lab.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'dana' });

test('a dry run says why each base stays or goes, and asks nobody to touch anything', async (t) => {
  const lab = await open(t);
  const handle = await lab.start('applyRetention', 'demo');
  const result = (await handle.result()) as RetentionResult;
  assert.deepEqual([result.outcome, result.plans[0]!.totals], ['dry', { bases: 3, basesThatGo: 1, slices: 3, slicesThatGo: 3, unfinishedThatGo: 0, bytesThatGo: 800 }]);
  assert.match(await details(handle), /goes: base B1 of .*: no rule keeps it: 45 days old[\s\S]*stays: base B2 of .*: the first of the day/);
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'expire' || name === 'claimEpoch'), []);
  assert.equal((lab.stubs.calls.find(({ name }) => name === 'planRetention')!.input as { run?: string }).run, undefined);
});

test('applied it waits its time, then lets go what was planned under its own run, and the audit has it', async (t) => {
  const lab = await open(t);
  const began = await lab.env.currentTimeMs();
  const handle = await apply(lab);
  const result = (await handle.result()) as RetentionResult;
  assert.deepEqual([result.outcome, result.expired[0]!.bases], ['applied', 1]);
  assert.ok((await lab.env.currentTimeMs()) - began >= hours(1));
  const planned = lab.stubs.calls.find(({ name }) => name === 'planRetention')!.input as { run: string };
  const expired = lab.stubs.calls.find(({ name }) => name === 'expire')!.input as { run: string; epoch: number };
  assert.deepEqual([expired.run, expired.epoch], [planned.run, 1]);
  const acts = lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord);
  assert.deepEqual(acts.map(({ act }) => act), ['retain', 'dispose']);
  assert.match(acts[1]!.about, /1 bases and 3 slices are gone/);
});

test('somebody who says no in time is obeyed, and nothing goes', async (t) => {
  const lab = await open(t);
  const handle = await apply(lab);
  await lab.env.sleep('10m');
  await handle.executeUpdate('reject', { args: [{ by: 'erik', reason: 'an audit is on' }] });
  const result = (await handle.result()) as RetentionResult;
  assert.deepEqual([result.outcome, result.by, lab.stubs.called().includes('expire')], ['rejected', 'erik', false]);
});

test('where the file names a gate, so many different people who did not ask have to approve, each once', async (t) => {
  const lab = await open(t, asks);
  const handle = await apply(lab);
  await lab.env.sleep('2h');
  assert.equal(lab.stubs.called().includes('expire'), false);
  const refused = async (by: string): Promise<string> => {
    const error = await handle.executeUpdate('approve', { args: [{ by }] }).then(() => assert.fail('was accepted'), (thrown: unknown) => thrown);
    assert.ok(error instanceof WorkflowUpdateFailedError);
    return error.cause!.message;
  };
  assert.match(await refused('dana'), /dana asked for this run, and so cannot approve gate "go"/);
  assert.match(await refused('gus'), /Gate "go" is answered by "erik", "fay", "dana", not by gus/);
  await handle.executeUpdate('approve', { args: [{ by: 'erik' }] });
  assert.match(await refused('erik'), /erik has already decided on gate "go"/);
  await handle.signal('approve', { by: 'fay' });
  assert.equal(((await handle.result()) as RetentionResult).outcome, 'applied');
  assert.match((lab.stubs.calls.filter(({ name }) => name === 'recordAct').at(-1)!.input as ActToRecord).about, /approved by erik \(claimed\), fay \(claimed\)/);
});

test('where nothing goes nobody is asked; who may not is refused', async (t) => {
  const lab = await open(t, asks);
  const { planRetention } = lab.stubs.answers;
  lab.stubs.answers.planRetention = async (input) => {
    const { summary, plan } = await planRetention(input);
    return { plan, summary: { ...summary, totals: { ...summary.totals, basesThatGo: 0, slicesThatGo: 0 } } };
  };
  assert.equal(((await (await apply(lab)).result()) as RetentionResult).outcome, 'idle');
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, ...asks, people: { dana: { name: 'dana', roles: ['security'], proofs: [] } } });
  assert.match((await failureOf(await lab.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'dana' }, 'b'))).message, /dana \(security\) may not let go/);
});
