import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { openLocalStore } from '../../../activities/store/local.ts';
import { ArchiveKeys } from '../../../activities/stream/archive-key.ts';
import { createBackupKey, openBackupKey } from '../../../activities/stream/backup-key.ts';
import { canonicalBytes } from '../../../activities/stream/canonical.ts';
import { archiveKeyContext, backupKeyContext } from '../../../activities/stream/contexts.ts';
import { newDataKey } from '../../../activities/stream/data-key.ts';
import { openKeys } from '../../../activities/stream/open-keys.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { keySchema } from '../../../workflows/domain/keys/schema.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { hours, minutes } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { keyConfig, keysFrom, newKeys, newSecrets } from '../../harness/keys.ts';
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
  const store = altered(real, {
    put: (...args) => (isDown ? Promise.reject(new Error('down')) : real.put(...args)),
  });
  const keys = new ArchiveKeys(store, await newKeys());
  await assert.rejects(keys.forWriting(scope), /down/);
  isDown = false;
  assert.ok(await keys.forWriting(scope));
});

test('any one recipient opens a backup, whoever else is gone; who was added since opens it too, and what nobody signed is not believed', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const secrets = newSecrets();
  const privateKey = await generateX25519Identity();
  const publicKey = await identityToRecipient(privateKey);
  const config = { ...keyConfig, recipients: { paper: { kind: 'age' as const, publicKey } } };
  const open = async (key: Parameters<typeof openKeys>[0]) => await openKeys(key, async (ref) => secrets[ref]!);
  const keys = await open(config);
  const of = { ...scope, backup: 'b1' };
  const { key, manifestKey } = await createBackupKey(store, keys, of);
  assert.deepEqual(manifestKey.objects.map((object) => object.key), ['test', 'paper'].map((id) => layout.backupKey(of, key.id, id)));

  const { id: _, aes256: __, ...others } = config;
  secrets['${PAPER}'] = privateKey;
  const offline = await open({ ...others, recipients: { paper: { kind: 'age', publicKey, privateKey: '${PAPER}' } } });
  assert.deepEqual((await openBackupKey(store, offline, of, manifestKey)).bytes, key.bytes);
  // The object of the other is gone: one that is there is enough.
  await store.deleteVersion(manifestKey.objects[0]!);
  assert.deepEqual((await openBackupKey(store, offline, of, manifestKey)).bytes, key.bytes);
  await assert.rejects(openBackupKey(store, keys, of, manifestKey), { name: 'WrongKey', message: /private half of the age key paper is not here/ });

  secrets['${NEXT}'] = randomBytes(32).toString('hex');
  const next = await open({ ...keyConfig, id: 'next', aes256: '${NEXT}' });
  await assert.rejects(openBackupKey(store, next, of, manifestKey), { name: 'WrongKey', message: /for age key paper, which we do not have/ });
  await next.store(key, backupKeyContext(of), { store, keyOf: (recipient) => layout.backupKey(of, key.id, recipient) });
  assert.deepEqual((await openBackupKey(store, next, of, manifestKey)).bytes, key.bytes);

  // Whoever has the public key wraps a key of his own for it, under the name of ours.
  const forged = newDataKey();
  const wrapper = offline.wrappers[0]!;
  const archive = { ...scope, timeline: 't00000002' };
  await store.put(layout.archiveKey(archive, forged.id, 'paper'), canonicalBytes(await wrapper.wrap(forged, archiveKeyContext(archive))));
  await assert.rejects(new ArchiveKeys(store, offline).forReading(archive, forged.id), { name: 'WrongKey', message: /is not signed, and anybody could have wrapped it for paper/ });
});

test('while a key cannot be wrapped for everybody, the hour’s key serves on', async (t) => {
  const real = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  let nowMs = 0;
  let failure: Error | undefined;
  const store = altered(real, {
    put: (...args) => (failure ? Promise.reject(failure) : real.put(...args)),
  });
  const keys = new ArchiveKeys(store, await newKeys(), () => nowMs);
  const first = await keys.forWriting(scope);
  nowMs = hours(1);
  failure = new HoldfastError('KeyUnavailable', 'KMS does not answer');
  assert.equal((await keys.forWriting(scope)).id, first.id);
  // Asked again a minute later, and not for each slice.
  failure = undefined;
  assert.equal((await keys.forWriting(scope)).id, first.id);
  nowMs += minutes(1);
  assert.notEqual((await keys.forWriting(scope)).id, first.id);
  nowMs += hours(1);
  failure = new HoldfastError('WrongKey', 'not a thing that passes');
  await assert.rejects(keys.forWriting(scope), { name: 'WrongKey' });
});

test('a key that nothing here opens is no set of keys; nor are two of one name', () => {
  const refuse = (key: object, message: RegExp): void => {
    const parsed = keySchema.safeParse({ ...keyConfig, ...key });
    assert.match(parsed.error?.issues.map(({ path, message: said }) => `${path.join('.')}: ${said}`).join('; ') ?? 'accepted', message);
  };
  const paper = { kind: 'age', publicKey: 'age1xwj05cf3zpx97s5hs3l0p7h3qrxtetj0l0yqrm7nykg3akl80s6s7h9jta' };
  const cloud = { kind: 'kms', keyId: 'alias/shop', region: 'eu-west-1' };
  assert.deepEqual(keySchema.parse({ ...keyConfig, id: undefined, aes256: undefined, recipients: { paper, cloud } }).recipients!['cloud'], { ...cloud, context: { purpose: 'backup' } });
  refuse({ id: undefined, aes256: undefined, recipients: { paper } }, /recipients: nobody here could open a backup/);
  refuse({ id: undefined }, /id: id and aes256 belong together/);
  refuse({ recipients: { test: paper } }, /recipients\.test: "test" names another key already/);
  refuse({ retiring: { test: { kind: 'aes256', aes256: '${OLD}' } } }, /retiring\.test: "test" names another key already/);
  refuse({ retiring: { old: paper } }, /retiring\.old: opens nothing here/);
  refuse({ recipients: { cloud: { ...cloud, context: { system: 'x' } } } }, /said already, by Holdfast itself/);
  refuse({ recipients: { cloud: { ...cloud, credentials: { accessKeyId: 'AKIA', secretAccessKey: 'x' } } } }, /a reference to a secret/);
});
