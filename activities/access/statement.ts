import { createHash, randomBytes, sign, type KeyObject } from 'node:crypto';
import { statementOf, type DecisionSaid, type Proof, type ShownGate } from '../../workflows/domain/approval.ts';
import { canonicalBytes } from '../stream/canonical.ts';

/** The bytes that a decision's signature is over: the same for who signs and who checks, made of what each of them sees. */
export function statementBytes(shown: ShownGate, decision: DecisionSaid, by: string, once: { at: string; nonce: string }): Buffer {
  const shows = createHash('sha256').update(canonicalBytes(shown)).digest('hex');
  return canonicalBytes(statementOf(shown, shows, decision, by, once));
}

/** Signs a decision with a person's Ed25519 key; done where the person is, never on a worker. */
export function signDecision(key: KeyObject, shown: ShownGate, decision: DecisionSaid, by: string): Omit<Extract<Proof, { kind: 'signature' }>, 'kind'> {
  const once = { at: new Date().toISOString(), nonce: randomBytes(16).toString('hex') };
  return { ...once, value: sign(null, statementBytes(shown, decision, by, once), key).toString('base64') };
}
