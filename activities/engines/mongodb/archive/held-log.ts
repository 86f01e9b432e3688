import type { Collection, Document, MongoClient } from 'mongodb';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { timestampOf } from '../bson-position.ts';
import { readPosition } from '../oplog/oplog-entry.ts';

export const oplogOf = (client: MongoClient): Collection => client.db('local').collection('oplog.rs');

/** Position of the first entry that the filter and order give; null when there is none. */
export async function firstPosition(client: MongoClient, filter: Document, order: 1 | -1): Promise<LogPosition | null> {
  const [raw] = await oplogOf(client).find(filter, { raw: true, sort: { $natural: order }, limit: 1 }).toArray();
  return raw ? readPosition(raw as unknown as Buffer) : null;
}

/** The oldest entry that the source still holds. @throws SourceUnavailable - it holds none. */
export async function oldestHeld(client: MongoClient): Promise<LogPosition> {
  const oldest = await firstPosition(client, {}, 1);
  if (oldest === null) throw new HoldfastError('SourceUnavailable', 'the source has an empty log: it was not initiated yet');
  return oldest;
}

/** The newest entry at or before `position`, or the oldest one that is held: a range begins at an entry that exists. */
export async function entryAtOrBefore(client: MongoClient, position: LogPosition): Promise<LogPosition> {
  return (await firstPosition(client, { ts: { $lte: timestampOf(position) } }, -1)) ?? (await oldestHeld(client));
}

export interface LostLog {
  from: LogPosition;
  to: LogPosition;
  why: string;
}

/**
 * Whether the source's log goes on from `from` without a hole; if not, what is lost.
 * @throws SourceUnavailable - the source is behind `from`: it may still catch up.
 */
export async function findLostLog(client: MongoClient, from: LogPosition): Promise<LostLog | null> {
  if (await firstPosition(client, { ts: timestampOf(from) }, 1)) return null;
  const oldest = await oldestHeld(client);
  if (oldest > from) {
    return { from, to: oldest, why: `the source's log begins at ${formatLogPosition(oldest)}: what was before it was overwritten before it was archived` };
  }
  const newest = await firstPosition(client, {}, -1);
  if (newest === null || newest < from) {
    throw new HoldfastError('SourceUnavailable', `the source's log ends at ${newest ? formatLogPosition(newest) : 'its beginning'}, before the archive's end ${formatLogPosition(from)}`, {
      hint: 'a secondary that lags catches up; a source that was set back needs a new base backup',
    });
  }
  return { from, to: newest, why: `the source's log has no entry ${formatLogPosition(from)}, which is archived: it was rolled back or replaced` };
}
