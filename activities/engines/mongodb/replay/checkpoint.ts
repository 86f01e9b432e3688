import { BSON } from 'mongodb';
import { z } from 'zod';
import { logPositionSchema } from '../../../../workflows/domain/log-position.ts';
import { controlCollections, controlDatabase } from '../control.ts';
import type { Operation } from '../oplog/oplog-entry.ts';

/**
 * How far a replay is, kept in the target itself and written in the same applyOps as the writes it stands for.
 * Replaying from here on converges wherever the last attempt ended.
 */
export const checkpointSchema = z.strictObject({
  _id: z.literal('checkpoint'),
  /** the chain it replays: another base or timeline needs another target */
  timeline: z.string(),
  backup: z.string(),
  /** every entry up to and including this one is applied, or was passed over */
  position: logPositionSchema,
  /** the log is needed after this position: earlier than `position` where a transaction is open */
  gatherFrom: logPositionSchema,
  /** wall clock of the entry at `position`; null before the first */
  wallMs: z.number().nullable(),
  entries: z.number().int(),
  operations: z.number().int(),
  slices: z.number().int(),
  /** stored bytes of the slices that lie wholly before `position`; left out by a checkpoint of an older version */
  storedBytes: z.number().int().default(0),
});
export type Checkpoint = z.infer<typeof checkpointSchema>;

/** Written before a slice is replayed: what lies up to here may have been applied by an attempt that was killed. */
export const attemptedSchema = z.strictObject({ _id: z.literal('attempted'), position: logPositionSchema });

const checkpointNs = `${controlDatabase}.${controlCollections.replay}`;

/** A document of the checkpoint's collection as a write inside applyOps: an insert that replaces. */
export const controlWrite = (document: z.infer<typeof checkpointSchema> | z.infer<typeof attemptedSchema>): Operation => ({
  op: 'i',
  ns: checkpointNs,
  ui: null,
  o: Buffer.from(BSON.serialize(document)),
  o2: null,
});
