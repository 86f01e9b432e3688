import type pg from 'pg';
import { layout, parseRangeKey, type TimelineScope } from '../../../workflows/domain/layout.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../context.ts';
import { numberAt, parseLsn } from './segment.ts';
import { positionIn, type ServerFacts } from './server.ts';

/** Where receiving begins: the slot of the server, what is stored already, and a gap between the two. */

/** Where a gap ends that begins here; null: none does. */
export async function findGap({ store, signal }: SourceContext, scope: TimelineScope, from: LogPosition): Promise<LogPosition | null> {
  for await (const { key, isDeleteMarker } of store.list(layout.gaps(scope), { signal })) {
    const range = parseRangeKey(key);
    if (!isDeleteMarker && range?.from === from) return range.to;
  }
  return null;
}

/** Names of slots hold lower-case letters, digits and underscores. */
export const slotOf = ({ system, sourceName }: SourceContext): string => `holdfast_${system.system}_${sourceName}`.replaceAll('-', '_').slice(0, 63);

/** Makes the slot, which keeps the log from then on; where it is there it stays. @returns from where on it keeps it. */
export async function openSlot(client: pg.Client, slot: string): Promise<bigint> {
  const ask = async (): Promise<string | null | undefined> => (await client.query<{ lsn: string | null }>('SELECT restart_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = $1', [slot])).rows[0]?.lsn;
  const known = await ask();
  if (known) return parseLsn(known);
  // The server gave it up (max_slot_wal_keep_size): it keeps nothing, and what it lost is found as a gap.
  if (known === null) await client.query('SELECT pg_drop_replication_slot($1)', [slot]);
  await client.query('SELECT pg_create_physical_replication_slot($1, true)', [slot]);
  return parseLsn((await ask())!);
}

export interface Begin {
  position: LogPosition;
  lsn: bigint;
}

/** Behind what is stored, while the server still has that; else at the beginning of the first segment that its slot keeps. */
export function beginOf({ at, segmentBytes }: ServerFacts, kept: bigint, stored: Begin | null): Begin {
  const first = numberAt(kept, segmentBytes);
  const lsn = BigInt(first) * BigInt(segmentBytes);
  if (stored && stored.lsn >= lsn) return stored;
  return { position: positionIn(at, first - 1), lsn };
}
