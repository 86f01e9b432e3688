import type { Document, MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { logPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { controlCollections, controlDatabase } from '../control.ts';
import { attemptedSchema, checkpointSchema, type Checkpoint } from './checkpoint.ts';

const namespaceExists = 48;

/**
 * Where replay goes on: the target's checkpoint, or the base's own position. Makes the collections that the checkpoint
 * lies in, since an applyOps does not.
 * @throws ReplayFailed - the target was replayed from another base.
 */
export async function openReplay(client: MongoClient, point: RecoveryPoint): Promise<{ checkpoint: Checkpoint; attemptedTo: LogPosition }> {
  const db = client.db(controlDatabase);
  for (const name of [controlCollections.replay, controlCollections.indexes]) {
    await db.command({ create: name }).catch((error: unknown) => {
      if ((error as { code?: unknown }).code !== namespaceExists) throw error;
    });
  }
  const collection = db.collection<Document & { _id: string }>(controlCollections.replay);
  const [stored, attempted] = await Promise.all([collection.findOne({ _id: 'checkpoint' }), collection.findOne({ _id: 'attempted' })]);
  const checkpoint = stored ? checkpointSchema.parse(stored) : firstCheckpoint(point);
  if (checkpoint.timeline !== point.timeline || checkpoint.backup !== point.base.backup) {
    throw new HoldfastError('ReplayFailed', `the target was replayed from base ${checkpoint.backup} of ${checkpoint.timeline}, not from ${point.base.backup} of ${point.timeline}`, {
      hint: 'restore to a fresh target',
    });
  }
  return { checkpoint, attemptedTo: attempted ? attemptedSchema.parse(attempted).position : logPosition(0, 0) };
}

const firstCheckpoint = ({ timeline, base }: RecoveryPoint): Checkpoint => ({
  _id: 'checkpoint',
  timeline,
  backup: base.backup,
  position: base.start,
  gatherFrom: base.logFrom < base.start ? base.logFrom : base.start,
  wallMs: null,
  entries: 0,
  operations: 0,
  slices: 0,
  storedBytes: 0,
});
