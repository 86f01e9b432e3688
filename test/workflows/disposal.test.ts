import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ActToRecord, Destroyed } from '../../workflows/contract.ts';
import type { DisposalOfAll } from '../../workflows/dispose-all.ts';
import type { DisposalResult } from '../../workflows/dispose-point.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { hours, seconds } from '../../workflows/domain/units.ts';
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
  const { outcome, about } = lab.stubs.calls.findLast(({ name }) => name === 'recordAct')!.input as ActToRecord;
  assert.deepEqual([outcome, about], ['refused', 'documents/B1 stays: its mark was taken back'], 'the audit does not end with what did not come to be');
  const { orderDisposal } = lab.stubs.answers;
  lab.stubs.answers.orderDisposal = () => Promise.reject(new HoldfastError('NotPermitted', 'another disposal came at the same time'));
  assert.equal((await failureOf(await lab.start('disposePoint', input, 'gave way'))).type, 'NotPermitted');
  assert.equal((lab.stubs.calls.findLast(({ name }) => name === 'recordAct')!.input as ActToRecord).about, 'documents/B1 stays: another disposal came at the same time');
  lab.stubs.answers.orderDisposal = orderDisposal;
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, people: { dana: { name: 'dana', roles: ['operator'], proofs: [] } } });
  assert.match((await failureOf(await lab.start('disposePoint', input, 'e'))).message, /dana \(operator\) may not dispose of keys and backups/);
});

test('what is gone since it was judged ends the disposal, and the audit does not end with its being destroyed', async (t) => {
  const lab = await open(t);
  lab.stubs.answers.orderDisposal = () => Promise.reject(new HoldfastError('NoRecoveryPoint', 'demo/documents: no base and no import B1'));
  assert.equal((await failureOf(await lab.start('disposePoint', input))).type, 'NoRecoveryPoint');
  const { outcome, about } = lab.stubs.calls.findLast(({ name }) => name === 'recordAct')!.input as ActToRecord;
  assert.deepEqual([outcome, about], ['refused', 'documents/B1 is not there: demo/documents: no base and no import B1']);
});

const whole = { system: 'demo', reason: 'it is given up', requestedBy: 'dana' };
const digest = 'd'.repeat(64);
const touching = ['claimEpoch', 'orderDisposal', 'destroyPoint', 'certifyDisposal'];

test('all of a system goes by the list that somebody was shown, which the gate is asked for once; all are ordered before the first is destroyed, and each is certified', async (t) => {
  const lab = await open(t, [destroyed()], asks);
  const dry = (await (await lab.start('disposeAll', { ...whole, dryRun: true }, 'dry')).result()) as DisposalOfAll;
  assert.deepEqual([dry.outcome, dry.list.points.map(({ point }) => point), lab.stubs.called().filter((name) => touching.includes(name))], ['dry', ['B1', 'B2'], []]);
  const handle = await lab.start('disposeAll', { ...whole, expected: dry.list.digest }, 'all');
  await until('it asks', async () => (await details(handle)).includes('waits for people') || undefined);
  const asked = await details(handle);
  assert.match(asked, /2 recovery points, all of demo, 1\.6 KiB, are destroyed for ever: it is given up\. The list has the SHA-256 d{64}/);
  assert.match(asked, /documents\/B1 of [\s\S]*documents\/B2 of /);
  await handle.executeUpdate('approve', { args: [{ by: 'erik' }] });
  await handle.executeUpdate('approve', { args: [{ by: 'fay' }] });
  const result = (await handle.result()) as DisposalOfAll;
  assert.deepEqual([result.outcome, result.points.map(({ point, outcome, certificate }) => [point, outcome, certificate !== null])], ['done', [['B1', 'destroyed', true], ['B2', 'destroyed', true]]]);
  const done = lab.stubs.calls.slice(lab.stubs.called().indexOf('claimEpoch')).filter(({ name }) => name !== 'notify');
  assert.deepEqual(done.map(({ name }) => name).slice(0, 5), ['claimEpoch', 'recordAct', 'orderDisposal', 'recordAct', 'orderDisposal'], 'the audit tells of each before it is ordered');
  assert.deepEqual(done.slice(5).map(({ name }) => name).sort(), ['certifyDisposal', 'certifyDisposal', 'destroyPoint', 'destroyPoint']);
  const orders = done.filter(({ name }) => name === 'orderDisposal').map(({ input: of }) => of as { point: string; evenTheLast: boolean; approvedBy: string[]; reason: string });
  assert.deepEqual(orders.map(({ point, evenTheLast, approvedBy }) => [point, evenTheLast, approvedBy.map((name) => name.split(' ')[0])]), [['B1', true, ['erik', 'fay']], ['B2', true, ['erik', 'fay']]]);
  assert.match(orders[0]!.reason, /^it is given up \(one of 2, list d{64}\)$/);
});

test('without a digest, with that of another list, or while one of them is held, nothing of all goes; one that is held since stays alone', async (t) => {
  const lab = await open(t);
  const { planDisposals, orderDisposal } = lab.stubs.answers;
  assert.match((await failureOf(await lab.start('disposeAll', whole, 'a'))).message, /field "expected" is missing: all of demo goes only by a list that somebody was shown HINT: say "dryRun": true/);
  assert.match((await failureOf(await lab.start('disposeAll', { ...whole, expected: 'e'.repeat(64) }, 'b'))).message, /has changed since it was shown/);
  assert.match((await failureOf(await lab.start('disposeAll', { ...whole, source: 'other', expected: digest }, 'c'))).message, /field "source" is "other"/);
  lab.stubs.answers.planDisposals = async (of) => {
    const list = await planDisposals(of);
    return { ...list, points: list.points.map((one) => (one.point === 'B2' ? { ...one, refused: ['it is held by dana'] } : one)) };
  };
  assert.match((await failureOf(await lab.start('disposeAll', { ...whole, source: 'documents', expected: digest }, 'd'))).message, /nothing of all of demo\/documents is disposed of: documents\/B2: it is held by dana/);
  lab.stubs.answers.planDisposals = async (of) => ({ ...(await planDisposals(of)), points: [] });
  assert.match((await failureOf(await lab.start('disposeAll', { ...whole, expected: digest }, 'e'))).message, /there is no base and no import/);
  assert.deepEqual(lab.stubs.called().filter((name) => touching.includes(name)), []);
  lab.stubs.answers.planDisposals = planDisposals;
  lab.stubs.answers.orderDisposal = (of) => (of.point === 'B1' ? Promise.reject(new HoldfastError('NotPermitted', 'demo/documents: B1 is not disposed of: run R9 reads it')) : orderDisposal(of));
  const { points } = (await (await lab.start('disposeAll', { ...whole, expected: digest }, 'f')).result()) as DisposalOfAll;
  assert.deepEqual(points.map(({ point, outcome, why }) => [point, outcome, why]), [['B1', 'refused', 'demo/documents: B1 is not disposed of: run R9 reads it'], ['B2', 'destroyed', null]]);
  lab.stubs.answers.orderDisposal = () => Promise.reject(new HoldfastError('EpochSuperseded', 'another commands'));
  assert.equal((await failureOf(await lab.start('disposeAll', { ...whole, expected: digest }, 'g'))).type, 'EpochSuperseded');
});

test('of all, each point goes when its own lock ends; behind a long wait the rest goes on as a new run, and nothing is ordered, or certified, twice', async (t) => {
  const lab = await open(t);
  const locks: Record<string, Destroyed[]> = { B1: [lockedFor(hours(2))], B2: [lockedFor(hours(24 * 30)), lockedFor(hours(1), { keysGone: true, why: '7 versions are locked' })] };
  lab.stubs.answers.destroyPoint = ({ point }) => Promise.resolve(locks[point]!.shift() ?? destroyed());
  const began = await lab.env.currentTimeMs();
  const handle = await lab.start('disposeAll', { ...whole, expected: digest });
  await until('it waits', async () => (await details(handle)).includes('waits 2h') || undefined);
  assert.match(await details(handle), /documents\/B2: its keys are there, and nobody is given it; its keys are locked, looked at again at /);
  const first = (await handle.describe()).runId;
  const result = (await handle.result()) as DisposalOfAll;
  assert.deepEqual(result.points.map(({ point, outcome }) => [point, outcome]), [['B1', 'destroyed'], ['B2', 'destroyed']]);
  assert.ok((await lab.env.currentTimeMs()) - began >= hours(24 * 30 + 1));
  assert.notEqual((await lab.env.client.workflow.getHandle(handle.workflowId).describe()).runId, first);
  const of = (name: string): { point: string; run: string }[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input: given }) => given as { point: string; run: string });
  assert.deepEqual([of('orderDisposal').length, of('certifyDisposal').map(({ point }) => point)], [2, ['B1', 'B2']]);
  assert.deepEqual(of('destroyPoint').map(({ point }) => point).sort(), ['B1', 'B1', 'B2', 'B2', 'B2'], 'only what is due is looked at');
  assert.deepEqual([...new Set(['orderDisposal', 'destroyPoint', 'certifyDisposal'].flatMap((name) => of(name).map(({ run }) => run)))], [first], 'under the orders of the first run');
});

test('of all, what is due within a minute is waited for together, and not asked for again and again', async (t) => {
  const lab = await open(t);
  const began = await lab.env.currentTimeMs();
  const ends: Record<string, number> = { B1: began + seconds(40), B2: began + seconds(80) };
  lab.stubs.answers.destroyPoint = async ({ point }) => {
    const waitMs = ends[point]! - (await lab.env.currentTimeMs());
    return waitMs > 0 ? lockedFor(waitMs) : destroyed();
  };
  const { points } = (await (await lab.start('disposeAll', { ...whole, expected: digest })).result()) as DisposalOfAll;
  assert.deepEqual(points.map(({ outcome }) => outcome), ['destroyed', 'destroyed']);
  assert.equal(lab.stubs.called().filter((name) => name === 'destroyPoint').length, 4, 'once, and once more behind the later lock');
});
