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
