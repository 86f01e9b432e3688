import { z } from 'zod';
import { formatVersion, recordOf } from '../stored-object.ts';

/** What is written down of keys: that they were looked at, wrapped anew, and opened with the offline key. All times are the store's. */

const at = z.iso.datetime();
const count = z.int().min(0);
const recipient = z.strictObject({ kind: z.string(), id: z.string() });
export type RecipientName = z.infer<typeof recipient>;

/** What a check found of one recipient. `opens` false: it has the public half alone, and only its being there, and signed, was seen. */
const checkedRecipient = recipient.extend({ opens: z.boolean(), opened: count, missing: count, failed: count });
export type CheckedRecipient = z.infer<typeof checkedRecipient>;

/** A check of the keys of one source: every kept key is wrapped for everybody, and opens. */
export const keyCheckSchema = z.strictObject({
  ...recordOf('key-check'),
  source: z.string(),
  run: z.string(),
  at,
  ok: z.boolean(),
  /** of bases, imports and hours of log */
  keys: count,
  /** that nothing here opens */
  lost: count,
  recipients: z.array(checkedRecipient),
  /** the first so many */
  problems: z.array(z.strictObject({ key: z.string(), problem: z.string() })),
  problemCount: count,
});
export type KeyCheck = z.infer<typeof keyCheckSchema>;

/** What a run of `key rotate` came to: who opens every kept key from then on, and whom nothing depends on any more. */
export const keyRotationSchema = z.strictObject({
  ...recordOf('key-rotation'),
  run: z.string(),
  workflowId: z.string(),
  epoch: z.int(),
  /** as claimed; null: no name was given */
  by: z.string().nullable(),
  reason: z.string(),
  at,
  recipients: z.array(recipient.extend({ opens: z.boolean() })),
  retired: z.array(recipient),
  sources: z.array(z.strictObject({ source: z.string(), keys: count, added: count, proofs: z.array(z.strictObject({ recipient, backup: z.string().nullable(), part: z.string().nullable(), slice: z.string().nullable() })) })),
});
export type KeyRotation = z.infer<typeof keyRotationSchema>;

/** That a rotation retires a key: it wraps nothing any more, whatever an older system file says. */
export const retiredKeySchema = z.strictObject({
  ...recordOf('retired-key'),
  recipient,
  run: z.string(),
  /** as claimed; null: no name was given */
  by: z.string().nullable(),
  at,
});
export type RetiredKey = z.infer<typeof retiredKeySchema>;

/** What whoever has an offline key says that he opened with it. */
export const recoveryClaimSchema = z.strictObject({
  system: z.string(),
  source: z.string(),
  timeline: z.string(),
  backup: z.string(),
  recipient,
  /** id of the base's key, and of the newest key of the log behind it; null: it has none */
  key: z.string(),
  archiveKey: z.string().nullable(),
  /** the part that was read, and what it opened to */
  part: z.string().nullable(),
  plainSha256: z.string().nullable(),
});
export type RecoveryClaim = z.infer<typeof recoveryClaimSchema>;

/** That the offline key opened a base. Written by a worker that opened the same key in its own way, and so knows that nobody else could have said it. */
export const recoveryProofSchema = recoveryClaimSchema.extend({
  format: z.literal(formatVersion),
  kind: z.literal('recovery-proof'),
  id: z.string(),
  at,
  run: z.string(),
  by: z.string().nullable(),
});
export type RecoveryProof = z.infer<typeof recoveryProofSchema>;

/** A key that encrypts parts or slices, wrapped for one recipient. `wrapped` is what its kind makes of it (docs/format.md), base64; `signature` is over all the rest, and only the oldest have none. */
export const wrappedKeySchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('wrapped-key'),
  key: z.string(),
  /** `of`: whose public half it was wrapped for; of the kinds that have one */
  recipient: z.strictObject({ kind: z.string(), id: z.string(), of: z.string().optional() }),
  context: z.record(z.string(), z.string()),
  wrapped: z.string(),
  signature: z.strictObject({ algorithm: z.literal('ed25519'), keyId: z.string(), value: z.string() }).optional(),
});
export type WrappedKey = z.infer<typeof wrappedKeySchema>;
