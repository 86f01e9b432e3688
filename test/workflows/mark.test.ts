import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ActToRecord } from '../../workflows/contract.ts';
import type { Mark } from '../../workflows/domain/source-records.ts';
import { details, failureOf, openLab } from './lab.ts';
import { view } from './stub-activities.ts';

test('markPoint says it in the name of who asked, and the audit has it', async (t) => {
  const lab = await openLab(t);
  const handle = await lab.start('markPoint', { system: 'demo', point: 'B1', state: 'suspect', reason: 'orders of that night', requestedBy: 'dana' });
  const { point, state, by, source } = (await handle.result()) as Mark;
  assert.deepEqual([point, state, by, source], ['B1', 'suspect', 'dana', 'documents']);
  assert.match(await details(handle), /B1 is marked suspect by dana at .*: orders of that night: given to nobody who does not name it/);
  const { act, about } = lab.stubs.calls.find(({ name }) => name === 'recordAct')!.input as ActToRecord;
  assert.deepEqual([act, about], ['mark', 'say of a recovery point that it is suspect, bad, held or good: B1 is suspect: orders of that night']);
});

test('a state that there is not, a reason that is missing and a person who may not are refused', async (t) => {
  const people = { sam: { name: 'Sam', roles: ['security' as const], proofs: [] } };
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, people }) });
  const refusal = async (input: object, id: string): Promise<string> => (await failureOf(await lab.start('markPoint', { system: 'demo', point: 'B1', state: 'hold', reason: 'evidence', ...input }, id))).message;
  assert.match(await refusal({ state: 'broken' }, 'a'), /field "state" is "broken", expected "suspect", "bad", "hold" or "good"/);
  assert.match(await refusal({ reason: '' }, 'b'), /field "reason"/);
  assert.match(await refusal({ requestedBy: 'sam' }, 'c'), /sam \(security\) may not say of a recovery point/);
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'markPoint'), []);
});
