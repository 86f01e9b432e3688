import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { openLocalStore } from '../../../activities/store/local.ts';
import { findSigned, parseSigned, putSigned, readSigned } from '../../../activities/store/signed-object.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { epochSchema, type Epoch } from '../../../workflows/domain/source-records.ts';
import { signedSchema } from '../../../workflows/domain/stored-object.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const epoch = (n: number, owner = 'us'): Epoch => ({ format: 1, kind: 'epoch', system: 's', epoch: n, owner, claimedAt: '2026-11-21T03:00:00.000Z', why: 'test' });
const key = layout.epoch('s', 1);

async function place(t: TestContext) {
  return { store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys() };
}

test('what is signed reads back, by reference and by version', async (t) => {
  const { store, keys } = await place(t);
  const ref = await putSigned(store, keys, key, epoch(1));
  assert.deepEqual(await readSigned(store, keys, epochSchema, ref), epoch(1));
  assert.deepEqual(await readSigned(store, keys, epochSchema, { key, versionId: ref.versionId }), epoch(1));
});

test('altered, unsigned, misshapen and misplaced objects are each refused by key', async (t) => {
  const { store, keys } = await place(t);
  const whole = (await store.get(await putSigned(store, keys, key, epoch(1)))).toString();
  const refuse = async (text: string, message: RegExp): Promise<void> => {
    const ref = await store.put(key, Buffer.from(text));
    await assert.rejects(readSigned(store, keys, epochSchema, ref), (error: Error) => {
      assert.equal(error.name, 'Tampered');
      assert.match(error.message, message);
      assert.ok(error.message.includes(key));
      return true;
    });
  };
  await refuse(whole.replace('"us"', '"me"'), /altered after it was signed/);
  await refuse(JSON.stringify({ body: epoch(1) }), /not a signed object/);
  await refuse('{"body":', /not JSON/);
  const misshapen = await putSigned(store, keys, key, { ...epoch(1), extra: 1 } as Epoch);
  await assert.rejects(readSigned(store, keys, epochSchema, misshapen), { name: 'Tampered', message: /not what it should be/ });
  const misplaced = await putSigned(store, keys, key, epoch(2));
  await assert.rejects(readSigned(store, keys, epochSchema, misplaced), { name: 'Tampered', message: /holds the object of s\/control\/epoch-00000002/ });
});

test('no bit of a signed object can be changed unnoticed, not even one of its signature that stands for nothing', async (t) => {
  const { store, keys } = await place(t);
  const whole = await store.get(await putSigned(store, keys, key, epoch(1)));
  assert.deepEqual(parseSigned(keys, epochSchema, key, whole), epoch(1));
  for (let bit = 0; bit < whole.length * 8; bit += 1) {
    const other = Buffer.from(whole);
    other[bit >> 3]! ^= 1 << (bit & 7);
    assert.throws(() => parseSigned(keys, epochSchema, key, other), HoldfastError, `bit ${bit & 7} of byte ${bit >> 3}: ${other.toString()}`);
  }
});

test('a signed plan copied to another backup’s key is not believed there', async (t) => {
  const { store, keys } = await place(t);
  const of = { system: 's', source: 'd', timeline: 't00000001', backup: 'B1' };
  const plan = { format: 1, kind: 'plan', ...of };
  const schema = signedSchema.shape.body;
  await putSigned(store, keys, layout.plan(of), plan);
  assert.deepEqual((await findSigned(store, keys, schema, layout.plan(of))).found?.body, plan);
  const other = layout.plan({ ...of, backup: 'B2' });
  await putSigned(store, keys, other, plan);
  const { found, rejected } = await findSigned(store, keys, schema, other);
  assert.equal(found, undefined);
  assert.match(rejected[0]!.why, /holds the object of s\/d\/t00000001\/backups\/B1\/plan\.json/);
});

test('a newer format is refused with a hint, also where its envelope is new', async (t) => {
  const { store, keys } = await place(t);
  const newer = { name: 'NewerFormat', message: /format 2; this Holdfast reads up to 1 HINT: use the version/ };
  await assert.rejects(readSigned(store, keys, epochSchema, await putSigned(store, keys, key, { ...epoch(1), format: 2 } as never)), newer);
  const envelope = await store.put('e', Buffer.from(JSON.stringify({ body: { format: 2 }, signatures: [] })));
  await assert.rejects(readSigned(store, keys, epochSchema, envelope), newer);
  await assert.rejects(findSigned(store, keys, epochSchema, key), newer);
});

test('the oldest validly signed version wins over what was put on top and what was put before', async (t) => {
  const { store, keys } = await place(t);
  await store.put(key, Buffer.from('junk that was there first'));
  await putSigned(store, await newKeys(), key, epoch(1, 'stranger'));
  const ours = await putSigned(store, keys, key, epoch(1, 'first'));
  await putSigned(store, keys, key, epoch(1, 'later'));
  await store.put(`${key}0`, Buffer.from('a longer key'));
  const { found, rejected } = await findSigned(store, keys, epochSchema, key);
  assert.equal(found?.body.owner, 'first');
  assert.deepEqual(found?.ref, ours);
  assert.equal(rejected.length, 2);
  assert.match(rejected[1]!.why, /not known/);
  assert.deepEqual(await findSigned(store, keys, epochSchema, layout.epoch('s', 9)), { found: undefined, rejected: [] });
});
