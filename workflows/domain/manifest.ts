import { z } from 'zod';
import { logPositionSchema } from './log-position.ts';
import { formatVersion, objectRefSchema, recordOf } from './stored-object.ts';

/** A base as it lies in the bucket: its parts, the indexes of its groups, and the signed manifest that makes a recovery point of them. */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const at = z.iso.datetime();
const bytes = z.number().int().min(0);

/**
 * One encrypted, independently readable piece of a backup: at most 16 MiB stored.
 * `continues`: a document larger than a part goes on in the next part of the same range.
 * `exact`: holds documents that a plain insert would alter (a Timestamp(0,0), an `_id` that is not first): load by applyOps.
 */
const partSchema = z.strictObject({
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
const unitSchema = z.strictObject({
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
const streamOriginSchema = z.strictObject({
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
const originSchema = z.discriminatedUnion('form', [importOriginSchema, streamOriginSchema]);

export const manifestSchema = z.strictObject({
  ...recordOf('base'),
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
