import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { SourceRef } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { logPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { minutes, seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { ask, connect, cutOff, namedError, sourcePlace } from './connect.ts';
import { listLargeObjects, listTables } from './catalogue.ts';

/**
 * One moment for many sessions: a session exports what it sees (`pg_export_snapshot`), and others that name it see the same, as long as the first
 * transaction stays open. So one session, the holder, does nothing but that, and the plan and all groups of a base, on whatever machine, import its snapshot.
 *
 * The holder is found at the server itself: its application name is `holdfast BACKUP SNAPSHOT`, which also tells whoever looks at the sessions of the
 * source what keeps its old rows from being tidied away.
 *
 * Every table is locked against what an old snapshot does not see (TRUNCATE, rewriting ALTER, DROP): to read and to write goes on, as under pg_dump. A table
 * that was rewritten between the snapshot and its lock is found by its file, and another snapshot is taken.
 */
const holderName = (backup: string, snapshot = ''): string => `holdfast ${backup} ${snapshot}`;

const tries = 5;
/** How long the locks are waited for: behind an ALTER that runs, others queue up behind us. */
const lockWithinMs = seconds(30);
const lookEveryMs = seconds(1);

/**
 * Opens the snapshot of a backup and holds it until the signal aborts.
 *
 * @throws SnapshotLost - it was open, and its session is gone. @throws SourceUnavailable, NotPermitted - it could not be opened.
 */
export async function holdSnapshot(context: SourceContext, { backup }: SourceRef & { backup: string }): Promise<void> {
  const place = await sourcePlace(context);
  const client = await connect(context, place, { name: holderName(backup) });
  let held = false;
  // What waits for a lock cannot be told to end.
  const onAbort = (): void => void (held || cutOff(client));
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const snapshot = await openSnapshot(client);
    await client.query(`SELECT pg_catalog.set_config('application_name', $1, false)`, [holderName(backup, snapshot)]);
    held = true;
    const sinceMs = performance.now();
    for (;;) {
      context.progress({ phase: `hold snapshot ${snapshot}`, done: Math.round(performance.now() - sinceMs), of: 0, unit: 'ms' });
      await sleep(lookEveryMs, undefined, { signal: context.signal });
      await answerWithin(client, seconds(20));
    }
  } catch (error) {
    context.signal.throwIfAborted();
    const named = namedError(error, place);
    if (!held) throw named;
    throw new HoldfastError('SnapshotLost', `the session that held the snapshot of backup ${backup} is gone: ${(named as Error).message}`, { cause: error });
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    // Politely: a session that is cut off in a transaction leaves a line in the server's log.
    await Promise.race([client.end().catch(() => undefined), sleep(seconds(2), undefined, { ref: false })]);
    cutOff(client);
  }
}

async function openSnapshot(client: pg.Client): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const snapshot = await ask<string>(client, 'SELECT pg_catalog.pg_export_snapshot()');
    const changed = await lockAll(client);
    if (changed.length === 0) return snapshot;
    if (attempt === tries) throw new HoldfastError('SourceUnavailable', `${changed.slice(0, 5).join(', ')}: made anew or dropped while the snapshot was taken, ${tries} times`, { hint: 'take the base when no migration runs' });
    await client.query('ROLLBACK');
  }
}

const lockedTogether = 100;

/** @returns what the snapshot has and the server has no more, or otherwise. */
async function lockAll(client: pg.Client): Promise<string[]> {
  const large = await listLargeObjects(client);
  const names = [...(large ? [large] : []), ...(await listTables(client))].map(({ sql }) => sql);
  await client.query(`SET LOCAL lock_timeout = ${lockWithinMs}`);
  try {
    for (let at = 0; at < names.length; at += lockedTogether) {
      await client.query(`LOCK TABLE ${names.slice(at, at + lockedTogether).map((name) => `ONLY ${name}`).join(', ')} IN ACCESS SHARE MODE`);
    }
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '42P01' || error.code === '3F000')) return [error.message];
    throw error;
  }
  return await changedSince(client);
}

/**
 * Tables whose rows the snapshot does not see any more, or that are gone: the snapshot's own catalogue knows another file than the server has now.
 * @source PostgreSQL documentation, 13.6 Caveats: TRUNCATE and the rewriting forms of ALTER TABLE are not MVCC-safe
 */
async function changedSince(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relfilenode <> 0
      AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)`);
  return rows.map(({ name }) => name);
}

/** A connection that is cut without a word is found out by a question that nobody answers. */
async function answerWithin(client: pg.Client, ms: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer for ${ms / 1000} s`)), ms);
  try {
    await Promise.race([client.query('SELECT'), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

export interface HeldSnapshot {
  snapshot: string;
  /** when it was taken, by the server's own clock: to the microsecond */
  at: LogPosition;
}

/**
 * The snapshot that a holder has open for this backup; waits until it has.
 * @throws SourceUnavailable - retryable: no session holds one.
 */
export async function findSnapshot(context: SourceContext, client: pg.Client, backup: string): Promise<HeldSnapshot> {
  const untilMs = performance.now() + minutes(1);
  const own = holderName(backup);
  for (;;) {
    const { rows } = await client.query<{ name: string; seconds: string; micros: string }>(`
      SELECT application_name AS name, floor(extract(epoch FROM xact_start))::int8::text AS seconds, (extract(microseconds FROM xact_start)::int8 % 1000000)::text AS micros
      FROM pg_stat_activity WHERE datname = current_database() AND usename = CURRENT_USER AND starts_with(application_name, $1) AND application_name <> $1`, [own]);
    const found = rows[0];
    if (found) return { snapshot: found.name.slice(own.length), at: logPosition(Number(found.seconds), Number(found.micros)) };
    if (performance.now() > untilMs) {
      throw new HoldfastError('SourceUnavailable', `no session holds a snapshot for backup ${backup}`, { hint: 'the activity holdSnapshot opens it, on a worker that archives (archive/<site>): see whether one runs, and whether it has a place (HOLDFAST_ARCHIVES)' });
    }
    context.progress({ phase: 'wait for the snapshot', done: 0, of: 0, unit: 'answers' });
    await sleep(100, undefined, { signal: context.signal });
  }
}

/** The rest of the session sees what the holder saw. @throws SnapshotLost - the holder is gone. */
export async function importSnapshot(client: pg.Client, snapshot: string): Promise<void> {
  // It comes from the server's own list of sessions, where anybody may call a session anything.
  if (!/^[0-9A-F]{8}-[0-9A-F]{8}-\d+$/i.test(snapshot)) throw new HoldfastError('SnapshotLost', `"${snapshot}" is no snapshot`);
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  await client.query(`SET TRANSACTION SNAPSHOT '${snapshot}'`);
}
