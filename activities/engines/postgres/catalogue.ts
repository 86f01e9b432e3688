import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Source } from '../../../workflows/domain/system.ts';
import { rightsHint } from './connect.ts';
import { controlSchema } from './control.ts';

/** A table that holds rows of its own: a plain one, a partition, a parent of inheritance; one of an extension only where that asks for its rows to be kept. */
export interface TableListed {
  oid: string;
  schema: string;
  table: string;
  /** as SQL names it, schema and all: its name for people too */
  sql: string;
  /** as SQL names them, in their order; generated ones are made anew wherever the row goes */
  columns: string[];
  /** of an extension's table: which rows are not the extension's own */
  condition: string | null;
  pages: number;
  bytes: number;
  /** with its indexes */
  diskBytes: number;
  /** rows lie in pages that a range of them can be asked by */
  heap: boolean;
}

/** What is nobody's data: the server's own, and what a restore of ours notes in its target. */
export const schemas = `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', '${controlSchema}')`;

/** Dependency on an extension: `e` says that an object is part of one. */
const ofExtension = (catalogue: string): string => `FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON d.refclassid = 'pg_catalog.pg_extension'::regclass AND x.oid = d.refobjid WHERE d.classid = 'pg_catalog.${catalogue}'::regclass AND d.deptype = 'e'`;

/** All tables whose rows are backed up, as the session's snapshot has them, the system file's exclusions not looked at. */
export async function listTables(client: pg.Client): Promise<TableListed[]> {
  const { rows } = await client.query<Omit<TableListed, 'pages' | 'bytes' | 'diskBytes'> & { pages: string; bytes: string; diskBytes: string }>(`
    SELECT c.oid::text, n.nspname AS schema, c.relname AS "table", pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS sql,
      ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) AS columns,
      e.condition,
      COALESCE(pg_catalog.pg_relation_size(c.oid), 0) / pg_catalog.current_setting('block_size')::int8 AS pages,
      COALESCE(pg_catalog.pg_table_size(c.oid), 0) AS bytes,
      COALESCE(pg_catalog.pg_total_relation_size(c.oid), 0) AS "diskBytes",
      COALESCE(m.amname = 'heap', false) AS heap
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_am m ON m.oid = c.relam
    LEFT JOIN LATERAL (SELECT NULLIF(x.extcondition[pg_catalog.array_position(x.extconfig, c.oid)], '') AS condition, COALESCE(x.extconfig @> ARRAY[c.oid], false) AS kept ${ofExtension('pg_class')} AND d.objid = c.oid) e ON true
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND ${schemas} AND COALESCE(e.kept, true)
    ORDER BY c.oid`);
  return rows.map((row) => ({ ...row, pages: Number(row.pages), bytes: Number(row.bytes), diskBytes: Number(row.diskBytes) }));
}

/** All large objects of the database, as the table of their pages; undefined: it has none. */
export async function listLargeObjects(client: pg.Client): Promise<TableListed | undefined> {
  const { rows } = await client.query<{ some: boolean; pages: string; bytes: string; disk: string }>(`
    SELECT EXISTS (SELECT FROM pg_largeobject_metadata) AS some, pg_relation_size('pg_catalog.pg_largeobject') / current_setting('block_size')::int8 AS pages, pg_table_size('pg_catalog.pg_largeobject') AS bytes, pg_total_relation_size('pg_catalog.pg_largeobject') AS disk`);
  const { some, pages, bytes, disk } = rows[0]!;
  if (!some) return undefined;
  return { oid: largeObjects, schema: 'pg_catalog', table: 'pg_largeobject', sql: 'pg_catalog.pg_largeobject', columns: ['loid', 'pageno', 'data'], condition: null, pages: Number(pages), bytes: Number(bytes), diskBytes: Number(disk), heap: true };
}

/** Id and kind of the unit that all large objects are. */
export const largeObjects = 'large-objects' as const;

/** `app`, `app.orders`, or as SQL writes them: `"Old app"."my orders"`. */
export const isExcluded = ({ schema, table, sql }: Pick<TableListed, 'schema' | 'table' | 'sql'>, { namespaces }: Pick<Source, 'namespaces'>): boolean =>
  namespaces.exclude.some((excluded) => excluded === schema || excluded === `${schema}.${table}` || excluded === sql);

/** What keeps a base from being whole, by name, before anything is read. @throws NotPermitted, Unsupported. */
export async function refuseUnreadable(client: pg.Client, tables: readonly TableListed[]): Promise<void> {
  const oids = tables.flatMap(({ oid }) => (oid === largeObjects ? [] : [oid]));
  const large = tables.find(({ oid }) => oid === largeObjects);
  if (large && !(await client.query<{ may: boolean }>(`SELECT has_table_privilege($1, 'SELECT') AS may`, [large.sql])).rows[0]!.may) {
    throw new HoldfastError('NotPermitted', `the database has large objects, and the user may not read ${large.sql}`, { hint: `GRANT pg_read_all_data TO the user; ${rightsHint}` });
  }
  const named = async (condition: string): Promise<string[]> =>
    (await client.query<{ sql: string }>(`SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS sql FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[]) AND ${condition} ORDER BY 1`, [oids])).rows.map(({ sql }) => sql);
  const unread = await named(`NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')`);
  if (unread.length > 0) throw new HoldfastError('NotPermitted', `the user may not read ${some(unread)}`, { hint: `GRANT pg_read_all_data TO the user; ${rightsHint}` });
  const hidden = await named('pg_catalog.row_security_active(c.oid)');
  if (hidden.length > 0) throw new HoldfastError('NotPermitted', `row-level security hides rows of ${some(hidden)} from the user: a base would lack them`, { hint: `ALTER ROLE the user BYPASSRLS; ${rightsHint}` });
}

/** Those that hold a row. */
export async function notEmpty(client: pg.Client, tables: readonly { sql: string }[]): Promise<{ sql: string }[]> {
  const found: { sql: string }[] = [];
  for (const { sql } of tables) if ((await client.query(`SELECT FROM ONLY ${sql} LIMIT 1`)).rowCount === 1) found.push({ sql });
  return found;
}

export const some = (names: readonly string[]): string => `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;

export interface SequenceListed {
  sql: string;
  lastValue: string;
  isCalled: boolean;
}

/** Sequences know no snapshot: their values are read now, and are never behind what was handed out before it. */
export async function listSequences(client: pg.Client): Promise<SequenceListed[]> {
  const { rows } = await client.query<{ sql: string; text: string }>(`
    SELECT s.sql, pg_catalog.quote_literal(s.sql) AS text FROM (
    SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS sql
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND ${schemas}
      AND NOT EXISTS (SELECT ${ofExtension('pg_class')} AND d.objid = c.oid AND NOT COALESCE(x.extconfig @> ARRAY[c.oid], false))) s
    ORDER BY s.oid`);
  const values: SequenceListed[] = [];
  for (let at = 0; at < rows.length; at += sequencesTogether) {
    const asked = rows.slice(at, at + sequencesTogether).map(({ sql, text }) => `SELECT ${text} AS sql, last_value::text AS "lastValue", is_called AS "isCalled" FROM ${sql}`);
    values.push(...(await client.query<SequenceListed>(asked.join(' UNION ALL '))).rows);
  }
  return values;
}

const sequencesTogether = 200;

export interface ViewListed {
  sql: string;
  /** left unfilled at the source, it is left unfilled */
  filled: boolean;
}

export async function listMaterializedViews(client: pg.Client): Promise<ViewListed[]> {
  const { rows } = await client.query<ViewListed>(`
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS sql, c.relispopulated AS filled
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND ${schemas} AND NOT EXISTS (SELECT ${ofExtension('pg_class')} AND d.objid = c.oid)
    ORDER BY c.oid`);
  return rows;
}
