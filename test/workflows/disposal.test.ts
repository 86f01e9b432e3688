import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ActToRecord, Destroyed } from '../../workflows/contract.ts';
import type { DisposalResult } from '../../workflows/dispose-point.ts';
import { hours } from '../../workflows/domain/units.ts';
import { until } from '../harness/until.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { destroyed, view } from './stub-activities.ts';

const asks = { ...view, disposal: { approval: 'go' }, approvals: { go: { description: 'may it go?', quorum: 2, people: ['erik', 'fay', 'dana'], notRequester: true } } };
const input = { system: 'demo', point: 'B1', reason: 'a court ordered it', requestedBy: 'dana' };
const lockedFor = (ms: number, more: Partial<Destroyed> = {}): Destroyed => destroyed({ state: 'locked', why: 'its keys are locked', until: '2026-11-23T12:00:00.000Z', waitMs: ms, keysGone: false, objects: 0, ...more });
/** `passes`: what each call of `destroyPoint` comes to, the last one again and again. */
const open = (t: TestContext, passes: Destroyed[] = [destroyed()], of: object = view): Promise<Lab> =>
  openLab(t, { loadSystem: () => Promise.resolve({ ...view, ...of }), destroyPoint: () => Promise.resolve(passes.length > 1 ? passes.shift()! : passes[0]!) });
const inputOf = <T>(lab: Lab, name: string): T => lab.stubs.calls.find((call) => call.name === name)!.input as T;

test('nothing goes that the audit does not tell of; then the order, the keys, the rest, the certificate', async (t) => {
  const lab = await open(t);
  const result = (await (await lab.start('disposePoint', input)).result()) as DisposalResult;
  assert.equal(result.outcome, 'destroyed');
  assert.deepEqual(lab.stubs.called(), ['loadSystem', 'recordAct', 'planDisposal', 'claimEpoch', 'recordAct', 'orderDisposal', 'destroyPoint', 'certifyDisposal']);
  const acts = lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input: of }) => of as ActToRecord);
  assert.deepEqual(acts.map(({ act, by, outcome }) => [act, by, outcome]), [['dispose', 'dana', 'permitted'], ['dispose', 'dana', 'permitted']]);
  assert.match(acts[1]!.about, /documents\/B1 is destroyed: a court ordered it/);
  assert.deepEqual(inputOf<{ approvedBy: string[] }>(lab, 'orderDisposal').approvedBy, []);
  assert.equal(result.certificate!.certificate.steps.allGoneAt, destroyed().at);
});

test('a store that takes no record lets nothing go', async (t) => {
  const lab = await open(t);
  const { recordAct } = lab.stubs.answers;
  lab.stubs.answers.recordAct = (act) => (act.about.includes('is destroyed') ? Promise.reject(new Error('the store is away')) : recordAct(act));
  await failureOf(await lab.start('disposePoint', input));
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'orderDisposal' || name === 'destroyPoint'), []);
});

test('a lock is waited for by a timer, to its end by the store’s clock, and the details say until when', async (t) => {
  const lab = await open(t, [lockedFor(hours(3)), lockedFor(hours(2), { keysGone: true, why: '7 versions are locked', at: '2026-11-23T12:00:02.000Z' }), destroyed({ at: '2026-11-23T14:00:04.000Z' })]);
  const began = await lab.env.currentTimeMs();
  const handle = await lab.start('disposePoint', input);
  await until('it waits', async () => (await details(handle)).includes('waits') || undefined);
  assert.match(await details(handle), /waits 3h.*, for a lock that ends at 2026-11-23T12:00:00.000Z by the store’s clock: its keys are locked[\s\S]*its keys are there, and nobody is given it[\s\S]*holdfast mark B1 good/);
  const result = (await handle.result()) as DisposalResult;
  assert.ok((await lab.env.currentTimeMs()) - began >= hours(5));
  assert.equal(lab.stubs.called().filter((name) => name === 'destroyPoint').length, 3);
  assert.deepEqual(result.certificate!.certificate.steps, { orderedAt: '2026-11-22T12:00:00.000Z', keysGoneAt: '2026-11-23T12:00:02.000Z', allGoneAt: '2026-11-23T14:00:04.000Z' });
});

test('behind a wait of weeks it goes on as a new run, under the order of the first; a run that reads it is waited for, longer and longer', async (t) => {
  const lab = await open(t, [destroyed({ state: 'read', why: 'run R1 reads it', keysGone: false, objects: 0 }), destroyed({ state: 'read', why: 'run R1 reads it', keysGone: false, objects: 0 }), lockedFor(hours(24 * 30)), destroyed()]);
  const handle = await lab.start('disposePoint', input);
  const first = (await handle.describe()).runId;
  const result = (await handle.result()) as DisposalResult;
  assert.equal(result.outcome, 'destroyed');
  assert.notEqual((await lab.env.client.workflow.getHandle(handle.workflowId).describe()).runId, first);
  const runs = lab.stubs.calls.filter(({ name }) => name === 'orderDisposal' || name === 'destroyPoint' || name === 'certifyDisposal').map(({ input: of }) => (of as { run: string }).run);
  assert.deepEqual([...new Set(runs)], [first]);
  assert.equal(runs.length, 6, 'ordered once');
});

test('where the file names a gate, two who did not ask have to approve; their names are in the order and the audit; who rejects ends it, and nothing is touched', async (t) => {
  const lab = await open(t, [destroyed()], asks);
  const waits = async (handle: Awaited<ReturnType<Lab['start']>>): Promise<unknown> => await until('it asks', async () => (await details(handle)).includes('waits for people') || undefined);
  const rejected = await lab.start('disposePoint', input, 'rejected');
  await waits(rejected);
  await rejected.executeUpdate('reject', { args: [{ by: 'erik', reason: 'an audit is on' }] });
  assert.deepEqual([((await rejected.result()) as DisposalResult).outcome, lab.stubs.called().includes('orderDisposal')], ['rejected', false]);
  const handle = await lab.start('disposePoint', input, 'approved');
  await waits(handle);
  await assert.rejects(handle.executeUpdate('approve', { args: [{ by: 'dana' }] }));
  await handle.executeUpdate('approve', { args: [{ by: 'erik' }] });
  await handle.signal('approve', { by: 'fay' });
  assert.equal(((await handle.result()) as DisposalResult).outcome, 'destroyed');
  assert.deepEqual(inputOf<{ approvedBy: string[] }>(lab, 'orderDisposal').approvedBy.map((name) => name.split(' ')[0]), ['erik', 'fay']);
  assert.match(lab.stubs.calls.flatMap(({ name, input: of }) => (name === 'recordAct' ? [(of as ActToRecord).about] : [])).find((about) => about.includes('is destroyed'))!, /approved by erik .*, fay .*: a court ordered it/);
});

test('what stands against it ends it by name; a dry run only says so; who may not is refused; what the store keeps without a lock is certified as left', async (t) => {
  const lab = await open(t);
  const { planDisposal } = lab.stubs.answers;
  lab.stubs.answers.planDisposal = async (of) => ({ ...(await planDisposal(of)), refused: ['run R1 reads it'] });
  assert.match((await failureOf(await lab.start('disposePoint', input, 'a'))).message, /demo\/documents: B1 is not disposed of: run R1 reads it/);
  const dry = (await (await lab.start('disposePoint', { ...input, dryRun: true }, 'b')).result()) as DisposalResult;
  assert.deepEqual([dry.outcome, dry.plan.refused, lab.stubs.called().includes('claimEpoch')], ['dry', ['run R1 reads it'], false]);
  lab.stubs.answers.planDisposal = planDisposal;
  const left = [{ what: 'k', why: 'the store refuses' }];
  lab.stubs.answers.destroyPoint = () => Promise.resolve(destroyed({ state: 'left', keysGone: false, left, leftCount: 1 }));
  const incomplete = (await (await lab.start('disposePoint', input, 'c')).result()) as DisposalResult;
  assert.deepEqual([incomplete.outcome, incomplete.certificate!.certificate.left, incomplete.certificate!.certificate.steps.keysGoneAt], ['incomplete', left, null]);
  lab.stubs.answers.destroyPoint = () => Promise.resolve(destroyed({ state: 'withdrawn', why: 'its mark was taken back', keysGone: false }));
  const withdrawn = (await (await lab.start('disposePoint', input, 'd')).result()) as DisposalResult;
  assert.deepEqual([withdrawn.outcome, withdrawn.why, withdrawn.certificate], ['withdrawn', 'its mark was taken back', null]);
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, people: { dana: { name: 'dana', roles: ['operator'], proofs: [] } } });
  assert.match((await failureOf(await lab.start('disposePoint', input, 'e'))).message, /dana \(operator\) may not dispose of keys and backups/);
});
