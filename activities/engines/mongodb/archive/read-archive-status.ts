import type { MongoClient } from 'mongodb';
import type { ArchiveStatus } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { formatLogPosition, type LogPosition } from '../../../../workflows/domain/log-position.ts';
import { seconds } from '../../../../workflows/domain/units.ts';
import type { SourceContext } from '../../../context.ts';
import { unaskedStatus } from '../../base/archive-status.ts';
import { timestampOf } from '../bson-position.ts';
import { fromPrimary, withSource } from '../connect.ts';
import { parseEntry } from '../oplog/oplog-entry.ts';
import { oldestHeld, oplogOf } from './held-log.ts';

/** What nobody would miss: no-ops, and the server's own books. As `carriesData`, said to the server. */
const data = { op: { $ne: 'n' }, ns: { $not: /^(config|local)\.|^admin\.system\.(version|keys)$/ } };

/**
 * How far the archive is behind its source: the age of the oldest majority-committed entry that carries data and is not
 * archived. An idle source is up to date, however long ago its last slice is. Only reads, and asks the source itself.
 * Never throws because the source is gone: `rpoMs` is null then, and `note` says why.
 */
export async function readArchiveStatus(
  context: SourceContext,
  archived: Pick<ArchiveStatus, 'timeline' | 'archivedTo' | 'archivedToAt'>,
): Promise<ArchiveStatus> {
  const status = unaskedStatus(context, archived);
  try {
    return await withSource(context, async (client) => ({ ...status, ...(await askSource(client, archived.archivedTo)) }), {
      ...fromPrimary,
      serverSelectionTimeoutMS: seconds(5),
      connectTimeoutMS: seconds(5),
    });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'SourceUnavailable') throw error;
    return { ...status, note: `the source does not answer, so what is not archived is not known (${error.message})` };
  }
}

async function askSource(client: MongoClient, archivedTo: LogPosition | null): Promise<Pick<ArchiveStatus, 'sourceAt' | 'sourceReachable' | 'rpoMs' | 'note' | 'checkedAt' | 'clockAheadMs'>> {
  const newest = await findData(client, {}, -1);
  // By the clock that stamped the entries: ours may be wrong by hours.
  const { localTime } = await client.db('admin').command({ hello: 1 });
  const checkedAt = localTime as Date;
  const answer = { sourceAt: newest?.position ?? null, sourceReachable: true, checkedAt: checkedAt.toISOString(), clockAheadMs: Date.now() - checkedAt.getTime() };
  const ageMs = (wallMs: number): number => Math.max(0, checkedAt.getTime() - wallMs);
  if (archivedTo === null) return { ...answer, rpoMs: null, note: 'nothing is archived yet' };
  if (!newest || newest.position <= archivedTo) return { ...answer, rpoMs: 0, note: null };
  const waiting = (await findData(client, { ts: { $gt: timestampOf(archivedTo) } }, 1)) ?? newest;
  const oldest = await oldestHeld(client);
  const note = oldest > archivedTo ? `the source's log begins at ${formatLogPosition(oldest)}, after the archive's end: what lies between is lost` : null;
  return { ...answer, rpoMs: ageMs(waiting.wallMs), note };
}

async function findData(client: MongoClient, filter: Record<string, unknown>, order: 1 | -1): Promise<{ position: LogPosition; wallMs: number } | null> {
  const [raw] = await oplogOf(client)
    .find({ ...filter, ...data }, { raw: true, sort: { $natural: order }, limit: 1, readConcern: { level: 'majority' }, maxTimeMS: seconds(20) })
    .toArray();
  return raw ? parseEntry(raw as unknown as Buffer) : null;
}
