import { z } from 'zod';

/** What every object in the bucket has in common. Each names its format, and its kind; a newer format is refused with a hint. */
export const formatVersion = 1;

/** What every record of a system begins with. */
export const recordOf = <K extends string>(kind: K) => ({ format: z.literal(formatVersion), kind: z.literal(kind), system: z.string() });

/** One exact version of one object. `sha256` is of the stored bytes. */
export const objectRefSchema = z.strictObject({
  key: z.string(),
  versionId: z.string(),
  bytes: z.number().int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
export type ObjectRef = z.infer<typeof objectRefSchema>;

/** How signed objects lie in the bucket: `signature` is Ed25519 over the canonical JSON (RFC 8785) of `body`. */
export const signedSchema = z.strictObject({
  body: z.looseObject({ format: z.number().int(), kind: z.string() }),
  signature: z.strictObject({ algorithm: z.literal('ed25519'), keyId: z.string(), value: z.string() }),
});
export type Signed = z.infer<typeof signedSchema>;
