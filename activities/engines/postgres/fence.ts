import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { FenceResult } from '../../../workflows/contract.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import { answerWithinMs, knock } from '../../tool/knock.ts';
import type { FenceContext, FenceMethod, OldSide } from '../../traffic/fence.ts';
import { endSessions } from './end-sessions.ts';
import { ask, connect, placeAt, withoutValues, type Place } from './connect.ts';

/**
 * Fences PostgreSQL by its own catalog: a database that is closed (`ALLOW_CONNECTIONS false`) lets nobody in, superusers included, after any restart, and on
 * every standby that the change has reached, whoever promotes it. Its sessions are ended, and it counts as fenced once it was seen to refuse one.
 * The server itself goes on: its log can be drained, and nothing is deleted.
 *
 * One database, or, for a source that is a whole server, all of them but the one that it is commanded from.
 *
 * Closing and the note of who closed are one transaction: killed at any line, a database is as it was, or closed with a note that an undo finds. The note is
 * the end of the database's comment, so that whoever lists the databases reads why nobody gets in. A database that somebody else had closed is left to them.
 */
export const databaseFence: FenceMethod = {
  async fence(context, run) {
    const place = await oldPlace(context);
    const client = await login(context, place);
    if (typeof client === 'string') return result('unproved', false, [client, 'whoever starts it again starts a server that takes writes']);
    return await ending(client, async () => await close(context, place, client, run));
  },

  async retire(context, run) {
    const place = await oldPlace(context);
    const client = await login(context, place);
    if (typeof client === 'string') return result('unproved', false, [client]);
    return await ending(client, async () => {
      const closed = (await readDatabases(client, place, scopeOf(context))).filter(({ note }) => note !== undefined);
      if (closed.length === 0) throw new HoldfastError('FenceFailed', `no database of ${whereOf(place)} is fenced, so it is not retired`, { hint: 'fence it first' });
      const other = closed.find(({ note }) => note!.run !== run);
      if (other) throw new HoldfastError('FenceFailed', `database ${other.name} of ${whereOf(place)} was fenced by run ${other.note!.run}, not by ${run}`);
      return await close(context, place, client, run);
    });
  },

  async unfence(context, run) {
    const place = await oldPlace(context);
    const client = await login(context, place);
    if (typeof client === 'string') throw new HoldfastError('SourceUnavailable', `${client}: the fence cannot be taken off`, { hint: 'retry once it answers; what this run closed stays closed until then, and its comment says so' });
    return await ending(client, async () => {
      const fenced = (await readDatabases(client, place, scopeOf(context))).filter(({ note }) => note !== undefined);
      const ours = fenced.filter(({ note }) => note!.run === run);
      const theirs = fenced.filter(({ note }) => note!.run !== run).map(({ name, note }) => `${name} is left alone: run ${note!.run} fenced it`);
      await letIn(client, ours);
      const said = [...(ours.length > 0 ? [`${namesOf(ours)} of ${whereOf(place)} let people in again`] : []), ...theirs];
      return { summary: said.join('; ') || 'it is not fenced' };
    });
  },

  async probe(context) {
    const place = await oldPlace(context);
    const { host, port } = place.address;
    const heard = await knock(host, port);
    if (heard !== 'open') return { heard, takesWrites: null, seen: heard === 'refused' ? `nothing listens at ${whereOf(place)}` : `${whereOf(place)} does not answer` };
    const client = await login(context, place).catch((error: unknown) => {
      // It is alive, and whether it takes writes nobody here can ask: the fence that follows says why, loudly.
      if (error instanceof HoldfastError && error.type === 'FenceFailed') return error.message;
      throw error;
    });
    if (typeof client === 'string') return { heard, takesWrites: null, seen: client };
    return await ending(client, async () => {
      if (await isStandby(client)) return { heard, takesWrites: false, seen: `${whereOf(place)} answers, and is in recovery` };
      const open = (await readDatabases(client, place, scopeOf(context))).filter(({ letsIn }) => letsIn);
      return { heard, takesWrites: open.length > 0, seen: `${whereOf(place)} answers, and ${open.length > 0 ? `takes writes in ${namesOf(open)}` : 'lets nobody in'}` } satisfies OldSide;
    });
  },
};

/** The copy of a server that was fenced was closed by the same log, whoever fenced it, and is no old primary. @returns the names of what is open now. */
export async function openFenced(client: pg.Client): Promise<string[]> {
  const fenced = (await readAll(client)).filter(({ note }) => note !== undefined);
  await letIn(client, fenced);
  return fenced.map(({ name }) => name);
}

type Scope = 'database' | 'databases';

interface Database {
  oid: string;
  name: string;
  letsIn: boolean;
  /** without our note */
  comment: string;
  note: { run: string; at: string } | undefined;
}

const goneWithinMs = seconds(10);
const followWithinMs = seconds(10);
/** Of what every server has, what people use least: a whole server is commanded from there. */
export const commandedFrom = 'template1';

const whereOf = ({ address: { host, port } }: Place): string => `${host}:${port}`;
const namesOf = (databases: readonly Pick<Database, 'name'>[]): string => databases.map(({ name }) => name).join(', ');
const result = (outcome: FenceResult['outcome'], logReachable: boolean, evidence: string[], fencedAt = new Date().toISOString()): FenceResult => ({ outcome, logReachable, evidence, fencedAt });

function settingsOf({ system, sourceName }: FenceContext) {
  const settings = system.fence[sourceName];
  if (settings?.uses !== 'database' && settings?.uses !== 'databases') throw new HoldfastError('BadSystemFile', `fence.${sourceName}: expected "database" or "databases"`);
  return settings;
}

const scopeOf = (context: FenceContext): Scope => settingsOf(context).uses;

async function oldPlace(context: FenceContext): Promise<Place> {
  const { environment } = context.source;
  const endpoint = context.system.environments[environment]!.endpoints[context.sourceName]!;
  const url = new URL(context.address(endpoint.uri));
  // The address of a whole server need not name a database.
  if (url.pathname === '' || url.pathname === '/') url.pathname = '/postgres';
  const uri = url.href;
  return await placeAt(context, { ...endpoint, uri, credentials: settingsOf(context).credentials ?? endpoint.credentials }, `${context.sourceName} of ${environment}`, 'SourceUnavailable');
}

/** @returns why there is no session, where no server answers one. @throws FenceFailed - a server answers, and refuses who we are: it may still write. WeakTransport. */
async function login(context: FenceContext, place: Place): Promise<pg.Client | string> {
  const { host, port, database } = place.address;
  const candidates = scopeOf(context) === 'databases' ? [commandedFrom] : ['postgres', commandedFrom].filter((one) => one !== database);
  let refused: unknown;
  for (const candidate of candidates) {
    try {
      return await connect(context, place, { database: candidate, name: 'holdfast fence' });
    } catch (error) {
      if (!(error instanceof HoldfastError) || !(error.type === 'SourceUnavailable' || error.type === 'NotPermitted')) throw error;
      refused = error.cause;
      // Dropped, closed by somebody, or not for everybody: there may be the other one.
      if (refused instanceof pg.DatabaseError && /^(3D000|55000|42501)$/.test(refused.code ?? '')) continue;
      break;
    }
  }
  if (refused instanceof pg.DatabaseError) {
    const said = `it says: ${withoutValues(refused)} (SQLSTATE ${refused.code})`;
    // Starting up, shutting down, or full: no session of ours decides what becomes of it.
    if (/^(57P0|53)/.test(refused.code ?? '')) return `${host}:${port} answers, and ${said}`;
    throw new HoldfastError('FenceFailed', `the old primary at ${host}:${port} answers, and could not be commanded; ${said}`, { hint: rightsHint });
  }
  const heard = await knock(host, port);
  if (heard === 'open') return `something listens at ${host}:${port} and gives no session within ${answerWithinMs / 1000} s and more`;
  return heard === 'refused' ? `nothing listens at ${host}:${port}` : `${host}:${port} does not answer`;
}

const rightsHint = 'docs/postgresql.md says what the user of a fence must be given; or stop the server by hand, then retry';

async function ending<T>(client: pg.Client, use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === '42501') throw new HoldfastError('FenceFailed', `the fence may not do what it must: ${error.message}`, { hint: rightsHint, cause: error });
    if (error instanceof HoldfastError || error instanceof TypeError) throw error;
    throw new HoldfastError('SourceUnavailable', `the old primary went away under the fence: ${(error as Error).message}`, { cause: error });
  } finally {
    await client.end().catch(() => undefined);
  }
}

const isStandby = async (client: pg.Client): Promise<boolean> => await ask(client, 'SELECT pg_catalog.pg_is_in_recovery()');

/** The source's own, or all but the one that is commanded from. One that lets nobody in and has no note of ours is somebody else's doing, as template0 is. */
const readDatabases = async (client: pg.Client, { address }: Place, scope: Scope): Promise<Database[]> =>
  (await readAll(client)).filter(({ name }) => (scope === 'database' ? name === address.database : name !== commandedFrom));

async function readAll(client: pg.Client): Promise<Database[]> {
  const { rows } = await client.query<{ oid: string; name: string; letsIn: boolean; comment: string | null }>(
    `SELECT oid::text AS oid, datname AS name, datallowconn AS "letsIn", pg_catalog.shobj_description(oid, 'pg_database') AS comment FROM pg_catalog.pg_database ORDER BY datname`);
  return rows.map(({ comment, ...of }) => ({ ...of, ...readComment(comment ?? '') }));
}

const letIn = async (client: pg.Client, databases: readonly Database[]): Promise<void> =>
  await inOne(client, async () => {
    for (const { name, comment } of databases) {
      await client.query(`ALTER DATABASE ${pg.escapeIdentifier(name)} WITH ALLOW_CONNECTIONS true`);
      await client.query(`COMMENT ON DATABASE ${pg.escapeIdentifier(name)} IS ${comment === '' ? 'NULL' : pg.escapeLiteral(comment)}`);
    }
  });

const noteOf = (run: string, at: string): string => `[closed by Holdfast: fenced by run ${run} at ${at}]`;

function readComment(comment: string): Pick<Database, 'comment' | 'note'> {
  const [all, before, run, at] = /^(.*?)\n?\[closed by Holdfast: fenced by run (.+) at (\S+)\]$/s.exec(comment) ?? [];
  return all === undefined ? { comment, note: undefined } : { comment: before!, note: { run: run!, at: at! } };
}

async function inOne(client: pg.Client, use: () => Promise<void>): Promise<void> {
  await client.query('BEGIN');
  await use();
  await client.query('COMMIT');
}

async function close(context: FenceContext, place: Place, client: pg.Client, run: string): Promise<FenceResult> {
  if (await isStandby(client)) return result('unproved', false, [`${whereOf(place)} is in recovery: it takes no writes until somebody promotes it, and then it would`]);
  const scope = scopeOf(context);
  const databases = await readDatabases(client, place, scope);
  const now = await ask<Date>(client, 'SELECT pg_catalog.clock_timestamp()');
  const at = databases.find(({ note }) => note)?.note!.at ?? now.toISOString();
  const open = databases.filter(({ letsIn }) => letsIn);
  // A reopened one has our note still, or another run's: whose it is stays.
  await inOne(client, async () => {
    for (const { name, comment, note } of open) {
      await client.query(`ALTER DATABASE ${pg.escapeIdentifier(name)} WITH ALLOW_CONNECTIONS false`);
      if (!note) await client.query(`COMMENT ON DATABASE ${pg.escapeIdentifier(name)} IS ${pg.escapeLiteral(`${comment}${comment === '' ? '' : '\n'}${noteOf(run, at)}`)}`);
    }
  });
  const before = databases.find(({ note }) => note && note.run !== run)?.note;
  const watched = databases.filter(({ letsIn, note }) => letsIn || note);
  const evidence = [
    ...(before ? [`run ${before.run} fenced it before, at ${before.at}`] : []),
    ...databases.filter(({ letsIn, note }) => !letsIn && !note && scope === 'database').map(({ name }) => `${name} was closed already, by somebody else`),
  ];
  const lsn = await ask<string>(client, 'SELECT pg_catalog.pg_current_wal_insert_lsn()::text');
  const ended = await endAll(context, client, databases);
  evidence.push(`${namesOf(watched) || 'nothing'} of ${whereOf(place)} ${watched.length === 1 ? 'is' : 'are'} closed, and ${ended} sessions were ended`);
  for (const { name } of databases.filter(({ name: one }) => one !== 'template0')) evidence.push(await refusal(context, place, name));
  const doubts = [...(databases.length === 0 ? [`there is no database ${place.address.database} at ${whereOf(place)}, and nothing keeps anybody from making it`] : []), ...(await behind(context, client, lsn)), ...(scope === 'databases' ? await leftOpen(client) : [])];
  return result(doubts.length > 0 ? 'unproved' : 'proved', true, [...evidence, ...doubts], at);
}

/** @returns how many. @throws FenceFailed - one goes on, or is not this user's to end. */
async function endAll(context: FenceContext, client: pg.Client, databases: readonly Database[]): Promise<number> {
  const ended = new Set<number>();
  const endsAtMs = performance.now() + goneWithinMs;
  for (;;) {
    const { pids, mayNot } = await endSessions(client, databases.map(({ oid }) => oid));
    if (mayNot.length > 0) throw new HoldfastError('FenceFailed', `nobody new is let in to ${namesOf(databases)}, and sessions of ${mayNot.join(', ')} go on: this user may not end them`, { hint: `end them by hand, then retry; ${rightsHint}` });
    if (pids.length === 0) return ended.size;
    pids.forEach((pid) => ended.add(pid));
    if (performance.now() > endsAtMs) throw new HoldfastError('FenceFailed', `${pids.length} sessions go on in ${namesOf(databases)}, told to end ${goneWithinMs / 1000} s ago (processes ${pids.join(', ')})`, { hint: 'end them by hand, then retry' });
    await sleep(50, undefined, { signal: context.signal });
  }
}

/** Really asks to be let in, to see it refused. @throws FenceFailed - it is let in. */
async function refusal(context: FenceContext, place: Place, database: string): Promise<string> {
  try {
    const client = await connect(context, place, { database, name: 'holdfast fence' });
    await client.end();
  } catch (error) {
    const { cause } = error as Error;
    if (cause instanceof pg.DatabaseError && cause.code === '55000') return `it refused a session: ${cause.message}`;
    throw error;
  }
  throw new HoldfastError('FenceFailed', `${whereOf(place)} let a session into ${database} after it was closed`, { hint: 'somebody opens it again: stop the server by hand, then retry' });
}

/** Standbys that have not replayed the closing: promoted as they are, they would take writes. */
async function behind(context: FenceContext, client: pg.Client, lsn: string): Promise<string[]> {
  const endsAtMs = performance.now() + followWithinMs;
  for (;;) {
    // What only stores the log (pg_receivewal, an archive) replays nothing, and is no standby. Without pg_monitor nothing is shown of any.
    const { rows } = await client.query<{ name: string | null; seen: boolean }>(
      `SELECT application_name AS name, state IS NOT NULL AS seen FROM pg_catalog.pg_stat_replication WHERE state IS NULL OR replay_lsn < $1::pg_lsn`, [lsn]);
    if (rows.length === 0) return [];
    if (performance.now() > endsAtMs || rows.some(({ seen }) => !seen)) {
      return rows.map(({ name, seen }) => (seen ? `standby "${name}" has not replayed the closing: promoted, it would take writes` : 'something follows its log, and this user may not see how far (pg_monitor)'));
    }
    await sleep(100, undefined, { signal: context.signal });
  }
}

/** The database that stays open holds nothing of anybody's, as a rule. */
async function leftOpen(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') LIMIT 3`);
  return rows.length === 0 ? [] : [`${commandedFrom} stays open, since the server is commanded from it, and holds tables (${rows.map(({ name }) => name).join(', ')})`];
}
