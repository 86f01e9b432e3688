import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { SourceContext } from '../../context.ts';
import { findPostgresProgram } from '../../tool/find-postgres.ts';
import { ask, libpqVariables, placeAt, withClient, type Place } from '../postgres/connect.ts';
import type { ProgramSpec } from './program-spec.ts';

/**
 * `pg_dump --format=custom` of the endpoint's database, by the oldest pg_dump on this machine that is as new as its server. Address, user and password
 * are variables: arguments are public.
 * @throws SourceUnavailable - nobody says which version it is. @throws ToolMissing - there is none as new. @throws WeakTransport.
 * @source pg_dump manual: all that is dumped is of the moment at which it began
 */
export async function pgDumpProgram(context: SourceContext, endpoint: Endpoint): Promise<ProgramSpec> {
  const place = await placeAt(context, endpoint, context.sourceName, 'SourceUnavailable');
  return { name: 'pg_dump', path: (await pgDumpOf(context, place)).path, args: ['--format=custom', '--compress=0', '--no-password', '--lock-wait-timeout=30s'], ...libpqVariables(place), files: {} };
}

/** `pg_restore --clean --if-exists`, in one transaction: whatever it is killed in, what was there is there still, or what it restored is. */
export async function pgRestoreProgram(context: SourceContext, endpoint: Endpoint): Promise<ProgramSpec> {
  const place = await placeAt(context, endpoint, context.sourceName, 'TargetUnavailable');
  const { path } = await findPostgresProgram('pg_restore', await majorOf(context, place));
  return { name: 'pg_restore', path, args: ['--clean', '--if-exists', '--single-transaction', '--exit-on-error', '--no-password', `--dbname=dbname='${place.address.database.replace(/[\\']/g, '\\$&')}'`], ...libpqVariables(place), files: {} };
}

/** What pg_dump says of its version. */
export async function pgDumpVersion(context: SourceContext, endpoint: Endpoint): Promise<string> {
  return `pg_dump (PostgreSQL) ${(await pgDumpOf(context, await placeAt(context, endpoint, context.sourceName, 'SourceUnavailable'))).version}`;
}

const pgDumpOf = async (context: SourceContext, place: Place) => await findPostgresProgram('pg_dump', await majorOf(context, place));

/** By a session of ours, which holds the server to the TLS that was asked for; libpq is told the same. */
async function majorOf(context: SourceContext, place: Place): Promise<number> {
  return Math.floor(Number(await withClient(context, place, async (client) => await ask<string>(client, `SELECT current_setting('server_version_num')`))) / 10_000);
}
