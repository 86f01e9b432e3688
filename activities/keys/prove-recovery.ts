import { createHmac, timingSafeEqual } from 'node:crypto';
import { ulid } from 'ulid';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RecoveryClaim, RecoveryProof } from '../../workflows/domain/keys/records.ts';
import { opensHere, recipientsOf } from '../../workflows/domain/keys/schema.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { manifestSchema } from '../../workflows/domain/manifest.ts';
import { formatVersion, type ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { SourceContext } from '../context.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import { openBackupKey } from '../stream/backup-key.ts';
import { canonicalBytes } from '../stream/canonical.ts';
import type { DataKey, KeyWrapper } from '../stream/keys.ts';
import { proveWith, type OpeningRoom } from './prove-keys.ts';

/** What was opened, and what only whoever opened the base's key could have made of it. */
export type ProvedRecovery = RecoveryClaim & { mac: string };

/**
 * Opens the newest base of a source with the offline key that was given, and with nothing else that this machine has: the bucket, the system file and public keys are enough. The key leaves this process in no form: what goes
 * out is a MAC under the key of the base, by which a worker knows that it was opened.
 *
 * @throws NoRecoveryPoint - there is no base yet. WrongKey, KeyRefused - it does not open.
 */
export async function proveRecovery(room: OpeningRoom, of: { system: string; source: string }, wrapper: KeyWrapper): Promise<ProvedRecovery> {
  const { opened, part } = await proveWith(room, of, wrapper);
  if (!opened) throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: there is no base that the key could be tried on`, { hint: 'take a backup first' });
  const { manifest: { timeline, backup }, key } = opened;
  const { kind, id } = wrapper.recipient;
  const claim: RecoveryClaim = { ...of, timeline, backup, recipient: { kind, id }, key: key.id, archiveKey: opened.archiveKey, part, plainSha256: opened.part?.plainSha256 ?? null };
  return { ...claim, mac: macOf(key, claim).toString('hex') };
}

const macOf = (key: DataKey, claim: RecoveryClaim): Buffer => createHmac('sha256', key.bytes).update('holdfast recovery proof').update(canonicalBytes(claim)).digest();

/**
 * Writes down, signed, that the offline key opened a base, once this worker has opened the same base's key in its own way and found that the MAC is made with it.
 * Killed before the put: nothing is written. Twice: the second is another record of the same proof.
 *
 * @throws NotPermitted - the MAC is not of this key, or the recipient opens here anyway. BadInput - the system file names no such recipient. ObjectMissing, WrongKey.
 */
export async function recordRecoveryProof({ store, keys, system, signal }: SourceContext, { mac, run, by, ...claim }: ProvedRecovery & { run: string; by: string | null }): Promise<{ ref: ObjectRef; record: RecoveryProof }> {
  const { kind, id } = claim.recipient;
  const recipient = recipientsOf(system.key).find((one) => one.id === id && one.config.kind === kind);
  if (!recipient) throw new HoldfastError('BadInput', `system "${claim.system}" has no recipient ${kind} ${id}`, { hint: `recipients: ${recipientsOf(system.key).map((one) => `${one.config.kind} ${one.id}`).join(', ')}` });
  if (opensHere(recipient.config)) throw new HoldfastError('NotPermitted', `${kind} ${id} opens here anyway: it is no offline key, and its daily check proves it`);
  const { found } = await findSigned(store, keys, manifestSchema, layout.manifest(claim), { signal });
  if (!found || found.body.key.id !== claim.key) throw new HoldfastError('ObjectMissing', `${layout.manifest(claim)}: there is no such base, or it is under another key`);
  const key = await openBackupKey(store, keys, found.body, found.body.key);
  const given = Buffer.from(mac, 'hex');
  const wanted = macOf(key, claim);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) throw new HoldfastError('NotPermitted', `what was said of base ${claim.backup} was not made with its key: nothing is proved by it`);
  const at = (await store.now({ signal })).toISOString();
  const record: RecoveryProof = { format: formatVersion, kind: 'recovery-proof', ...claim, id: ulid(), at, run, by };
  return { ref: await putSigned(store, keys, layout.recoveryProof(record), record, { ifAbsent: true, signal }), record };
}
