import { z } from 'zod';
import { logPositionSchema } from '../log-position.ts';
import { recordOf } from '../stored-object.ts';

/** What retention writes into the bucket before it takes anything, so that what a kill leaves is known by it. */

const at = z.iso.datetime();
const bytes = z.number().int().min(0);

/** Retention has begun to take a base: whatever of it is left when its manifest is gone is nobody's. */
export const expiredBaseSchema = z.strictObject({
  ...recordOf('expired-base'),
  source: z.string(),
  timeline: z.string(),
  backup: z.string(),
  epoch: z.number().int(),
  run: z.string(),
  /** by the store's clock */
  at,
});
export type ExpiredBase = z.infer<typeof expiredBaseSchema>;

/** Retention takes log up to `before`, inclusive, where no base that stays needs it: a hole before it is no loss. */
export const expiredLogSchema = z.strictObject({
  ...recordOf('expired-log'),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  before: logPositionSchema,
  run: z.string(),
  at,
});
export type ExpiredLog = z.infer<typeof expiredLogSchema>;

/** What a run of retention may take: this, and of it what a plan that is made right before the act still lets go. */
export const approvedRetentionSchema = z.strictObject({
  ...recordOf('retention-plan'),
  source: z.string(),
  run: z.string(),
  at,
  bases: z.array(z.strictObject({ timeline: z.string(), backup: z.string(), end: logPositionSchema, storedAt: z.string(), storedBytes: bytes, goes: z.boolean(), why: z.array(z.string()) })),
  keptLog: z.array(z.strictObject({ timeline: z.string(), from: logPositionSchema, to: logPositionSchema.nullable(), why: z.string() })),
  logEnds: z.record(z.string(), logPositionSchema),
  unfinished: z.array(z.strictObject({ timeline: z.string(), backup: z.string(), lastAt: at, objects: z.number().int(), storedBytes: bytes, goes: z.boolean(), why: z.array(z.string()) })).default([]),
  notes: z.array(z.string()),
});
export type ApprovedRetention = z.infer<typeof approvedRetentionSchema>;
