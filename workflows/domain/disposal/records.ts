import { z } from 'zod';
import { logPositionSchema } from '../log-position.ts';
import { formatVersion, objectRefSchema } from '../stored-object.ts';

const at = z.iso.datetime();
const count = z.int().min(0);

/** So much lies there of a point. `objects`: keys that have a version; a delete marker is no version. */
const inventorySchema = z.strictObject({ objects: count, versions: count, deleteMarkers: count, bytes: count });
export type Inventory = z.infer<typeof inventorySchema>;

/** A wrapping of the point's key: what was destroyed, by the digest of what was stored; `recipient` as its own name says. */
const wrappingSchema = z.strictObject({ key: z.string(), versionId: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
export type Wrapping = z.infer<typeof wrappingSchema>;

const about = {
  format: z.literal(formatVersion),
  system: z.string(),
  source: z.string(),
  timeline: z.string(),
  /** id of the base or the import */
  point: z.string(),
  run: z.string(),
  workflowId: z.string(),
  /** as claimed; null: no name was given */
  by: z.string().nullable(),
  /** names, as the gate has them; empty: the system file asks nobody */
  approvedBy: z.array(z.string()),
  reason: z.string(),
} as const;

/** What a disposal is going to destroy. Written before anything changes: what is destroyed can tell of itself no more. */
export const disposalOrderSchema = z.strictObject({
  ...about,
  kind: z.literal('disposal-order'),
  epoch: z.int(),
  /** by the store's clock */
  at,
  /** the moment that it was of */
  end: logPositionSchema,
  /** null: an earlier disposal had destroyed it already */
  manifest: objectRefSchema.nullable(),
  wrappings: z.array(wrappingSchema),
  inventory: inventorySchema,
  evenTheLast: z.boolean(),
  /** what people had to know of it, a sentence each */
  notes: z.array(z.string()),
});
export type DisposalOrder = z.infer<typeof disposalOrderSchema>;

/** That a point was destroyed: what, for whom, when each step was done, and what is left. All times are the store's. */
export const disposalCertificateSchema = z.strictObject({
  ...about,
  kind: z.literal('disposal-certificate'),
  at,
  /** every order that there was for this point, the oldest first: what lay there, and when it began */
  orders: z.array(objectRefSchema),
  method: z.string(),
  wrappings: z.array(wrappingSchema),
  /** what lay there when it was ordered, without what is left */
  destroyed: inventorySchema,
  steps: z.strictObject({
    orderedAt: at,
    /** when it was seen that no wrapping of its key was left; null: some are */
    keysGoneAt: at.nullable(),
    /** when it was seen that nothing of it was left; null: something is */
    allGoneAt: at.nullable(),
  }),
  /** what could not be destroyed, and why: the first hundred, and how many there are */
  left: z.array(z.strictObject({ what: z.string(), why: z.string() })),
  leftCount: count,
  /** what was never its own, and stays: a sentence each */
  stays: z.array(z.string()),
  /** the stores that were looked at */
  stores: z.array(z.string()),
});
export type DisposalCertificate = z.infer<typeof disposalCertificateSchema>;
