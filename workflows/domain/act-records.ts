import { z } from 'zod';
import { logPositionSchema } from './log-position.ts';
import { objectRefSchema, recordOf } from './stored-object.ts';

/** What lies in the bucket of people's acts: who asked for what, what a run leaves as evidence, codes that were used, deployments. */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const at = z.iso.datetime();

/**
 * One act that somebody asked for, and whether they were let. Records are numbered without a hole, and each names the SHA-256 of the one before it:
 * one that is gone, altered or slipped in breaks the chain where it stood.
 */
export const auditRecordSchema = z.strictObject({
  ...recordOf('audit'),
  number: z.number().int().positive(),
  /** by the store's clock, and never before that of the record before it */
  at,
  /** as claimed; null: no name was given */
  by: z.string().nullable(),
  /** of the permission table, or what a run wrote down of itself: `evidence` */
  act: z.string(),
  outcome: z.enum(['permitted', 'elevated', 'refused', 'done']),
  /** how it was asked for: an alert, a schedule, an incident, a start in Temporal; left out: not known */
  from: z.string().optional(),
  /** the machine whose worker wrote it down */
  worker: z.string().optional(),
  /** why it was refused, or what was asked for */
  about: z.string(),
  workflow: z.string(),
  workflowId: z.string(),
  runId: z.string(),
  /** of the stored bytes of the record before; null: this is the first */
  previous: z.string().nullable(),
});
export type AuditRecord = z.infer<typeof auditRecordSchema>;

/**
 * What the audit was when a day, UTC by the store's clock, was over: its records since the seal before, and the digest of the last. A record that is gone from the end with all its
 * versions, which no later record tells of, is missed by it. Seals are chained by day without a hole, so a seal that is gone is missed too.
 */
export const auditSealSchema = z.strictObject({
  ...recordOf('audit-seal'),
  day: z.iso.date(),
  /** the first record that is sealed; a day without acts: one more than `to` */
  from: z.number().int().positive(),
  /** the last, 0: there is no record yet */
  to: z.number().int().nonnegative(),
  /** SHA-256 of the stored bytes of record `to`, the oldest of its versions that is believed; null: there is none */
  head: z.string().nullable(),
  /** of the stored bytes of the seal before; null: this is the first, or that one is not believed */
  previous: z.string().nullable(),
  /** by the store's clock */
  sealedAt: at,
});
export type AuditSeal = z.infer<typeof auditSealSchema>;

/**
 * Evidence of a run or an incident: all that was written of it, by exact version and digest, what it worked with, and where the audit stood. The audit names this object's own digest
 * in turn, so neither can be changed without the other. One a writing; the newest tells of all that the earlier ones do.
 */
export const evidenceSchema = z.strictObject({
  ...recordOf('evidence'),
  in: z.enum(['runs', 'incidents']),
  id: z.string(),
  /** by the store's clock */
  at,
  workflowId: z.string(),
  outcome: z.string(),
  finishedAt: z.string(),
  /** report, journal, reports of diverged writes: every object below the run but what is encrypted */
  files: z.array(objectRefSchema),
  /** what was restored of each source, and up to where; `limit` is exclusive */
  points: z.array(z.strictObject({ source: z.string(), timeline: z.string(), backup: z.string(), manifest: objectRefSchema, from: logPositionSchema, limit: logPositionSchema })),
  /** by validator: whether it held, and the collections that were compared */
  proofs: z.array(z.strictObject({ id: z.string(), ok: z.boolean(), effect: z.string(), collections: z.number().int() })),
  decisions: z.array(z.strictObject({ gate: z.string(), by: z.string(), decision: z.string(), at: z.string(), proof: z.string(), reason: z.string().nullable() })),
  /** programs by name, with their versions, on the worker that wrote it */
  tools: z.record(z.string(), z.string()),
  /** the last record of the audit when this was written; null: there was none that is believed */
  audit: z.strictObject({ number: z.number().int().positive(), sha256 }).nullable(),
});
export type Evidence = z.infer<typeof evidenceSchema>;

/** A one-time code of a person that proved a decision, by the time step that it belonged to. */
export const usedCodeSchema = z.strictObject({
  ...recordOf('used-code'),
  person: z.string(),
  step: z.number().int(),
  check: z.string(),
  usedAt: at,
});
export type UsedCode = z.infer<typeof usedCodeSchema>;

/**
 * One deployment of the application, as somebody or a run said it. Numbered and chained as the audit's records are. Two times, and neither is the
 * store's: `deployedAt` is as it was claimed, or the time of the record where nothing was claimed; `recordedAt` is the worker's clock.
 */
export const deploymentRecordSchema = z.strictObject({
  ...recordOf('deployment'),
  number: z.number().int().positive(),
  /** tells a repeated try of one record from another record */
  id: z.string(),
  environment: z.string(),
  version: z.string(),
  deployedAt: at,
  /** as claimed in the request, and not only the time of the record */
  claimed: z.boolean(),
  recordedAt: at,
  /** as claimed; null: no name was given */
  by: z.string().nullable(),
  why: z.string().nullable(),
  /** of the stored bytes of the record before; null: this is the first */
  previous: z.string().nullable(),
});
export type DeploymentRecord = z.infer<typeof deploymentRecordSchema>;
