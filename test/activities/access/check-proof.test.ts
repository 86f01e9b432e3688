import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { Secret } from 'otpauth';
import { checkProof, totpOf, type ProofContext } from '../../../activities/access/check-proof.ts';
import { signDecision } from '../../../activities/access/statement.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import type { ProofToCheck } from '../../../workflows/contract.ts';
import type { DecisionSaid, ShownGate } from '../../../workflows/domain/approval.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/** The secret of RFC 6238, appendix B. */
const secret = new Secret({ buffer: new TextEncoder().encode('12345678901234567890').buffer }).base32;
const pair = generateKeyPairSync('ed25519');
const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const secrets: Record<string, string> = { 'file:totp': secret, 'file:short': 'GEZDGNBVGY3TQOJQ', 'file:none': 'not base 32!', 'file:pub': pem };

const shown: ShownGate = { system: 'demo', run: 'R1', purpose: 'recovery', gate: 'go', round: 1, openedAt: '2026-11-21T03:00:00.000Z', description: 'may it?', quorum: 1, before: [{ step: 'validate', state: 'done', summary: 'equal' }] };
const approve: DecisionSaid = { said: 'approve' };
const ofCode = (code: string, check = 'R1/1'): ProofToCheck => ({ system: 'demo', check, person: 'erik', by: 'erik', proof: { kind: 'totp', code }, shown, decision: approve });

async function place(t: TestContext, nowSeconds = 1_234_567_890): Promise<ProofContext> {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const people = { erik: { roles: ['dr-team'], totp: 'file:totp', publicKey: 'file:pub' } };
  return { people, store, keys: await newKeys(), secret: (ref) => Promise.resolve(secrets[ref]!), signal: new AbortController().signal, nowMs: nowSeconds * 1000 };
}
const at = (context: ProofContext, seconds: number): ProofContext => ({ ...context, nowMs: context.nowMs + seconds * 1000 });

test('the codes of RFC 6238 are right at their times', async (t) => {
  const context = await place(t);
  for (const [seconds, code] of [[59, '287082'], [1_111_111_109, '081804'], [1_234_567_890, '005924'], [20_000_000_000, '353130']] as const) {
    assert.equal((await checkProof({ ...context, nowMs: seconds * 1000 }, ofCode(code, `R1/${seconds}`))).ok, true, String(seconds));
  }
});

test('a clock may be a step off, and no more', async (t) => {
  const ok = async (seconds: number): Promise<boolean> => (await checkProof(at(await place(t), seconds), ofCode('005924'))).ok;
  assert.deepEqual(await Promise.all([-31, -30, 0, 59, 60].map(ok)), [false, true, true, true, false]);
});

test('a used code is refused to every other check, in whatever run and by whatever worker, and the same check finds its own note', async (t) => {
  const context = await place(t);
  assert.equal((await checkProof(context, ofCode('005924'))).ok, true);
  assert.equal((await checkProof(at(context, 10), ofCode('005924'))).ok, true, 'the same check, tried again after its worker was lost');
  const again = await checkProof(at(context, 20), ofCode('005924', 'R2/1'));
  assert.deepEqual([again.ok, again.wrong], [false, false]);
  assert.match(again.why, /has been used already/);
});

test('of many checks at once with one code, one gets it', async (t) => {
  const context = await place(t);
  const results = await Promise.all(Array.from({ length: 8 }, (_, n) => checkProof(context, ofCode('005924', `R${n}/1`))));
  assert.equal(results.filter(({ ok }) => ok).length, 1);
});

test('a forged note over the key of a code lets nobody use it', async (t) => {
  const context = await place(t);
  await context.store.put(layout.usedCode('demo', 'erik', Math.floor(1_234_567_890 / 30)), Buffer.from('{}'));
  assert.equal((await checkProof(context, ofCode('005924'))).ok, false);
});

test('a wrong code is wrong, and neither code nor secret is in the answer', async (t) => {
  const answer = await checkProof(await place(t), ofCode('111111'));
  assert.deepEqual([answer.ok, answer.wrong], [false, true]);
  assert.match(answer.why, /code of erik is wrong, or too old; the worker’s clock says 2009-02-13T23:31:30/);
  assert.doesNotMatch(answer.why, new RegExp(`111111|${secret}`));
});

test('a secret that is none, or too short, is named by its reference and not shown', () => {
  assert.throws(() => totpOf(secrets['file:short']!, 'totp of erik (file:short)'), /file:short\): a TOTP secret of 10 bytes; at least 16/);
  assert.throws(() => totpOf(secrets['file:none']!, 'totp of erik (file:none)'), (error: Error) => /not a TOTP secret in base32/.test(error.message) && !error.message.includes('not base 32'));
});

test('a signature is of one decision: no other gate, run, round, person, decision or description', async (t) => {
  const context = await place(t);
  const proof = { kind: 'signature' as const, ...signDecision(pair.privateKey, shown, approve, 'erik') };
  const check = async (extra: Partial<ProofToCheck>): Promise<boolean> => (await checkProof(context, { ...ofCode(''), proof, ...extra })).ok;
  assert.equal(await check({}), true);
  assert.equal(await check({ check: 'R1/2' }), true, 'a signature is no secret: who decides twice is the reducer’s to refuse');
  const others: Partial<ProofToCheck>[] = [
    { shown: { ...shown, gate: 'other' } }, { shown: { ...shown, run: 'R2' } }, { shown: { ...shown, round: 2 } }, { shown: { ...shown, description: 'may it, today?' } },
    { shown: { ...shown, before: [{ step: 'validate', state: 'skipped', summary: 'equal' }] } }, { by: 'fay' }, { decision: { said: 'reject' } }, { decision: { said: 'delegate', to: 'mallory', forMs: 1 } },
    { proof: { ...proof, nonce: '0'.repeat(32) } }, { proof: { ...proof, value: 'AAAA' } },
  ];
  for (const other of others) assert.equal(await check(other), false, JSON.stringify(other));
  const foreign = { kind: 'signature' as const, ...signDecision(generateKeyPairSync('ed25519').privateKey, shown, approve, 'erik') };
  assert.equal(await check({ proof: foreign }), false);
});

test('a person whose secret the system file has no more proves nothing', async (t) => {
  const answer = await checkProof({ ...(await place(t)), people: {} }, ofCode('005924'));
  assert.deepEqual([answer.ok, answer.wrong], [false, false]);
});
