import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { aes256Wrapper } from '../../../activities/stream/aes256-wrapper.ts';
import { ageWrapper } from '../../../activities/stream/age-wrapper.ts';
import { newDataKey } from '../../../activities/stream/data-key.ts';
import { gpgWrapper } from '../../../activities/stream/gpg-wrapper.ts';
import { kmsWrapper, readKmsError } from '../../../activities/stream/kms-wrapper.ts';
import { keyWrapperConformance } from '../../conformance/key-wrapper.ts';
import { newGpgPair } from '../../harness/gpg.ts';
import { startKms } from '../../harness/kms.ts';

const noGpg = { missing: 'there is no gpg on this machine' };

keyWrapperConformance('aes256', () => {
  const [key, other] = [0, 1].map(() => randomBytes(32).toString('hex'));
  return Promise.resolve({ ours: () => Promise.resolve(aes256Wrapper('own', key!, 'key')), other: () => Promise.resolve(aes256Wrapper('own', other!, 'key')) });
});

keyWrapperConformance('age', async () => {
  const pairs = await Promise.all([0, 1].map(async () => {
    const privateKey = await generateX25519Identity();
    return { privateKey, publicKey: await identityToRecipient(privateKey) };
  }));
  const open = async (n: number) => await ageWrapper('paper', pairs[n]!, 'key.recipients.paper');
  return { ours: () => open(0), other: () => open(1), publicOnly: () => ageWrapper('paper', { publicKey: pairs[0]!.publicKey }, 'key.recipients.paper') };
});

keyWrapperConformance('gpg', async (owner) => {
  const pairs = await Promise.all([newGpgPair(owner, { passphrase: 'a long one' }), newGpgPair(owner)]);
  if (!pairs[0] || !pairs[1]) return noGpg;
  const [ours, other] = [{ ...pairs[0], passphrase: 'a long one', recipient: 'backup@shop.example' }, pairs[1]];
  const open = async (settings: Parameters<typeof gpgWrapper>[1]) => await gpgWrapper('ops', settings, 'key.recipients.ops');
  return { ours: () => open(ours), other: () => open(other), publicOnly: () => open({ publicKey: ours.publicKey }) };
});

keyWrapperConformance('kms', async (owner) => {
  const kms = await startKms(owner);
  if ('missing' in kms) return kms;
  const context = { purpose: 'backup' };
  const keys = [await kms.createKey('alias/shop'), await kms.createKey()];
  const open = async (keyId: string) => await kmsWrapper('cloud', { ...kms.settings, keyId, context }, 'key.recipients.cloud');
  return { ours: () => open('alias/shop'), other: () => open(keys[1]!) };
});

test('a gpg key that nothing can be wrapped for is refused, and says why', async (t) => {
  const [good, expired, signsOnly] = await Promise.all([
    newGpgPair(t),
    newGpgPair(t, { kind: ['rsa2048', 'encr', '1d'], as: ['--faked-system-time', '20200101T000000'] }),
    newGpgPair(t, { kind: ['ed25519', 'sign', 'never'] }),
  ]);
  if (!good || !expired || !signsOnly) return t.skip(noGpg.missing);
  const wrap = async (settings: Parameters<typeof gpgWrapper>[1]) => await (await gpgWrapper('ops', settings, 'key.recipients.ops')).wrap(newDataKey(), { holdfast: 'backup-key' });
  await assert.rejects(wrap({ publicKey: expired.publicKey }), { name: 'KeyRefused', message: /gpg key ops expired at 2020-01-02T00:00:00.000Z HINT: extend it .*key\.recipients\.ops\.publicKey/ });
  await assert.rejects(wrap({ publicKey: signsOnly.publicKey }), { name: 'KeyRefused', message: /no part that encrypts/ });
  await assert.rejects(wrap({ publicKey: good.publicKey, recipient: 'somebody@else.example' }), { name: 'KeyRefused', message: /is not of somebody@else\.example: it is of .*backup@shop\.example/ });
  await assert.rejects(wrap({ publicKey: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\njunk\n-----END PGP PUBLIC KEY BLOCK-----' }), { name: 'BadSystemFile', message: /key\.recipients\.ops\.publicKey/ });
  await assert.rejects(gpgWrapper('ops', { publicKey: 'junk' }, 'key.recipients.ops'), { name: 'BadSystemFile', message: /publicKey: expected the text that gpg --armor --export writes/ });
  const named = process.env['HOLDFAST_GPG'];
  process.env['HOLDFAST_GPG'] = '/nowhere/gpg';
  t.after(() => (named === undefined ? delete process.env['HOLDFAST_GPG'] : (process.env['HOLDFAST_GPG'] = named)));
  await assert.rejects(wrap({ publicKey: good.publicKey }), { name: 'ToolMissing', message: /HOLDFAST_GPG/ });
});

test('a passphrase that is wrong is told apart from a key that is', async (t) => {
  const pair = await newGpgPair(t, { passphrase: 'planted-passphrase' });
  if (!pair) return t.skip(noGpg.missing);
  const context = { holdfast: 'backup-key' };
  const open = async (passphrase: string) => await gpgWrapper('ops', { ...pair, passphrase }, 'key.recipients.ops');
  const wrapped = await (await open('planted-passphrase')).wrap(newDataKey(), context);
  await assert.rejects((await open('planted-otherwise')).unwrap(wrapped, context), (error: Error) => {
    assert.equal(error.name, 'KeyRefused');
    assert.match(error.message, /its passphrase does not open it HINT: look at key\.recipients\.ops\.passphrase/);
    assert.doesNotMatch(error.message + String(error.cause ?? ''), /planted/);
    return true;
  });
});

test('an age key that is none, or of another pair, is refused and never printed', async () => {
  const [ours, other] = await Promise.all([generateX25519Identity(), generateX25519Identity()]);
  const publicKey = await identityToRecipient(ours);
  const refused = async (settings: Parameters<typeof ageWrapper>[1], message: RegExp): Promise<void> => await assert.rejects(ageWrapper('paper', settings, 'key.recipients.paper'), (error: Error) => {
    assert.equal(error.name, 'BadSystemFile');
    assert.match(error.message, message);
    assert.doesNotMatch(error.message + String(error.cause ?? ''), /AGE-SECRET-KEY-1[A-Z0-9]{8}|planted/);
    return true;
  });
  await refused({ publicKey: `${publicKey.slice(0, -1)}q` }, /key\.recipients\.paper\.publicKey: age1/);
  await refused({ publicKey, privateKey: 'planted-secret-value' }, /privateKey: not a private key of age/);
  await refused({ publicKey, privateKey: `AGE-SECRET-KEY-1PLANTED${'Q'.repeat(51)}` }, /privateKey: not a private key of age/);
  await refused({ publicKey, privateKey: other }, /privateKey: belongs to age1\w+, and not to age1/);
  // As age-keygen writes them.
  assert.ok((await ageWrapper('paper', { publicKey, privateKey: `# created: today\n# public key: ${publicKey}\n${ours}\n` }, 'key.recipients.paper')).opens);
});

test('KMS: what is wrong is told by name, with the way out; what may pass is tried again', async (t) => {
  const kms = await startKms(t);
  if ('missing' in kms) return t.skip(kms.missing);
  const keyId = await kms.createKey();
  const open = async (more: Partial<Parameters<typeof kmsWrapper>[1]> = {}) => await kmsWrapper('cloud', { ...kms.settings, keyId, context: { purpose: 'backup' }, ...more }, 'key.recipients.cloud');
  const context = { holdfast: 'backup-key', backup: 'b1' };
  const wrapper = await open();
  const key = newDataKey();
  const wrapped = await wrapper.wrap(key, context);
  assert.deepEqual(wrapped.context, { purpose: 'backup', ...context });

  await assert.rejects((await open({ context: { purpose: 'archive' } })).unwrap(wrapped, context), { name: 'WrongKey', message: /wrapped for something else: purpose differ/ });
  // The object says what is asked for: it is KMS that refuses.
  await assert.rejects((await open({ context: { purpose: 'archive' } })).unwrap({ ...wrapped, context: { purpose: 'archive', ...context } }, context), { name: 'WrongKey', message: /wrapped by another key, or with another encryption context \(InvalidCiphertextException\) HINT: look at keyId and context/ });
  await assert.rejects((await open({ keyId: keyId.replace(/[^/]+$/, '00000000-0000-0000-0000-000000000000') })).wrap(key, context), { name: 'KeyRefused', message: /is not there: look at keyId and region/ });
  await assert.rejects((await open({ keyId: 'alias/nobody' })).unwrap(wrapped, context), { name: 'KeyRefused', message: /alias\/nobody/ });
  // Another region knows neither the key nor the ciphertext.
  await assert.rejects((await open({ region: 'us-west-2', keyId: 'alias/shop' })).unwrap(wrapped, context), { name: 'KeyRefused' });
  await assert.rejects(open({ endpoint: 'http://kms.example:80' }), { name: 'WeakTransport', message: /key\.recipients\.cloud \(KMS\) \(kms\.example\) would be spoken to in the clear/ });

  // What moto does not do: answers as AWS documents them, read by the same client's rules.
  const read = (name: string, httpStatusCode = 400) => readKmsError(Object.assign(new Error('said so'), { name, $metadata: { httpStatusCode } }), { id: 'cloud', keyId: 'alias/shop', key: 'k1', where: 'key.recipients.cloud' }) as Error;
  assert.match(read('DisabledException').message, /is disabled: enable it again/);
  assert.match(read('KMSInvalidStateException').message, /scheduled for deletion\?/);
  assert.match(read('AccessDeniedException').message, /refused to us .*kms:Encrypt and kms:Decrypt/);
  assert.deepEqual(['DisabledException', 'AccessDeniedException', 'IncorrectKeyException', 'ThrottlingException', 'KeyUnavailableException'].map((name) => read(name).name), ['KeyRefused', 'KeyRefused', 'WrongKey', 'KeyUnavailable', 'KeyUnavailable']);
  assert.equal(read('KMSInternalException', 500).name, 'KeyUnavailable');

  await kms.stop();
  await assert.rejects(wrapper.unwrap(wrapped, context), { name: 'KeyUnavailable', message: /KMS does not answer for the key cloud .*ECONNREFUSED/ });
});
