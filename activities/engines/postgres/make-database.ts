import pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { some } from './catalogue.ts';
import { ask } from './connect.ts';
import { controlSchema } from './control.ts';
import { globalsOf, type Global, type GlobalOf } from './globals.ts';

const { escapeIdentifier: name, escapeLiteral: literal } = pg;

/**
 * What a server lacks for this base, by name, before anything is made there: an older version, extensions, tablespaces.
 * @throws Unsupported.
 */
export async function requireServer(client: pg.Client, globals: readonly Global[], { source, target }: { source: string; target: { major: number; version: string } }): Promise<void> {
  if (target.major < Number.parseInt(source)) throw new HoldfastError('Unsupported', `the target runs PostgreSQL ${target.version}, the base was made of ${source}`, { hint: `restore to ${Number.parseInt(source)} or newer` });
  const lacking = async (wanted: string[], sql: string): Promise<string[]> => {
    const { rows } = await client.query<{ name: string }>(sql);
    return wanted.filter((one) => !rows.some((row) => row.name === one));
  };
  const extensions = await lacking(globalsOf(globals, 'extension').map((one) => one.name), 'SELECT name::text FROM pg_available_extensions');
  if (extensions.length > 0) throw new HoldfastError('Unsupported', `the target server has not these extensions: ${some(extensions)}`, { hint: 'install their packages there' });
  const tablespaces = globalsOf(globals, 'tablespace');
  const missing = await lacking(tablespaces.map((one) => one.name), 'SELECT spcname::text AS name FROM pg_tablespace');
  if (missing.length === 0) return;
  const holds = tablespaces.find((one) => one.name === missing[0])!.holds;
  throw new HoldfastError('Unsupported', `the target server has no tablespace ${some(missing)}, in which ${some(holds)} lies`, { hint: 'CREATE TABLESPACE there, under the same name' });
}

/**
 * Roles that the target server does not have, with their attributes, passwords (where they could be read), memberships and settings. One that is there is
 * left as it is. All or none, so that what was killed half-way is begun again.
 * @throws NotPermitted - the target's user may not make them; names them.
 */
export async function makeRoles(client: pg.Client, globals: readonly Global[]): Promise<void> {
  const { rows } = await client.query<{ rolname: string }>('SELECT rolname::text FROM pg_roles');
  const known = new Set(rows.map(({ rolname }) => rolname));
  const missing = globalsOf(globals, 'role').filter(({ row }) => !known.has(nameOf(row)));
  if (missing.length === 0) return;
  const made = missing.map(({ row }) => nameOf(row));
  const major = Math.floor(Number(await ask<string>(client, `SELECT current_setting('server_version_num')`)) / 10_000);
  const statements = [
    ...missing.map(createRole),
    ...missing.flatMap(({ row, comment }) => (comment === null ? [] : [`COMMENT ON ROLE ${name(nameOf(row))} IS ${literal(comment)}`])),
    ...globalsOf(globals, 'membership').filter(({ member }) => made.includes(member)).map((one) => grantMembership(one, major)),
    ...globalsOf(globals, 'default').filter(({ role, ofDatabase }) => role !== null && !ofDatabase && made.includes(role)).flatMap(({ role, settings }) => settings.map((setting) => `ALTER ROLE ${name(role!)} SET ${assignment(setting)}`)),
  ];
  try {
    await client.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
  } catch (error) {
    const { code, message } = error as pg.DatabaseError;
    if (code === '42501') throw new HoldfastError('NotPermitted', `the target's user may not make the roles ${some(made)}: ${message}`, { hint: 'let a superuser restore, or make them before: one that is there is left as it is' });
    if (code === '42710' || code === '23505') throw new HoldfastError('TargetUnavailable', `somebody else makes roles there at the same time: ${message}`);
    throw error;
  }
}

const nameOf = (row: Record<string, unknown>): string => String(row['rolname']);

function createRole({ row }: GlobalOf<'role'>): string {
  const flags = { rolsuper: 'SUPERUSER', rolinherit: 'INHERIT', rolcreaterole: 'CREATEROLE', rolcreatedb: 'CREATEDB', rolcanlogin: 'LOGIN', rolreplication: 'REPLICATION', rolbypassrls: 'BYPASSRLS' };
  const options = Object.entries(flags).map(([column, word]) => `${row[column] === true ? '' : 'NO'}${word}`);
  const password = typeof row['rolpassword'] === 'string' ? [`PASSWORD ${literal(row['rolpassword'])}`] : [];
  const until = typeof row['rolvaliduntil'] === 'string' ? [`VALID UNTIL ${literal(row['rolvaliduntil'])}`] : [];
  return `CREATE ROLE ${name(nameOf(row))} WITH ${[...options, `CONNECTION LIMIT ${Number(row['rolconnlimit'] ?? -1)}`, ...password, ...until].join(' ')}`;
}

/** From 16 on a membership says what it lets: a server before knows ADMIN alone. */
function grantMembership({ role, member, row }: GlobalOf<'membership'>, major: number): string {
  const isTrue = (column: string): string => (row[column] === true ? 'TRUE' : 'FALSE');
  const options = 'inherit_option' in row && major >= 16 ? ` WITH ADMIN ${isTrue('admin_option')}, INHERIT ${isTrue('inherit_option')}, SET ${isTrue('set_option')}` : row['admin_option'] === true ? ' WITH ADMIN OPTION' : '';
  return `GRANT ${name(role)} TO ${name(member)}${options}`;
}

/** Their values are lists that the server keeps as SQL writes them. @source PostgreSQL's own variable_is_guc_list_quote */
const lists = /^(local_preload_libraries|search_path|session_preload_libraries|shared_preload_libraries|temp_tablespaces|unix_socket_directories)$/i;

function assignment(setting: string): string {
  const at = setting.indexOf('=');
  const [variable, value] = [setting.slice(0, at), setting.slice(at + 1)];
  return `${variable.split('.').map((part) => name(part)).join('.')} TO ${lists.test(variable) ? value || "''" : literal(value)}`;
}

/**
 * The database that is restored into: made with the source's encoding and locales where it is not there, taken as it is where it is empty.
 * @param client - of another database of the same server. @param closed - one that is made lets in the client's user alone, and superusers, until `openDatabase`. @throws Unsupported - one is there with another encoding or locale: texts would change, or sort otherwise.
 */
export async function makeDatabase(client: pg.Client, database: string, { row, encoding, owner }: GlobalOf<'database'>, { closed = false } = {}): Promise<void> {
  const [collate, ctype] = [String(row['datcollate']), String(row['datctype'])];
  const { rows } = await client.query<{ encoding: string; collate: string; ctype: string; lets: boolean }>('SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collate, datctype AS ctype, datallowconn AS lets FROM pg_database WHERE datname = $1', [database]);
  const there = rows[0];
  if (!there) await client.query(`CREATE DATABASE ${name(database)} WITH TEMPLATE template0 OWNER ${name(owner)} ENCODING ${literal(encoding)} LC_COLLATE ${literal(collate)} LC_CTYPE ${literal(ctype)}${localeOf(row)}${closed ? ' ALLOW_CONNECTIONS false' : ''}`);
  // One that lets nobody in was made by an attempt that was killed before this: an application that asks again and again never gets in between.
  if (closed && there?.lets !== true) await client.query(['BEGIN', `REVOKE CONNECT ON DATABASE ${name(database)} FROM PUBLIC, ${name(owner)}`, `GRANT CONNECT ON DATABASE ${name(database)} TO CURRENT_USER`, `COMMENT ON DATABASE ${name(database)} IS ${literal(closedMark)}`, `ALTER DATABASE ${name(database)} WITH ALLOW_CONNECTIONS true`, 'COMMIT'].join(';\n'));
  if (!there || (there.encoding === encoding && there.collate === collate && there.ctype === ctype)) return;
  throw new HoldfastError('Unsupported', `database ${database} is there with ${there.encoding}, ${there.collate}, ${there.ctype}, and the source has ${encoding}, ${collate}, ${ctype}`, { hint: `drop it: it is then made as the source’s is` });
}

/** What people see where databases are listed. */
const closedMark = 'restored by Holdfast, closed until it is masked';

const isClosed = async (client: pg.Client, database: string): Promise<boolean> => await ask(client, `SELECT coalesce(shobj_description(oid, 'pg_database') = ${literal(closedMark)}, false) FROM pg_database WHERE datname = ${literal(database)}`);

/** Notes in the database, which this run has claimed, what opens it: whoever masks it has no base at hand. Nothing of one that is open. Safe to repeat. */
export async function noteOpening(client: pg.Client, database: string, globals: readonly Global[]): Promise<void> {
  if (!(await isClosed(client, database))) return;
  const of = globalsOf(globals, 'database')[0]!;
  const grants = of.grants === null ? [`GRANT CONNECT ON DATABASE ${name(database)} TO PUBLIC, ${name(of.owner)}`] : grantsOf(database, of);
  const statements = [...grants, `COMMENT ON DATABASE ${name(database)} IS ${of.comment === null ? 'NULL' : literal(of.comment)}`];
  await client.query(`CREATE TABLE IF NOT EXISTS ${opening} AS SELECT ${literal(statements.join(';\n'))}::text AS statements`);
}

const opening = `${controlSchema}.opening`;

/** Lets in whoever the base says, where `makeDatabase` had closed it. Safe to repeat. */
export async function openDatabase(client: pg.Client): Promise<void> {
  if (!(await ask<boolean>(client, `SELECT to_regclass('${opening}') IS NOT NULL`))) return;
  await client.query(['BEGIN', await ask<string>(client, `SELECT statements FROM ${opening}`), `DROP TABLE ${opening}`, 'COMMIT'].join(';\n'));
}

function localeOf(row: Record<string, unknown>): string {
  const locale = row['datlocale'] ?? row['daticulocale'];
  if (row['datlocprovider'] === 'i') return ` LOCALE_PROVIDER icu ICU_LOCALE ${literal(String(locale))}${typeof row['daticurules'] === 'string' ? ` ICU_RULES ${literal(row['daticurules'])}` : ''}`;
  if (row['datlocprovider'] === 'b') return ` LOCALE_PROVIDER builtin BUILTIN_LOCALE ${literal(String(locale))}`;
  return '';
}

/** Without grants of its own a database lets everybody connect; with some, nobody but those. */
const grantsOf = (database: string, { grants }: GlobalOf<'database'>): string[] =>
  grants === null ? [] : [`REVOKE ALL ON DATABASE ${name(database)} FROM PUBLIC`, ...grants.map(({ grantee, privilege, grantable }) => `GRANT ${privilege} ON DATABASE ${name(database)} TO ${grantee === null ? 'PUBLIC' : name(grantee)}${grantable ? ' WITH GRANT OPTION' : ''}`)];

/** What a database has beside its contents: connection limit, settings of its own; comment and grants, where it is not closed. Safe to repeat. */
export async function finishDatabase(client: pg.Client, database: string, globals: readonly Global[]): Promise<void> {
  const of = globalsOf(globals, 'database')[0]!;
  const as = name(database);
  const settings = globalsOf(globals, 'default').filter(({ ofDatabase }) => ofDatabase).flatMap(({ role, settings: own }) => own.map((setting) => `ALTER ${role === null ? `DATABASE ${as}` : `ROLE ${name(role)} IN DATABASE ${as}`} SET ${assignment(setting)}`));
  const closed = await isClosed(client, database);
  const statements = [
    ...(of.comment === null || closed ? [] : [`COMMENT ON DATABASE ${as} IS ${literal(of.comment)}`]),
    ...(Number(of.row['datconnlimit'] ?? -1) === -1 ? [] : [`ALTER DATABASE ${as} CONNECTION LIMIT ${Number(of.row['datconnlimit'])}`]),
    ...(closed ? [] : grantsOf(database, of)),
    ...settings,
  ];
  if (statements.length > 0) await client.query(['BEGIN', ...statements, 'COMMIT'].join(';\n'));
}
