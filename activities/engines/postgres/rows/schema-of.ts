import type pg from 'pg';
import { schemas } from '../catalogue.ts';

/** What a database is defined by, name by name, as the server writes it: `column public.users.email` → its type, default and the rest. */
export interface Definition {
  name: string;
  text: string;
  /** the table that it is of, as `schema.table`; null: of none */
  of: string | null;
}

const ident = (schema: string, name: string): string => `pg_catalog.quote_ident(${schema}) || '.' || pg_catalog.quote_ident(${name})`;
const relation = ident('n.nspname', 'c.relname');
const ns = `n.nspname || '.' || c.relname`;
const notOfExtension = (catalogue: string, oid: string): string => `NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.${catalogue}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`;
const relations = `pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;
const ours = `${schemas} AND c.relpersistence <> 't' AND ${notOfExtension('pg_class', 'c.oid')}`;

const parts = [
  `SELECT 'table ' || ${relation}, pg_catalog.concat_ws(' ', c.relpersistence, pg_catalog.pg_get_partkeydef(c.oid), pg_catalog.pg_get_expr(c.relpartbound, c.oid), CASE WHEN c.relrowsecurity THEN 'row security' END, CASE WHEN c.relforcerowsecurity THEN 'forced' END), ${ns}
   FROM ${relations} WHERE c.relkind IN ('r', 'p') AND ${ours}`,
  `SELECT 'column ' || ${relation} || '.' || pg_catalog.quote_ident(a.attname),
     pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END, NULLIF(a.attidentity, ''), NULLIF(a.attgenerated, ''), pg_catalog.pg_get_expr(x.adbin, x.adrelid), (SELECT o.collname FROM pg_catalog.pg_collation o WHERE o.oid = a.attcollation)), ${ns}
   FROM ${relations} JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_catalog.pg_attrdef x ON x.adrelid = c.oid AND x.adnum = a.attnum
   WHERE c.relkind IN ('r', 'p') AND ${ours}`,
  `SELECT 'constraint ' || ${relation} || '.' || pg_catalog.quote_ident(k.conname), pg_catalog.pg_get_constraintdef(k.oid), ${ns}
   FROM ${relations} JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid WHERE k.contype <> 'n' AND ${ours}`,
  `SELECT 'index ' || ${ident('n.nspname', 'o.relname')}, pg_catalog.pg_get_indexdef(i.indexrelid), ${ns}
   FROM ${relations} JOIN pg_catalog.pg_index i ON i.indrelid = c.oid JOIN pg_catalog.pg_class o ON o.oid = i.indexrelid
   WHERE i.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid) AND ${ours}`,
  `SELECT 'trigger ' || ${relation} || '.' || pg_catalog.quote_ident(t.tgname), t.tgenabled::text || ' ' || pg_catalog.pg_get_triggerdef(t.oid), ${ns}
   FROM ${relations} JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal AND ${ours}`,
  `SELECT 'policy ' || ${relation} || '.' || pg_catalog.quote_ident(p.polname), pg_catalog.concat_ws(' ', p.polcmd, p.polpermissive, pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)), ${ns}
   FROM ${relations} JOIN pg_catalog.pg_policy p ON p.polrelid = c.oid WHERE ${ours}`,
  `SELECT CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || ${relation}, pg_catalog.pg_get_viewdef(c.oid), NULL FROM ${relations} WHERE c.relkind IN ('v', 'm') AND ${ours}`,
  `SELECT 'sequence ' || ${relation}, pg_catalog.concat_ws(' ', pg_catalog.format_type(s.seqtypid, NULL), s.seqincrement, s.seqcycle), NULL FROM ${relations} JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid WHERE ${ours}`,
  `SELECT 'function ' || p.oid::pg_catalog.regprocedure::text, CASE WHEN p.prokind IN ('f', 'p') THEN pg_catalog.pg_get_functiondef(p.oid) ELSE p.prokind::text END, NULL
   FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE ${schemas} AND ${notOfExtension('pg_proc', 'p.oid')}`,
  `SELECT 'type ' || ${ident('n.nspname', 't.typname')}, pg_catalog.concat_ws(' ', t.typtype, pg_catalog.format_type(NULLIF(t.typbasetype, 0), t.typtypmod), (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)), NULL
   FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r') AND ${schemas} AND ${notOfExtension('pg_type', 't.oid')}`,
  `SELECT 'extension ' || pg_catalog.quote_ident(extname), extversion, NULL FROM pg_catalog.pg_extension`,
];

/** All of them. The session's search path is empty, so every name stands with its schema. */
export async function schemaOf(client: pg.Client): Promise<Definition[]> {
  const { rows } = await client.query<Definition>(`SELECT * FROM (${parts.join('\nUNION ALL ')}) AS s (name, text, "of") ORDER BY name`);
  return rows;
}

/** What differs, a sentence each. */
export function differences(restored: readonly Definition[], living: readonly Definition[]): string[] {
  const [then, now] = [restored, living].map((all) => new Map(all.map(({ name, text }) => [name, text])));
  const names = [...new Set([...then!.keys(), ...now!.keys()])].sort();
  return names.flatMap((name) => {
    const [before, after] = [then!.get(name), now!.get(name)];
    if (before === after) return [];
    if (after === undefined) return [`${name} was restored, and does not live`];
    if (before === undefined) return [`${name} lives, and was not restored`];
    return [`${name} differs: restored ${shortened(before)}, living ${shortened(after)}`];
  });
}

/** A function may be long, and what it says is nobody's data. */
const shortened = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}…` : text === '' ? 'plain' : text);
