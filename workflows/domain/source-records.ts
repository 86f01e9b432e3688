import { z } from 'zod';
import { logPositionSchema } from './log-position.ts';
import { writtenMarkStates } from './point-mark.ts';
import { recordOf } from './stored-object.ts';
import { verifyScopes } from './verification.ts';

/** What lies in the bucket beside a source's bases and slices: the lives that it has had, holes in its log, who reads, what is said of its bases. */

const at = z.iso.datetime();

export const timelineSchema = z.strictObject({
  ...recordOf('timeline'),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  startedAt: at,
  why: z.string(),
  /** what tells this source from another one at the same address: the replica set's id for MongoDB */
  sourceIdentity: z.string(),
  /** where the source lives during this timeline; left out: where the system file puts it. A recovery moves it. */
  environment: z.string().optional(),
  parent: z.strictObject({ timeline: z.string(), limit: logPositionSchema }).nullable(),
});
export type Timeline = z.infer<typeof timelineSchema>;

export const gapSchema = z.strictObject({
  ...recordOf('gap'),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  from: logPositionSchema,
  to: logPositionSchema,
  why: z.string(),
  foundAt: at,
});
export type Gap = z.infer<typeof gapSchema>;

/** What a lost end of the log is noticed by: the slice from `from` to `to` was in the store, and was its timeline's newest. */
export const headSchema = z.strictObject({
  ...recordOf('head'),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  from: logPositionSchema,
  to: logPositionSchema,
  /** by the clock of the worker */
  archivedAt: at,
});
export type Head = z.infer<typeof headSchema>;

/** What PostgreSQL's own history file says of the timeline that this one is the log of: which it came from, and where it left each. */
export const historySchema = z.strictObject({
  ...recordOf('history'),
  source: z.string(),
  timeline: z.string(),
  /** `00000002.history` */
  file: z.string(),
  content: z.string(),
});
export type History = z.infer<typeof historySchema>;

export const epochSchema = z.strictObject({
  ...recordOf('epoch'),
  epoch: z.number().int(),
  /** identifies the control plane: the id of its Temporal namespace */
  owner: z.string(),
  claimedAt: at,
  why: z.string(),
});
export type Epoch = z.infer<typeof epochSchema>;

export const holdSchema = z.strictObject({
  ...recordOf('hold'),
  run: z.string(),
  heldAt: at,
  why: z.string(),
  source: z.string(),
  timeline: z.string(),
  backup: z.string(),
  from: logPositionSchema,
  limit: logPositionSchema,
});
export type Hold = z.infer<typeof holdSchema>;

/** What somebody says of a base, an import or a slice. */
export const markSchema = z.strictObject({
  ...recordOf('mark'),
  source: z.string(),
  /** id of a base or an import, or `<timeline>.<from>_<to>` of a slice */
  point: z.string(),
  state: z.enum(writtenMarkStates),
  reason: z.string(),
  /** as claimed; `verification`: Holdfast found it */
  by: z.string(),
  /** by the store's clock, and later than the mark before it */
  at,
  /** tells a repeated try of one mark from another mark */
  id: z.string(),
});
export type Mark = z.infer<typeof markSchema>;

/** What one verification of one source read, and what it found. */
export const verificationSchema = z.strictObject({
  ...recordOf('verification'),
  source: z.string(),
  /** the run of the workflow that asked: a second try of it is no second verification */
  run: z.string(),
  /** by the store's clock */
  at,
  scope: z.enum(verifyScopes),
  /** of a sample: the shares of what is kept that were read, from 0 */
  shares: z.strictObject({ of: z.number().int().positive(), read: z.array(z.number().int().min(0)) }).nullable(),
  /** the base that it was about; null: none, or all */
  backup: z.string().nullable(),
  ok: z.boolean(),
  objects: z.number().int(),
  bytes: z.number().int().min(0),
  /** the first hundred, and how many there are */
  problems: z.array(z.strictObject({ key: z.string(), problem: z.string() })),
  problemCount: z.number().int(),
});
export type Verification = z.infer<typeof verificationSchema>;

/** Which bases of a source there should be, imports too: put whenever one comes or goes, so that one which is gone without a trace of its own is missed. */
export const baseListSchema = z.strictObject({
  ...recordOf('base-list'),
  source: z.string(),
  number: z.number().int().positive(),
  /** by the store's clock */
  at,
  bases: z.array(z.strictObject({ timeline: z.string(), backup: z.string() })),
  /** of the stored bytes of the list before; null: this is the first, or that one is not believed */
  previous: z.string().nullable(),
});
export type BaseList = z.infer<typeof baseListSchema>;
