import type pg from 'pg';
import { matchesNamespace } from '../../../../workflows/domain/chosen-namespaces.ts';
import { listTables, type TableListed } from '../catalogue.ts';

/** Where runs of ours keep what was there before the rows that they wrote (put-rows.ts): nobody's data. */
export const keptSchema = 'holdfast';

/** A table whose rows are known by its primary key; a partition stands for itself. */
export interface KeyedTable extends Pick<TableListed, 'oid' | 'schema' | 'table' | 'sql' | 'columns'> {
  /** as `only` chooses it, and as people read it */
  ns: string;
  /** columns of its primary key, as SQL names them; empty: it has none */
  key: string[];
  /** the partitioned table that it is a part of, or itself: what foreign keys are between */
  root: string;
  /** columns that the server gives a value to, whatever is said: an UPDATE leaves them */
  generatedAlways: string[];
}

/** @param patterns - of a partial restore; left out: all. */
export async function listKeyed(client: pg.Client, patterns?: readonly string[]): Promise<KeyedTable[]> {
  const listed = (await listTables(client)).filter(({ condition, schema }) => condition === null && schema !== keptSchema);
  const tables = listed.map((table) => ({ ...table, ns: `${table.schema}.${table.table}` })).filter(({ ns }) => !patterns || patterns.some((pattern) => matchesNamespace(pattern, ns)));
  const { rows } = await client.query<{ oid: string; key: string[]; root: string; generatedAlways: string[] }>(
    `SELECT c.oid::text, COALESCE(pg_catalog.pg_partition_root(c.oid), c.oid)::oid::text AS root,
       ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attidentity = 'a' AND NOT a.attisdropped ORDER BY a.attnum) AS "generatedAlways",
       COALESCE((SELECT ARRAY(SELECT pg_catalog.quote_ident(a.attname) FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, at) JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE k.at <= i.indnkeyatts ORDER BY k.at)
         FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), ARRAY[]::text[]) AS key
     FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::oid[])`,
    [tables.map(({ oid }) => oid)],
  );
  const more = new Map(rows.map((row) => [row.oid, row]));
  return tables.map(({ oid, schema, table, sql, columns, ns }) => {
    const { key, root, generatedAlways } = more.get(oid)!;
    return { oid, schema, table, sql, columns, ns, key, root, generatedAlways };
  });
}

/** Tables that others refer to, first. Where they refer to each other in a circle, as they come: the server says then whether it holds. */
export async function inOrderOfKeys<T extends Pick<KeyedTable, 'root'>>(client: pg.Client, tables: readonly T[]): Promise<T[]> {
  const { rows } = await client.query<{ child: string; parent: string }>(
    `SELECT DISTINCT COALESCE(pg_catalog.pg_partition_root(conrelid), conrelid)::oid::text AS child, COALESCE(pg_catalog.pg_partition_root(confrelid), confrelid)::oid::text AS parent FROM pg_catalog.pg_constraint WHERE contype = 'f'`,
  );
  const left = [...tables];
  const ordered: T[] = [];
  while (left.length > 0) {
    const roots = new Set(left.map(({ root }) => root));
    const waits = (of: string): boolean => rows.some(({ child, parent }) => child === of && parent !== of && roots.has(parent));
    const ready = left.filter(({ root }) => !waits(root));
    const next = ready.length > 0 ? ready : [left[0]!];
    ordered.push(...next);
    for (const one of next) left.splice(left.indexOf(one), 1);
  }
  return ordered;
}

/** One text for what these columns hold: equal where, and only where, all of them are. */
export const textOf = (columns: readonly string[], of = ''): string => `(ROW(${columns.map((column) => `${of}${column}::text`).join(', ')}))::text`;
