import { BSON, type Document } from 'mongodb';
import { z } from 'zod';
import type { BackupScope } from '../../../workflows/domain/layout.ts';
import { logPositionSchema } from '../../../workflows/domain/log-position.ts';
import { importOriginSchema } from '../../../workflows/domain/manifest.ts';
import type { DataKey } from '../../stream/keys.ts';
import { open, seal } from '../../stream/sealed.ts';
import { planFields, type PlanRange } from '../base/plan.ts';
import { decodeOrdered, parseOrdered, sendable, stringifyOrdered } from './ordered-documents.ts';

const count = z.number().int().min(0);

/** One collection as it stood when the dump was planned. */
const planUnitSchema = z.strictObject({
  /** the collection's UUID, hex with dashes */
  id: z.string(),
  name: z.string(),
  kind: z.literal('collection'),
  /** a capped collection: its order is data, so it is one stream from its first document to its last */
  capped: z.boolean(),
  /** why it cannot be read at the plan's instant; null where it can */
  fuzzy: z.string().nullable(),
  estimatedBytes: count,
  detail: z.unknown(),
});
export type PlanUnit = z.infer<typeof planUnitSchema>;

export type { PlanRange };

/** What a dump will read, and from when. Signed, put once: every attempt of every group works from the same one. */
export const planSchema = z.strictObject({
  ...planFields,
  /** the one instant at which everything is read that can be */
  readAt: logPositionSchema,
  /** UUIDs of collections that came, went or changed while the plan was made: the base is whole only after them */
  changing: z.array(z.string()),
  units: z.array(planUnitSchema),
  /** sealed BSON: `{<unit>/<range>: {min?, max?}}`. Bounds are `_id`s, so they are data. Base64. */
  bounds: z.string(),
  /** an import: what it reads, and `identity`, which says that it is still the same; its end is that of its log */
  imported: z.strictObject({ path: z.string(), identity: z.string(), end: logPositionSchema, origin: importOriginSchema }).optional(),
});
export type Plan = z.infer<typeof planSchema>;

/** Part of a collection's documents by `_id`, as `decodeOrdered` gives them: from `min` (inclusive) to `max` (exclusive); left out: no bound. */
export interface Bounds {
  min?: Document;
  max?: Document;
}

/**
 * Engine's own part of a unit: canonical Extended JSON, so that numbers keep their types. As text, because signed objects
 * are canonical JSON, which sorts fields, and the order of an index's keys is what it sorts by.
 */
export interface UnitDetail {
  options: Document;
  idIndex: Document | null;
  indexes: Document[];
}

export const encodeDetail = (detail: UnitDetail): string => stringifyOrdered(detail as unknown as Document);
export const decodeDetail = (detail: unknown): UnitDetail => parseOrdered(String(detail)) as unknown as UnitDetail;

const boundsContext = (of: BackupScope): Record<string, string> => ({
  holdfast: 'plan-bounds',
  system: of.system,
  source: of.source,
  timeline: of.timeline,
  backup: of.backup,
});

export const rangeName = (range: { unit: string; range: string }): string => `${range.unit}/${range.range}`;

export async function sealBounds(key: DataKey, of: BackupScope, bounds: ReadonlyMap<string, Bounds>): Promise<string> {
  return (await seal(key, BSON.serialize(sendable(Object.fromEntries(bounds)) as Document), boundsContext(of))).toString('base64');
}

export async function openBounds(key: DataKey, plan: Plan): Promise<Map<string, Bounds>> {
  const plain = await open(key, Buffer.from(plan.bounds, 'base64'), boundsContext(plan));
  return new Map(Object.entries(decodeOrdered(plain) as Record<string, Bounds>));
}
