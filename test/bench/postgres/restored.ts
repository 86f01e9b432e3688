import pg from 'pg';
import type { BackupSummary, SourceRef } from '../../../workflows/contract.ts';
import { nextLogPosition } from '../../../workflows/domain/log-position.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import { database, hashOf } from './data.ts';

/** A base alone, to its own end. */
export function pointOf(of: SourceRef, summary: BackupSummary): RecoveryPoint {
  const { timeline, backup, manifest, logFrom, end, endAt, documents, plainBytes, storedBytes, unproved } = summary;
  const base = { timeline, backup, manifest, logFrom, start: end, end, finishedAt: endAt, documents, plainBytes, storedBytes, exact: unproved.length === 0, why: 'bench' };
  return { ...of, timeline, base, limit: nextLogPosition(end), reaches: end, reachesAt: endAt, log: { from: logFrom, slices: 0, storedBytes: 0 } };
}

/** @throws when what `whose` restore left there is not what the source held. */
export async function requireEqual(at: { host: string; port: number }, hash: string, whose: string): Promise<void> {
  const client = new pg.Client({ ...at, user: 'postgres', database });
  await client.connect();
  try {
    if ((await hashOf(client)) !== hash) throw new Error(`${whose}: what was restored is not what the source held`);
  } finally {
    await client.end();
  }
}
