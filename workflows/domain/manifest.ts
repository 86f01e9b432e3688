import { z } from 'zod';
import { logPositionSchema } from './log-position.ts';
import { writtenMarkStates } from './point-mark.ts';
import { verifyScopes } from './verification.ts';

/** What Holdfast writes into the bucket, as schemas. Every object names its format; a newer one is refused with a hint. */
export const formatVersion = 1;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const at = z.iso.datetime();
const bytes = z.number().int().min(0);

/** One exact version of one object. `sha256` is of the stored bytes. */
export const objectRefSchema = z.strictObject({
  key: z.string(),
  versionId: z.string(),
  bytes,
  sha256,
});
export type ObjectRef = z.infer<typeof objectRefSchema>;

/**
 * One encrypted, independently readable piece of a backup: at most 16 MiB stored.
 * `continues`: a document larger than a part goes on in the next part of the same range.
 * `exact`: holds documents that a plain insert would alter (a Timestamp(0,0), an `_id` that is not first): load by applyOps.
 */
export const partSchema = z.strictObject({
  object: objectRefSchema,
  unit: z.string(),
  range: z.string(),
  index: z.number().int().min(0),
  documents: z.number().int().min(0),
  plainBytes: bytes,
  plainSha256: sha256,
  continues: z.boolean(),
  exact: z.boolean(),
});
export type Part = z.infer<typeof partSchema>;

/**
 * What one group activity leaves: its parts in order, and what it saw of each unit.
 * `hashSum` is Σ SHA-256(document) mod 2^256, 64 hex digits; null where the read was not at one instant.
 */
export const groupIndexSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('group'),
  backup: z.string(),
  group: z.string(),
  parts: z.array(partSchema),
  ranges: z.array(
    z.strictObject({
      unit: z.string(),
      range: z.string(),
      documents: z.number().int(),
      plainBytes: bytes,
      hashSum: sha256.nullable(),
      /** why it is not exact, for people; null where it is */
      fuzzy: z.string().nullable(),
      /** the unit disappeared (dropped) while it was read */
      gone: z.boolean(),
      /** a program's stream: when the program ran, by its worker's clock */
      ran: z.strictObject({ fromAt: at, toAt: at }).optional(),
      /** the engine's own: where a physical base begins and ends in the log */
      detail: z.unknown().optional(),
    }),
  ),
});
export type GroupIndex = z.infer<typeof groupIndexSchema>;

/** A unit is what the engine counts and proves one by one: for MongoDB a collection; `id` is its UUID. */
export const unitSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  documents: z.number().int(),
  plainBytes: bytes,
  hashSum: sha256.nullable(),
  fuzzy: z.string().nullable(),
  /** the engine's own: options and indexes for MongoDB, as canonical Extended JSON */
  detail: z.unknown(),
});
export type Unit = z.infer<typeof unitSchema>;

/**
 * Where an imported base came from: no dump of ours read it. Nobody but the other program knows at which position each document
 * was read, so nothing of it is proved equal to its source.
 */
export const importOriginSchema = z.strictObject({
  program: z.literal('mongodump'),
  form: z.enum(['archive', 'folder']),
  gzip: z.boolean(),
  /** name of the file or folder, without the directories above it */
  name: z.string(),
  toolVersion: z.string(),
  documents: z.number().int(),
  plainBytes: bytes,
  /** the log that the dump holds: what makes it one moment. Null: it has none, and is of no one moment */
  log: z.strictObject({ from: logPositionSchema, to: logPositionSchema, entries: z.number().int(), plainBytes: bytes }).nullable(),
  proof: z.strictObject({ kind: z.literal('none'), why: z.string() }),
  /** namespaces of the dump that are a server's own, or that the system file excludes */
  leftOut: z.array(z.string()),
});
export type ImportOrigin = z.infer<typeof importOriginSchema>;

/**
 * A base that is the standard output of a program which Holdfast ran. Only the program knows what is in it: nothing of it is
 * proved equal to its source, and it is of the moment that its program promises, or of none.
 */
export const streamOriginSchema = z.strictObject({
  form: z.literal('stream'),
  /** its name, without a directory */
  program: z.string(),
  toolVersion: z.string(),
  /** when the program ran, by the clock of its worker */
  ranFrom: at,
  ranTo: at,
  /** all of it is as it was when the program began, or ended; null: of no one moment */
  moment: z.enum(['start', 'end']).nullable(),
  log: z.null(),
  proof: z.strictObject({ kind: z.literal('none'), why: z.string() }),
  /** the program keeps the backup itself, under this name: what is stored here says which one it is. Left out: all of it is stored here */
  foreign: z.strictObject({ label: z.string() }).optional(),
});
export type StreamOrigin = z.infer<typeof streamOriginSchema>;

/** One of the bases that an incremental one adds to. */
export const parentSchema = z.strictObject({ backup: z.string(), manifest: objectRefSchema, plainBytes: bytes });
export type Parent = z.infer<typeof parentSchema>;

/** Where a base came from that is no dump of our own reading. */
export const originSchema = z.discriminatedUnion('form', [importOriginSchema, streamOriginSchema]);

export const manifestSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('base'),
  system: z.string(),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  backup: z.string(),
  why: z.string(),
  requestedBy: z.string(),
  versions: z.record(z.string(), z.string()),
  engine: z.string(),
  startedAt: at,
  finishedAt: at,
  /** the log is needed from here on, exclusive: earlier than `start` where a transaction was open */
  logFrom: logPositionSchema,
  /** first and last instant at which documents were read; equal when all were read at one */
  start: logPositionSchema,
  end: logPositionSchema,
  units: z.array(unitSchema),
  groups: z.array(z.strictObject({ group: z.string(), index: objectRefSchema, parts: z.number().int(), plainBytes: bytes, storedBytes: bytes })),
  totals: z.strictObject({ documents: z.number().int(), plainBytes: bytes, storedBytes: bytes, parts: z.number().int() }),
  key: z.strictObject({ id: z.string(), objects: z.array(objectRefSchema) }),
  /** left out: a dump of ours */
  origin: originSchema.optional(),
  /** an incremental base: all that it is restored on top of, the full one first. Left out: it is whole by itself */
  parents: z.array(parentSchema).min(1).optional(),
  /** why it is a full one, though an incremental one was asked for */
  instead: z.string().optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

export const timelineSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('timeline'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('gap'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('head'),
  system: z.string(),
  source: z.string(),
  timeline: z.string(),
  epoch: z.number().int(),
  from: logPositionSchema,
  to: logPositionSchema,
  /** by the clock of the worker */
  archivedAt: at,
});
export type Head = z.infer<typeof headSchema>;

export const epochSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('epoch'),
  system: z.string(),
  epoch: z.number().int(),
  /** identifies the control plane: the id of its Temporal namespace */
  owner: z.string(),
  claimedAt: at,
  why: z.string(),
});
export type Epoch = z.infer<typeof epochSchema>;

export const holdSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('hold'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('mark'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('verification'),
  system: z.string(),
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
  bytes,
  /** the first hundred, and how many there are */
  problems: z.array(z.strictObject({ key: z.string(), problem: z.string() })),
  problemCount: z.number().int(),
});
export type Verification = z.infer<typeof verificationSchema>;

/** Which bases of a source there should be, imports too: put whenever one comes or goes, so that one which is gone without a trace of its own is missed. */
export const baseListSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('base-list'),
  system: z.string(),
  source: z.string(),
  number: z.number().int().positive(),
  /** by the store's clock */
  at,
  bases: z.array(z.strictObject({ timeline: z.string(), backup: z.string() })),
  /** of the stored bytes of the list before; null: this is the first, or that one is not believed */
  previous: z.string().nullable(),
});
export type BaseList = z.infer<typeof baseListSchema>;

/** Retention has begun to take a base: whatever of it is left when its manifest is gone is nobody's. */
export const expiredBaseSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('expired-base'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('expired-log'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('retention-plan'),
  system: z.string(),
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

/** A one-time code of a person that proved a decision, by the time step that it belonged to. */
export const usedCodeSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('used-code'),
  system: z.string(),
  person: z.string(),
  step: z.number().int(),
  check: z.string(),
  usedAt: at,
});
export type UsedCode = z.infer<typeof usedCodeSchema>;

/**
 * One act that somebody asked for, and whether they were let. Records are numbered without a hole, and each names the SHA-256 of the one before it:
 * one that is gone, altered or slipped in breaks the chain where it stood.
 */
export const auditRecordSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('audit'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('audit-seal'),
  system: z.string(),
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
  format: z.literal(formatVersion),
  kind: z.literal('evidence'),
  system: z.string(),
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

/**
 * One deployment of the application, as somebody or a run said it. Numbered and chained as the audit's records are. Two times, and neither is the
 * store's: `deployedAt` is as it was claimed, or the time of the record where nothing was claimed; `recordedAt` is the worker's clock.
 */
export const deploymentRecordSchema = z.strictObject({
  format: z.literal(formatVersion),
  kind: z.literal('deployment'),
  system: z.string(),
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

/** How signed objects lie in the bucket: `signature` is Ed25519 over the canonical JSON (RFC 8785) of `body`. */
export const signedSchema = z.strictObject({
  body: z.looseObject({ format: z.number().int(), kind: z.string() }),
  signature: z.strictObject({ algorithm: z.literal('ed25519'), keyId: z.string(), value: z.string() }),
});
export type Signed = z.infer<typeof signedSchema>;
