import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceContext } from '../../context.ts';
import { withSource } from './connect.ts';

const lookEveryMs = 250;

/** The name that a base has among the server's sessions. */
export const sessionOf = (backup: string): string => `holdfast ${backup}`;

/**
 * Looks, beside pg_basebackup, for the moment from which on a base holds all that it holds. Behind that it still fetches the log that it needs, of a busy server for minutes, while more is logged and
 * archived: were its end the program's, that log would be taken for older than the base, and left out of a recovery whose archive ends there.
 *
 * @returns what ends the looking: the source's own clock soon behind that moment, UTC ISO; undefined: it was not seen, as of a base that had little to fetch, or of a server that let nobody look.
 * @source PostgreSQL manual, pg_stat_progress_basebackup: log is transferred once the backup has been stopped, and its end is known.
 */
export function watchStop(context: SourceContext, backup: string): () => Promise<string | undefined> {
  const over = new AbortController();
  let stoppedAt: string | undefined;
  const watching = withSource(context, async (client) => {
    while (!over.signal.aborted) {
      const { rows: [row] } = await client.query<{ at: Date }>(
        "SELECT clock_timestamp() AS at FROM pg_stat_progress_basebackup JOIN pg_stat_activity USING (pid) WHERE application_name = $1 AND phase = 'transferring wal files'",
        [sessionOf(backup)],
      );
      stoppedAt = row?.at.toISOString();
      if (stoppedAt !== undefined) return;
      await sleep(lookEveryMs, undefined, { signal: over.signal });
    }
  }).catch(() => undefined);
  return async () => {
    over.abort();
    await watching;
    return stoppedAt;
  };
}
