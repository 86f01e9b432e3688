import type pg from 'pg';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { schemas, some } from './catalogue.ts';

/** What a base of this kind would not bring back as it was. Each question names what there is of it. */
const kinds: { what: string; sql: string; hint: string }[] = [
  {
    what: 'tables that are split by the hash of an enumeration, which another database hashes otherwise',
    sql: `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE p.partstrat = 'h' AND ${schemas} AND EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = c.oid AND a.attnum = ANY (p.partattrs) AND t.typtype = 'e') ORDER BY 1`,
    hint: 'take the whole server by the engine "postgres-physical"',
  },
  {
    what: 'tables of another access method than heap',
    sql: `SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
      WHERE c.relkind = 'r' AND m.amname <> 'heap' AND ${schemas} ORDER BY 1`,
    hint: 'its extension says how it is backed up',
  },
];

/** @throws Unsupported - what a base would lack or alter, by name. */
export async function refuseKinds(client: pg.Client): Promise<void> {
  for (const { what, sql, hint } of kinds) {
    const names = (await client.query<{ name: string }>(sql)).rows.map(({ name }) => name);
    if (names.length > 0) throw new HoldfastError('Unsupported', `the database has ${what}: ${some(names)}`, { hint });
  }
}
