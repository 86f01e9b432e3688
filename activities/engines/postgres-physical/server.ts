import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { logPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { formatBytes } from '../../../workflows/domain/units.ts';
import { maxPlainBytes } from '../../stream/sealed.ts';
import { numberAt, parseLsn, timelineOfName } from './segment.ts';

/** What tells a server's log from every other one. */
export interface ServerFacts {
  /** the cluster's own number: a copy has it too */
  system: string;
  /** PostgreSQL's: a copy that took writes of its own has another one */
  timeline: number;
  major: number;
  version: string;
  segmentBytes: number;
  /** where its log ends, and its own clock */
  lsn: bigint;
  at: string;
  walLevel: string;
  archiveMode: string;
  /** beside the two that every server has */
  tablespaces: Tablespace[];
}

export interface Tablespace {
  oid: string;
  name: string;
}

interface Row {
  system: string;
  major: number;
  version: string;
  segment: string;
  standby: boolean;
  walLevel: string;
  archiveMode: string;
  at: Date;
  tablespaces: Tablespace[];
}

/** @throws Unsupported - it is a standby: its log is another server's. */
export async function readServerFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows: [row] } = await client.query<Row>(`
    SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system,
      current_setting('server_version_num')::int / 10000 AS major,
      current_setting('server_version') AS version,
      pg_size_bytes(current_setting('wal_segment_size'))::text AS segment,
      pg_is_in_recovery() AS standby,
      current_setting('wal_level') AS "walLevel",
      current_setting('archive_mode') AS "archiveMode",
      clock_timestamp() AS at,
      coalesce((SELECT json_agg(json_build_object('oid', oid::text, 'name', spcname) ORDER BY oid) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global')), '[]') AS tablespaces`);
  if (Number(row!.segment) > maxPlainBytes) throw new HoldfastError('Unsupported', `the server has WAL segments of ${formatBytes(Number(row!.segment))}; ${formatBytes(maxPlainBytes)} is the most that is stored as one object`, { hint: 'make the cluster with initdb --wal-segsize=64 or less' });
  if (row!.standby) throw new HoldfastError('Unsupported', 'the server is in recovery (a standby, or being restored): its log is another one’s', { hint: 'name the primary in the endpoint' });
  const { rows: [end] } = await client.query<{ lsn: string; file: string }>('SELECT lsn::text AS lsn, pg_walfile_name(lsn) AS file FROM pg_current_wal_insert_lsn() AS lsn');
  const { system, major, version, segment, walLevel, archiveMode, at, tablespaces } = row!;
  return { system, timeline: timelineOfName(end!.file), major, version, segmentBytes: Number(segment), lsn: parseLsn(end!.lsn), at: at.toISOString(), walLevel, archiveMode, tablespaces };
}

/** What a timeline of ours is the log of. */
export const identityOf = ({ system, timeline }: Pick<ServerFacts, 'system' | 'timeline'>): string => `${system}/${timeline}`;

/** The second of a moment, as positions have it. */
export const secondOf = (at: string): number => Math.floor(Date.parse(at) / 1000);

/** A position at this moment, in the log up to and including the segment of this number. */
export const positionIn = (at: string, number: number): LogPosition => logPosition(secondOf(at), Math.max(0, number));

/** Before the segment that is being written: all that comes has another position behind this one. */
export const positionNow = ({ at, lsn, segmentBytes }: Pick<ServerFacts, 'at' | 'lsn' | 'segmentBytes'>): LogPosition => positionIn(at, numberAt(lsn, segmentBytes) - 1);
