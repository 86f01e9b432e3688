import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RotationResult } from '../../workflows/domain/keys/describe.ts';
import type { RecoveryProof } from '../../workflows/domain/keys/records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { inputExamples } from '../../workflows/domain/inputs.ts';
import { details, failureOf, openLab } from './lab.ts';
import { view } from './stub-activities.ts';

const input = { system: 'demo', reason: 'the quarter is over', requestedBy: 'dana' };
const page = (more: object = {}) => ({ next: null, keys: 2, added: 0, unopened: [], unopenedCount: 0, ...more });
const twoSources = { ...view, sources: { documents: { engine: 'mongodb', environment: 'production' }, users: { engine: 'mongodb', environment: 'production' } } };

test('page after page, pass after pass, until one finds nothing to add; only then a proof, and only then a record', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(twoSources) });
  const pages = [page({ next: 'p1', added: 2 }), page({ added: 1 }), page(), page({ next: 'p1' }), page({ added: 1 }), page(), page({ next: 'p1' }), page(), page()];
  lab.stubs.answers.wrapKeys = () => Promise.resolve(pages.shift()!);
  const handle = await lab.start('rotateKeys', input);
  const result = (await handle.result()) as RotationResult;
  assert.deepEqual(result.sources.map(({ source, keys, added }) => [source, keys, added]), [['documents', 4, 4], ['users', 2, 0]]);
  assert.deepEqual(lab.stubs.called(), ['loadSystem', 'recordAct', 'claimEpoch', 'beginRotation', ...Array.from({ length: 9 }, () => 'wrapKeys'), 'proveKeys', 'proveKeys', 'recordRotation']);
  assert.deepEqual(lab.stubs.calls.filter(({ name }) => name === 'wrapKeys').map(({ input: of }) => (of as { after: unknown }).after), [null, 'p1', null, null, 'p1', null, null, 'p1', null]);
  assert.match(await details(handle), /documents: 4 keys, 4 wrappings added[\s\S]*opened with aes256 next alone: base B1 and a part of it, and a slice[\s\S]*retired: nothing of demo depends on aes256 last any more/);
  const began = await lab.stubs.answers.beginRotation({} as never);
  for (const { name, input: of } of lab.stubs.calls) if (['wrapKeys', 'proveKeys', 'recordRotation'].includes(name)) assert.deepEqual((of as { began: unknown }).began, began, name);
  assert.deepEqual((lab.stubs.calls.find(({ name }) => name === 'beginRotation')!.input as { sources: unknown }).sources, ['documents', 'users']);
});

test('what nothing opens, what goes on to come, and what does not open with the new key retires nothing', async (t) => {
  const lab = await openLab(t);
  const tried = async (id: string): Promise<string> => {
    const failure = await failureOf(await lab.start('rotateKeys', input, id));
    assert.ok(!lab.stubs.called().includes('recordRotation'));
    return `${failure.type}: ${failure.message}`;
  };
  lab.stubs.answers.wrapKeys = () => Promise.resolve(page({ unopened: [{ key: 'demo/k1.', why: 'for aes256 key lost, which we do not have' }], unopenedCount: 1 }));
  assert.match(await tried('lost'), /^WrongKey: demo\/documents: nothing here opens 1 of 2 keys.*nothing is retired: demo\/k1\.: for aes256 key lost.* HINT: name the key/);
  lab.stubs.answers.wrapKeys = () => Promise.resolve(page({ added: 1 }));
  assert.match(await tried('meanwhile'), /^AlreadyRunning: .*keys still come that are not wrapped for everybody: nothing is retired HINT: a worker has an older system file/);
  lab.stubs.answers.wrapKeys = () => Promise.resolve(page());
  lab.stubs.answers.proveKeys = () => Promise.reject(new HoldfastError('WrongKey', 'the aes256 key next does not open key k1'));
  assert.match(await tried('unproved'), /^WrongKey: the aes256 key next/);
});

test('a dry run puts nothing and claims nothing; who may not rotate is refused by name', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, people: { dana: { name: 'dana', roles: ['operator' as const], proofs: [] } } } as typeof view) });
  lab.stubs.answers.wrapKeys = ({ dryRun }) => Promise.resolve(page({ added: dryRun ? 2 : 0 }));
  const result = (await (await lab.start('rotateKeys', { ...input, dryRun: true })).result()) as RotationResult;
  assert.deepEqual([result.outcome, result.sources[0]!.added, result.rotation], ['dry', 2, null]);
  assert.deepEqual(lab.stubs.called(), ['loadSystem', 'recordAct', 'beginRotation', 'wrapKeys']);
  const failure = await failureOf(await lab.start('rotateKeys', input, 'real'));
  assert.match(failure.message, /dana \(operator\) may not rotate keys. Roles that may rotate keys: administrator/);
});

test('what an offline key opened is written down, a source each, and the audit has who said so', async (t) => {
  const lab = await openLab(t);
  const handle = await lab.start('recordRecoveryProof', JSON.parse(inputExamples.recordRecoveryProof));
  const [record] = (await handle.result()) as RecoveryProof[];
  assert.deepEqual([record!.source, record!.recipient, record!.by], ['documents', { kind: 'age', id: 'paper' }, 'dana']);
  assert.match((lab.stubs.calls.find(({ name }) => name === 'recordAct')!.input as { about: string }).about, /age paper opened documents\/01KAJ6/);
});

test('a check of keys that finds something fails as WrongKey, starts no base, and says what to do', async (t) => {
  const lab = await openLab(t);
  const handle = await lab.start('verifySystem', { system: 'demo', scope: 'keys' });
  await handle.result();
  assert.match(await details(handle), /every key opens\*\* 9 wrappings opened/);
  const { checkKeys } = lab.stubs.answers;
  lab.stubs.answers.checkKeys = async (of) => ({ ...(await checkKeys(of)), ok: false, problems: [{ key: 'demo/documents/k1', problem: 'nothing here opens it' }] });
  const failure = await failureOf(await lab.start('verifySystem', { system: 'demo', scope: 'keys' }, 'broken'));
  assert.deepEqual([failure.type, /k1: nothing here opens it\. What is not wrapped for somebody, holdfast key rotate demo wraps/.test(failure.message)], ['WrongKey', true]);
  assert.ok(!lab.stubs.called().includes('planDump'));
});
