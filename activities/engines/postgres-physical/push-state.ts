import type pg from 'pg';
import type { ArchiveStatus } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { logPositionAt, parseLogPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../context.ts';
import { unaskedStatus } from '../base/archive-status.ts';
import { withSource } from './connect.ts';
import type { TimelineScope } from '../../../workflows/domain/layout.ts';
import { numberAt } from './segment.ts';
import { positionIn, readServerFacts } from './server.ts';
import { findStoredEnd } from './stored-end.ts';

/** What the server holds that was not pushed. */
export interface PushState {
  /** from when on what it took may be in no slice, UTC ISO; null: it has taken nothing since */
  sinceAt: string | null;
  /** why it does not push, in words; null: it does */
  failing: string | null;
}

/** What a segment begins with before anything is logged in it: the header of its first page. */
const headerBytes = 40n;

/** @param archived - null: nothing is; without `lsn` whole segments are. Asks the server's own books; changes nothing. */
export async function readPushState(client: pg.Client, archived: { position: LogPosition; lsn?: bigint } | null): Promise<PushState> {
  const { lsn, segmentBytes, archiveMode, at } = await readServerFacts(client);
  const { rows: [row] } = await client.query<{ command: string | null; failed: string | null; failedAt: Date | null; isFailing: boolean }>(`
    SELECT current_setting('archive_command') AS command, last_failed_wal AS failed, last_failed_time AS "failedAt",
      coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS "isFailing"
    FROM pg_stat_archiver`);
  const end = archived === null ? 0n : (archived.lsn ?? BigInt(parseLogPosition(archived.position).ordinal + 1) * BigInt(segmentBytes));
  const hasMore = lsn - end > headerBytes;
  const off = archiveMode === 'off' ? 'archive_mode is off: the server pushes nothing' : row!.command === '' ? 'archive_command is empty: the server pushes nothing' : null;
  const failing = off ?? (row!.isFailing ? `the server's archive_command has failed, the last time at ${row!.failedAt!.toISOString()} for ${row!.failed}` : null);
  return { sinceAt: hasMore ? (archived === null ? at : logPositionAt(archived.position)) : null, failing };
}

/**
 * How far the archive is behind its source: how long ago the last segment that was pushed was finished, while the server has logged anything since. An idle server is up
 * to date. Only reads. Never throws because the source is gone: `rpoMs` is null then, and `note` says why.
 */
export async function readArchiveStatus(context: SourceContext, archived: Pick<ArchiveStatus, 'timeline' | 'archivedTo' | 'archivedToAt'>): Promise<ArchiveStatus> {
  const status = unaskedStatus(context, archived);
  try {
    return await withSource(context, async (client) => {
      const facts = await readServerFacts(client);
      const end = archived.timeline === null ? null : await endOf(context, { system: status.system, source: status.source, timeline: archived.timeline }, archived.archivedTo);
      const { sinceAt, failing: pushing } = await readPushState(client, end);
      const failing = context.source.wal.by === 'push' ? pushing : null;
      return {
        ...status,
        sourceAt: positionIn(facts.at, numberAt(facts.lsn, facts.segmentBytes)),
        sourceReachable: true,
        rpoMs: archived.archivedTo === null ? null : sinceAt === null ? 0 : Math.max(0, Date.parse(facts.at) - Date.parse(sinceAt)),
        checkedAt: facts.at,
        clockAheadMs: Date.now() - Date.parse(facts.at),
        note: archived.archivedTo === null ? `nothing is archived yet${failing ? `: ${failing}` : ''}` : failing,
      };
    });
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.type !== 'SourceUnavailable') throw error;
    return { ...status, note: `the source does not answer, so what is not archived is not known (${error.message})` };
  }
}

/** What is received ends inside a segment, and only its last slice says where. */
async function endOf(context: SourceContext, scope: TimelineScope, archivedTo: LogPosition | null): Promise<{ position: LogPosition; lsn?: bigint } | null> {
  if (archivedTo === null) return null;
  return context.source.wal.by === 'push' ? { position: archivedTo } : await findStoredEnd(context, scope);
}
