import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { openLocalStore } from '../../../activities/store/local.ts';
import type { Store } from '../../../activities/store/store.ts';
import { ArchiveKeys } from '../../../activities/stream/archive-key.ts';
import { createBackupKey, openBackupKey } from '../../../activities/stream/backup-key.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { keysFrom, newKeys, newSecrets } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const scope = { system: 's', source: 'd', timeline: 't00000001' };

test('a bad key is refused by field and reference, and never printed', async () => {
  const cases: [string, string, RegExp][] = [
    ['${AES}', 'planted-secret-value', /key\.aes256 \(\$\{AES\}\): expected 32 bytes as 64 hex digits, found 20 characters/],
    ['${AES}', 'planted'.padEnd(64, 'z'), /64 characters that are not all hex digits/],
    ['${PRIVATE}', 'planted-secret-value', /key\.signing\.privateKey \(\$\{PRIVATE\}\): not an Ed25519 key/],
    ['${PUBLIC}', 'planted-secret-value', /key\.signing\.publicKeys\[0\]/],
    ['${PRIVATE}', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), /not an Ed25519/],
    ['${PUBLIC}', newSecrets()['${PUBLIC}']!, /is not among key\.signing\.publicKeys/],
  ];
  for (const [name, value, message] of cases) {
    await assert.rejects(keysFrom({ ...newSecrets(), [name]: value }), (error: Error) => {
      assert.equal(error.name, 'BadSystemFile');
      assert.match(error.message, message);
      assert.doesNotMatch(error.message + String(error.cause ?? ''), /planted/);
      return true;
    });
  }
});

test('what one key signed, a system that knows its public key believes, and nobody else', async () => {
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  const body = Buffer.from('body');
  const signature = keys.signer.sign(body);
  keys.signer.verify(body, signature, 'here');
  assert.throws(() => keys.signer.verify(Buffer.from('bodY'), signature, 'here'), { name: 'Tampered', message: /here: its signature/ });
  const stranger = await newKeys();
  assert.throws(() => stranger.signer.verify(body, signature, 'here'), { name: 'Tampered', message: /not known/ });
});

test('a backup’s key opens with the system’s key, and for that backup only', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  const of = { ...scope, backup: 'b1' };
  const { key, manifestKey } = await createBackupKey(store, keys, of);
  assert.deepEqual(manifestKey.objects.map((object) => object.key), [layout.backupKey(of, key.id, 'test')]);
  const again = await openBackupKey(store, await keysFrom(secrets), of, manifestKey);
  assert.deepEqual([again.id, again.bytes], [key.id, key.bytes]);
  await assert.rejects(openBackupKey(store, keys, { ...of, backup: 'b2' }, manifestKey), { name: 'WrongKey', message: /wrapped for something else: backup/ });
  const wrong = await keysFrom({ ...secrets, '${AES}': newSecrets()['${AES}']! });
  await assert.rejects(openBackupKey(store, wrong, of, manifestKey), { name: 'WrongKey', message: /the aes256 key test does not open/ });
});

test('slices get one key an hour, whose object lies in the store first; readers find it by name', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  let nowMs = 0;
  const writer = new ArchiveKeys(store, keys, () => nowMs);
  const [first, same] = await Promise.all([writer.forWriting(scope), writer.forWriting(scope)]);
  assert.equal(first.id, same.id);
  assert.equal((await collect(store, layout.archiveKeys(scope))).length, 1);
  nowMs = hours(1);
  const second = await writer.forWriting(scope);
  assert.notEqual(second.id, first.id);
  assert.notEqual((await writer.forWriting({ ...scope, timeline: 't00000002' })).id, second.id);

  const reader = new ArchiveKeys(store, keys);
  assert.deepEqual((await reader.forReading(scope, first.id)).bytes, first.bytes);
  assert.equal(await reader.forReading(scope, first.id), await reader.forReading(scope, first.id));
  await assert.rejects(reader.forReading(scope, 'kmissing'), { name: 'ObjectMissing', message: /kmissing/ });
});

test('a key whose object could not be written is not used, and the next slice tries again', async (t) => {
  const real = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  let isDown = true;
  const store: Store = Object.assign(Object.create(real) as Store, {
    put: (...args: Parameters<Store['put']>) => (isDown ? Promise.reject(new Error('down')) : real.put(...args)),
  });
  const keys = new ArchiveKeys(store, await newKeys());
  await assert.rejects(keys.forWriting(scope), /down/);
  isDown = false;
  assert.ok(await keys.forWriting(scope));
});
