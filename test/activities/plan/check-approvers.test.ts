import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Secret } from 'otpauth';
import { checkApprovers } from '../../../activities/plan/check-approvers.ts';
import { loadSystemFile, type LoadedSystem } from '../../../activities/system-files.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const pem = (type: 'ed25519' | 'x25519'): string => generateKeyPairSync(type as 'ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** The demo, with a gate that asks for proof of two of three people. */
async function place(t: TestContext, files: Record<string, string>): Promise<LoadedSystem> {
  const directory = tempDir(t);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const loaded = await loadSystemFile('demo');
  const person = (of: object) => ({ roles: ['dr-team'], ...of });
  return {
    ...loaded,
    directory,
    system: {
      ...loaded.system,
      people: { erik: person({ totp: 'file:erik' }), fay: person({ publicKey: 'file:fay' }), gus: person({}) },
      approvals: { 'approve-switch': { ...loaded.system.approvals['approve-switch']!, quorum: 2, people: ['erik', 'fay', 'gus'], proof: 'any' } },
    },
  };
}

const secret = new Secret({ buffer: new Uint8Array(randomBytes(20)).buffer }).base32;

test('who can prove who they are is no finding', async (t) => {
  assert.deepEqual(await checkApprovers(await place(t, { erik: secret, fay: pem('ed25519') }), undefined), []);
});

test('a gate that too few could open would fail, and each reason is named without what is in the file', async (t) => {
  const findings = await checkApprovers(await place(t, { erik: 'not base 32!', fay: pem('x25519') }), undefined);
  assert.deepEqual(findings.map(({ effect }) => effect), ['fails', 'warns', 'warns']);
  assert.match(findings[0]!.message, /gate "approve-switch" would stay shut: 2 must prove who they are, and 0 of those who may answer could/);
  assert.match(findings[1]!.message, /totp of erik \(file:erik\): not a TOTP secret in base32/);
  assert.match(findings[2]!.message, /publicKey of fay \(file:fay\): not an Ed25519 public key/);
  assert.doesNotMatch(JSON.stringify(findings), /not base 32/);
});

test('one who cannot is a warning while enough others can', async (t) => {
  const loaded = await place(t, { fay: pem('ed25519') });
  loaded.system.approvals['approve-switch']!.quorum = 1;
  const findings = await checkApprovers(loaded, undefined);
  assert.deepEqual(findings.map(({ effect }) => effect), ['warns']);
  assert.match(findings[0]!.message, /file:erik/);
});

test('the gates of retention and disposal are looked at, too: one that would stay shut holds up no recovery, and is a warning', async (t) => {
  const loaded = await place(t, { erik: secret, fay: pem('ed25519') });
  const gate = loaded.system.approvals['approve-switch']!;
  Object.assign(loaded.system.approvals, { disposing: { ...gate, proof: 'totp' }, letting: { ...gate, quorum: 1, proof: 'signature' } });
  Object.assign(loaded.system, { retention: { wait: 0, approval: 'letting', sources: {} }, disposal: { approval: 'disposing' } });
  const findings = await checkApprovers(loaded, undefined);
  assert.deepEqual(findings.map(({ effect, about, message }) => [effect, about, message]), [['warns', 'people', 'gate "disposing" of every disposal would stay shut: 2 must prove who they are, and 1 of those who may answer could']]);
  loaded.system.disposal = { approval: 'approve-switch' };
  gate.proof = 'totp';
  assert.deepEqual((await checkApprovers(loaded, undefined)).map(({ effect }) => effect), ['fails'], 'one that a recovery needs too is told once');
});

test('a gate that asks for no proof, or of another runbook, is not looked at', async (t) => {
  const loaded = await place(t, {});
  loaded.system.approvals['approve-switch']!.proof = 'none';
  loaded.system.approvals['elsewhere'] = { ...loaded.system.approvals['approve-switch']!, proof: 'totp' };
  assert.deepEqual(await checkApprovers(loaded, undefined), []);
});
