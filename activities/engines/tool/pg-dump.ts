import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Manifest } from '../../../workflows/domain/manifest.ts';
import type { Endpoint } from '../../../workflows/domain/system.ts';
import type { PgDumpConfig, ToolConfig } from '../../../workflows/domain/tool-source.ts';
import type { Lack } from '../../../workflows/contract.ts';
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
export async function pgDumpProgram(context: SourceContext, endpoint: Endpoint, tool: PgDumpConfig): Promise<ProgramSpec> {
  const place = await placeAt(context, endpoint, context.sourceName, 'SourceUnavailable');
  return { name: 'pg_dump', path: (await pgDumpOf(context, place)).path, args: ['--format=custom', '--compress=0', '--no-password', '--lock-wait-timeout=30s', ...chosenBy(tool)], ...libpqVariables(place), files: {} };
}

/** A name that is asked for and not there fails the dump: a table that was renamed would be missing without a word. */
const chosenBy = ({ contents, include, exclude }: PgDumpConfig): string[] => [
  ...(contents === 'definitions' ? ['--schema-only'] : []),
  ...(include.schemas ?? include.tables ? ['--strict-names'] : []),
  ...[['schema', include.schemas], ['table', include.tables], ['exclude-schema', exclude.schemas], ['exclude-table', exclude.tables], ['exclude-table-data', exclude.rows]].flatMap(([option, names]) => ((names ?? []) as string[]).map((name) => `--${option as string}=${name}`)),
];

/** The part of a database that is dumped, in pg_dump's own words; undefined: all of it. */
export const partOf = (tool: ToolConfig): string | undefined => (tool.uses === 'pg_dump' && chosenBy(tool).length > 0 ? `pg_dump ${chosenBy(tool).join(' ')}` : undefined);

/** What a base lacks that holds a part of its database; undefined: nothing. */
export function lackOfPart({ backup, units }: Pick<Manifest, 'backup' | 'units'>): Lack | undefined {
  const part = partIn(units);
  return part === undefined ? undefined : { what: `base ${backup} holds a part of the database (${part})`, hint: 'what is not in it is in the target as it was before, or not at all' };
}

const partIn = (units: Manifest['units']): string | undefined => (units[0]?.detail as { part?: string } | null)?.part;

/** Who restores a part asks for that part, so that nobody takes it for the whole. @throws Unsupported. */
export function requirePart({ backup, units }: Pick<Manifest, 'backup' | 'units'>, source: string, tool: ToolConfig): void {
  const part = partIn(units);
  const now = partOf(tool);
  if (part === undefined || part === now) return;
  throw new HoldfastError('Unsupported', `backup ${backup} holds a part of the database (${part}), and ${source} is ${now === undefined ? 'to be restored whole' : `another part (${now})`}`, { hint: `choose another base, or let sources.${source}.tool say for this recovery what it said then` });
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
