import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import type { ProofToCheck } from '../../workflows/contract.ts';
import type { Proof } from '../../workflows/domain/approval.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { SystemContext } from '../open-context.ts';
import { statementBytes } from './statement.ts';
import { takeCode } from './used-codes.ts';

export interface ProofContext extends Pick<SystemContext, 'store' | 'keys' | 'secret'> {
  people: System['people'];
  signal: AbortSignal;
  /** the worker's clock: a code is of its 30 s, of the 30 s before or of the 30 s after */
  nowMs: number;
}

type Checked = { ok: boolean; wrong: boolean; why: string };

const good = (why: string): Checked => ({ ok: true, wrong: false, why });
const bad = (why: string): Checked => ({ ok: false, wrong: true, why });

/**
 * Whether a decision is proved to be this person's. Safe to repeat: what a code was used for is noted in the store under the check's own id.
 * @throws BadSystemFile - the secret or key of the person is none; says which, and never what stood there.
 */
export async function checkProof(context: ProofContext, of: ProofToCheck): Promise<Checked> {
  const person = context.people[of.person];
  const ref = of.proof.kind === 'totp' ? person?.totp : person?.publicKey;
  // The run began with another system file.
  if (ref === undefined) return { ok: false, wrong: false, why: `the system file has no ${of.proof.kind === 'totp' ? 'TOTP secret' : 'public key'} of ${of.by} any more` };
  const secret = await context.secret(ref);
  return of.proof.kind === 'totp' ? await checkCode(context, of, of.proof, { ref, secret }) : checkSignature(of, of.proof, { ref, secret });
}

/** RFC 4226, 4 (R6): a secret of at least 128 bits. */
const shortestSecretBytes = 16;

/** As every authenticator has it: RFC 6238 with SHA-1, six digits, 30 s. */
export function totpOf(base32: string, where: string): TOTP {
  let secret: Secret;
  try {
    secret = Secret.fromBase32(base32.replaceAll(/[\s=]/g, '').toUpperCase());
  } catch {
    // the parser's message can quote the input, and the input is a secret
    throw new HoldfastError('BadSystemFile', `${where}: not a TOTP secret in base32`, { hint: 'make one with: holdfast access enrol' });
  }
  if (secret.bytes.length >= shortestSecretBytes) return new TOTP({ secret, algorithm: 'SHA1', digits: 6, period: 30 });
  throw new HoldfastError('BadSystemFile', `${where}: a TOTP secret of ${secret.bytes.length} bytes; at least ${shortestSecretBytes} are needed`, { hint: 'make one with: holdfast access enrol' });
}

async function checkCode(context: ProofContext, of: ProofToCheck, { code }: Proof & { kind: 'totp' }, { ref, secret }: { ref: string; secret: string }): Promise<Checked> {
  const totp = totpOf(secret, `totp of ${of.person} (${ref})`);
  const timestamp = context.nowMs;
  const delta = totp.validate({ token: code, timestamp, window: 1 });
  if (delta === null) return bad(`the one-time code of ${of.by} is wrong, or too old; the worker’s clock says ${new Date(timestamp).toISOString()}`);
  const step = TOTP.counter({ timestamp, period: totp.period }) + delta;
  const taken = await takeCode(context, { system: of.system, person: of.person, step, check: of.check });
  if (taken) return good('a one-time code');
  // Right, so nobody guesses; but whoever looked over a shoulder has it too.
  return { ok: false, wrong: false, why: `the one-time code of ${of.by} has been used already: wait for the next one` };
}

/** @throws BadSystemFile */
export function signatureKeyOf(pem: string, where: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPublicKey(pem);
  } catch {
    key = undefined;
  }
  if (key?.asymmetricKeyType === 'ed25519') return key;
  throw new HoldfastError('BadSystemFile', `${where}: not an Ed25519 public key in PEM`, { hint: 'openssl pkey -in KEYFILE -pubout' });
}

function checkSignature(of: ProofToCheck, proof: Proof & { kind: 'signature' }, { ref, secret }: { ref: string; secret: string }): Checked {
  const key = signatureKeyOf(secret, `publicKey of ${of.person} (${ref})`);
  const statement = statementBytes(of.shown, of.decision, of.by, proof);
  if (verify(null, statement, key, Buffer.from(proof.value, 'base64'))) return good('a signature');
  return bad(`the signature is not that of ${of.by} for this decision at gate "${of.shown.gate}": another key, another run, another gate, or the gate shows something else by now`);
}
