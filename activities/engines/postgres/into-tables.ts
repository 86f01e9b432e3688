import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { Unit } from '../../../workflows/domain/manifest.ts';
import { listTables, notEmpty, some } from './catalogue.ts';
import type { NotMade } from './make-section.ts';
import { tableDetail } from './plan.ts';

/**
 * Tables that rows are to come into, which somebody else has made: all of them there, with the columns of the rows, and empty. Whatever else the database holds is nobody's business here.
 * @throws Unsupported, TargetNotEmpty - by name.
 */
export async function requireEmptyTables(client: pg.Client, units: readonly Unit[]): Promise<void> {
  const found = new Map((await listTables(client)).map((table) => [table.sql, table]));
  const wanted = units.filter(({ kind }) => kind === 'table');
  const missing = wanted.filter(({ name }) => !found.has(name)).map(({ name }) => name);
  if (missing.length > 0) throw new HoldfastError('Unsupported', `rows alone are to be restored, and the target database has not these tables: ${some(missing)}`, { hint: 'make its definitions first, by the application’s own migrations or a restore with contents: definitions' });
  const lacking = wanted.flatMap(({ name, detail }) => tableDetail(detail).columns.filter((column) => !found.get(name)!.columns.includes(column)).map((column) => `${name}.${column}`));
  if (lacking.length > 0) throw new HoldfastError('Unsupported', `rows alone are to be restored, and the target database has not these columns: ${some(lacking)}`, { hint: 'bring its definitions to where the source’s were' });
  const full = await notEmpty(client, wanted.filter(({ detail }) => tableDetail(detail).condition === null).map(({ name }) => ({ sql: name })));
  if (full.length > 0) throw new HoldfastError('TargetNotEmpty', `rows alone are to be restored, and there are rows already: ${some(full.map(({ sql }) => sql))}`, { hint: 'empty those tables, or leave them out (--only)' });
  const { rows } = await client.query('SELECT FROM pg_catalog.pg_largeobject_metadata LIMIT 1');
  if (rows.length > 0 && units.length > wanted.length) throw new HoldfastError('TargetNotEmpty', 'rows alone are to be restored, and there are large objects already');
}

/**
 * Rows as they are: no trigger fires, no rule is followed, and foreign keys are looked at when all rows are there (`brokenKeys`), as their order does not matter then.
 * @throws NotPermitted - the user may not say so: a superuser may, and from 15 on who was granted it.
 */
export const withoutTriggers = `SET session_replication_role = replica`;

/** Foreign keys that the rows do not hold to, by the operators that the keys themselves compare by; a key that names a partitioned table has others of the same rows behind it, one for each partition. */
export async function brokenKeys(client: pg.Client, units: readonly Unit[]): Promise<NotMade[]> {
  const brought = new Set(units.map(({ name }) => name));
  const { rows } = await client.query<{ name: string; child: string; parent: string; pairs: string; given: string }>(`
    SELECT k.conname AS name, pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS child, pg_catalog.quote_ident(pn.nspname) || '.' || pg_catalog.quote_ident(p.relname) AS parent,
      (SELECT pg_catalog.string_agg('p.' || pg_catalog.quote_ident(pa.attname) || ' OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ') c.' || pg_catalog.quote_ident(ca.attname), ' AND ')
        FROM unnest(k.conkey, k.confkey, k.conpfeqop) AS u (child, parent, operator) JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.child JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.parent
        JOIN pg_catalog.pg_operator o ON o.oid = u.operator JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace) AS pairs,
      (SELECT pg_catalog.string_agg('c.' || pg_catalog.quote_ident(ca.attname) || ' IS NOT NULL', ' AND ') FROM pg_catalog.unnest(k.conkey) AS u (child) JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.child) AS given
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
    WHERE k.contype = 'f' AND c.relkind = 'r' AND k.convalidated AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint q WHERE q.oid = k.conparentid AND q.conrelid = k.conrelid) ORDER BY 2, 1`);
  const broken: NotMade[] = [];
  for (const { name, child, parent, pairs, given } of rows) {
    if (!brought.has(child)) continue;
    const { rowCount } = await client.query(`SELECT FROM ONLY ${child} c WHERE ${given} AND NOT EXISTS (SELECT FROM ${parent} p WHERE ${pairs}) LIMIT 1`);
    if (rowCount === 1) broken.push({ entry: `FK CONSTRAINT ${child} ${name}`, why: `the rows do not hold to it: some name what ${parent} has not` });
  }
  return broken;
}
