import type pg from 'pg';
import { z } from 'zod';
import type { Lack } from '../../../workflows/contract.ts';
import { contentsSchema, type Contents } from '../../../workflows/domain/contents.ts';
import { ask } from './connect.ts';
import { listMaterializedViews, listSequences, schemas, some } from './catalogue.ts';

/**
 * What belongs to a database and is no table: a JSON line each. Roles, memberships and settings are the cluster's, and of every version some columns
 * more: whole rows of the server's own catalogues are kept, and whoever restores takes what the target knows.
 */
const grant = z.object({ grantee: z.string().nullable(), privilege: z.string(), grantable: z.boolean() });
const catalogueRow = z.record(z.string(), z.unknown());

const globalSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('database'), row: catalogueRow, encoding: z.string(), owner: z.string(), comment: z.string().nullable(), grants: z.array(grant).nullable() }),
  /** of a row of pg_authid, or of pg_roles where passwords may not be read: then nobody knows whether it has one */
  z.object({ kind: z.literal('role'), row: catalogueRow, comment: z.string().nullable(), hasPassword: z.boolean() }),
  z.object({ kind: z.literal('membership'), role: z.string(), member: z.string(), row: catalogueRow }),
  /** ALTER ROLE … SET, ALTER DATABASE … SET: null is every role, every database */
  z.object({ kind: z.literal('default'), role: z.string().nullable(), ofDatabase: z.boolean(), settings: z.array(z.string()) }),
  z.object({ kind: z.literal('tablespace'), name: z.string(), holds: z.array(z.string()) }),
  z.object({ kind: z.literal('extension'), name: z.string(), version: z.string() }),
  /** left out: all */
  z.object({ kind: z.literal('contents'), contents: contentsSchema }),
  z.object({ kind: z.literal('sequence'), sql: z.string(), lastValue: z.string(), isCalled: z.boolean() }),
  z.object({ kind: z.literal('view'), sql: z.string(), filled: z.boolean() }),
  z.object({ kind: z.literal('large-object'), oid: z.string(), owner: z.string(), comment: z.string().nullable(), grants: z.array(grant).nullable() }),
  /** of the server: for people, who set up another one; nothing is set from it */
  z.object({ kind: z.literal('setting'), name: z.string(), value: z.string(), unit: z.string().nullable(), file: z.string().nullable() }),
]);
export type Global = z.infer<typeof globalSchema>;
export type GlobalOf<K extends Global['kind']> = Extract<Global, { kind: K }>;

const queries: Partial<Record<Global['kind'], string>> = {
  database: `
    SELECT to_jsonb(d) - 'datacl' AS row, pg_encoding_to_char(d.encoding) AS encoding, pg_get_userbyid(d.datdba) AS owner, shobj_description(d.oid, 'pg_database') AS comment,
      (SELECT jsonb_agg(jsonb_build_object('grantee', r.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable)) FROM aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) AS grants
    FROM pg_database d WHERE d.datname = current_database()`,
  membership: `
    SELECT r.rolname AS role, m.rolname AS member, to_jsonb(a) AS row FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
    WHERE m.rolname !~ '^pg_' ORDER BY r.rolname, m.rolname`,
  default: `
    SELECT r.rolname AS role, s.setdatabase <> 0 AS "ofDatabase", s.setconfig AS settings FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) ORDER BY 1, 2`,
  tablespace: `
    SELECT t.spcname AS name, array_agg(quote_ident(n.nspname) || '.' || quote_ident(c.relname) ORDER BY c.oid) AS holds
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE ${schemas} GROUP BY 1 ORDER BY 1`,
  'large-object': `
    SELECT l.oid::text, pg_get_userbyid(l.lomowner) AS owner, obj_description(l.oid, 'pg_largeobject') AS comment,
      (SELECT jsonb_agg(jsonb_build_object('grantee', r.rolname, 'privilege', a.privilege_type, 'grantable', a.is_grantable)) FROM aclexplode(l.lomacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee) AS grants
    FROM pg_largeobject_metadata l ORDER BY l.oid`,
  extension: `SELECT extname AS name, extversion AS version FROM pg_extension ORDER BY oid`,
  setting: `SELECT name, setting AS value, unit, sourcefile AS file FROM pg_settings WHERE source NOT IN ('default', 'override', 'session', 'client', 'database', 'user', 'database user') ORDER BY name`,
};

/** Passwords, as the server keeps them (SCRAM), where the user may read them: a role without its own could not log in to what was restored. */
const roles = (from: 'pg_authid' | 'pg_roles'): string => `
  SELECT to_jsonb(a)${from === 'pg_roles' ? ` - 'rolpassword' - 'rolconfig'` : ''} AS row, shobj_description(a.oid, 'pg_authid') AS comment, ${from === 'pg_authid'} AS "hasPassword"
  FROM ${from} a WHERE a.rolname !~ '^pg_' ORDER BY a.oid`;

/** All of them. Roles and sequences are of now, which is never before the snapshot; the rest is of it. */
export async function readGlobals(client: pg.Client): Promise<Global[]> {
  const lines: Global[] = [];
  const add = async (kind: Global['kind'], sql: string): Promise<void> => {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    for (const row of rows) lines.push(globalSchema.parse({ kind, ...row }));
  };
  await add('database', queries.database!);
  await add('role', roles((await readsPasswords(client)) ? 'pg_authid' : 'pg_roles'));
  for (const kind of ['membership', 'default', 'tablespace', 'extension', 'large-object', 'setting'] as const) await add(kind, queries[kind]!);
  for (const sequence of await listSequences(client)) lines.push({ kind: 'sequence', ...sequence });
  for (const view of await listMaterializedViews(client)) lines.push({ kind: 'view', ...view });
  return lines;
}

const readsPasswords = async (client: pg.Client): Promise<boolean> => await ask(client, `SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')`);

/** Of a base that holds a part of the database. */
export const contentsLine = ({ contents }: { contents?: Contents | undefined }): Global[] => (contents === undefined ? [] : [{ kind: 'contents', contents }]);

/** A line each. */
export const formatGlobals = (globals: readonly Global[]): string => globals.map((one) => JSON.stringify(one)).join('\n');

/** What `formatGlobals` wrote. */
export const parseGlobals = (text: string): Global[] => text.split('\n').filter((line) => line !== '').map((line) => globalSchema.parse(JSON.parse(line)));

/** Roles that log in, of whose passwords the base knows nothing; but for the one that every server is made with. */
const withoutPassword = (globals: readonly Global[]): string[] =>
  globalsOf(globals, 'role').filter(({ row, hasPassword }) => !hasPassword && row['rolcanlogin'] === true && Number(row['oid']) !== firstRole).map(({ row }) => String(row['rolname']));

/** @source PostgreSQL's pg_authid.dat, BOOTSTRAP_SUPERUSERID */
const firstRole = 10;

/** What a base lacks whose maker may not read passwords; undefined: nothing. */
export function lackOfPasswords(globals: readonly Global[]): Lack | undefined {
  const roles = withoutPassword(globals);
  if (roles.length === 0) return undefined;
  return { what: `the base holds no password of roles that log in, as the user of the backup may not read them: ${some(roles)}`, hint: 'a server that has to be given these roles lets nobody in as them by password. For the bases to come: GRANT pg_read_all_data to that user; behind a restore of this one: ALTER ROLE … PASSWORD' };
}

/**
 * Roles of the base that nobody logs in to this server as, by password; undefined: none. Where its user may not see who has one, all whose password the base lacks.
 * @param client - of any database of the server
 */
export async function findWithoutPassword(client: pg.Client, globals: readonly Global[]): Promise<Lack | undefined> {
  const sees = await readsPasswords(client);
  const { rows } = await client.query<{ role: string }>(`SELECT rolname::text AS role FROM ${sees ? 'pg_authid' : 'pg_roles'} WHERE rolname = ANY ($1) AND rolname <> session_user${sees ? ' AND rolpassword IS NULL' : ''} ORDER BY 1`, [withoutPassword(globals)]);
  if (rows.length === 0) return undefined;
  return { what: `the base holds no password of these roles, and ${sees ? 'they have none on this server' : 'whether they have one on this server its user may not see'}: ${some(rows.map(({ role }) => role))}`, hint: 'before the application starts: ALTER ROLE … PASSWORD on this server' };
}

export const globalsOf = <K extends Global['kind']>(globals: readonly Global[], kind: K): GlobalOf<K>[] => globals.filter((one): one is GlobalOf<K> => one.kind === kind);
