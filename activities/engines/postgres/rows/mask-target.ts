import pg from 'pg';
import type { TargetRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { MaskedColumn, MaskForm, MaskResult, MaskRules } from '../../../../workflows/domain/mask.ts';
import type { SourceContext } from '../../../context.ts';
import { listMaterializedViews } from '../catalogue.ts';
import { ask, targetPlace, withClient } from '../connect.ts';
import { openDatabase } from '../make-database.ts';

const { escapeIdentifier: quoted, escapeLiteral: literal } = pg;

interface Column {
  column: string;
  form: MaskForm;
  /** as the server names it, size and all */
  type: string;
}

interface Part {
  part: string;
  /** it has rows of its own; a partitioned one has statistics alone */
  plain: boolean;
}

interface MaskedTable {
  ns: string;
  sql: string;
  /** itself, its partitions and what inherits from it: all of them are written, and each may have triggers of its own */
  parts: Part[];
  columns: Column[];
}

/**
 * Masks the columns that the system file names, all of them in one transaction, so that what joined before joins still, and without the tables' triggers: one that keeps a history would keep there
 * what is to go. Then each table is written anew (VACUUM FULL), so that neither dead rows nor statistics hold what it was, views that were filled from it are filled again, and each column is
 * counted for what is not masked. Then people are let in.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before COMMIT has reached the server | nothing is masked | begins again |
 * | after it | all is masked, and dead rows hold what it was | masks what is masked, and writes it anew |
 *
 * @throws BadSystemFile - a table or column is not there: a name that has changed would leave everything as it was. ValidationFailed - something is left.
 */
export async function maskTarget(context: SourceContext, { target }: { target: TargetRef }): Promise<MaskResult> {
  const { system, sourceName } = context;
  if (system.environments[target.environment]?.protection === 'production') throw new HoldfastError('NotPermitted', `${target.environment} is of production: nothing is masked there`);
  const rules = system.mask?.[sourceName] ?? {};
  return await withClient(context, await targetPlace(context, target), async (client) => {
    // Made by the server, for this session alone: nobody has it, so what was masked cannot be found again by trying values, and it stands in no statement that a server may write down.
    await client.query(`SELECT pg_catalog.set_config('${salt}', pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, false) IS NULL`);
    const tables = await findColumns(client, rules);
    await client.query('BEGIN');
    // What is put off until the commit would be in the way of the triggers' return.
    await client.query('SET CONSTRAINTS ALL IMMEDIATE');
    for (const [at, table] of tables.entries()) {
      context.signal.throwIfAborted();
      await maskTable(client, table);
      context.progress({ phase: 'mask', done: at + 1, of: tables.length, unit: 'objects' });
    }
    await client.query('COMMIT');
    for (const [at, { parts }] of tables.entries()) {
      for (const { part, plain } of parts) await client.query(`${plain ? 'VACUUM (FULL, ANALYZE)' : 'ANALYZE'} ${part}`);
      context.progress({ phase: 'write anew', done: at + 1, of: tables.length, unit: 'objects' });
    }
    const views = (await listMaterializedViews(client)).filter(({ filled }) => filled);
    for (const { sql } of views) await client.query(`REFRESH MATERIALIZED VIEW ${sql}`);
    const columns: MaskedColumn[] = [];
    for (const table of tables) columns.push(...(await lookAt(client, table)));
    await openDatabase(client);
    const objects = Number(await ask<string>(client, 'SELECT count(*)::text FROM pg_catalog.pg_largeobject_metadata'));
    return { columns, notes: objects > 0 ? [`${objects} large objects are as they were: no rule reaches into them`] : [] };
  });
}

const salt = 'holdfast.mask';

async function findColumns(client: pg.Client, rules: MaskRules): Promise<MaskedTable[]> {
  const tables: MaskedTable[] = [];
  for (const [ns, forms] of Object.entries(rules)) {
    const [schema, table] = [ns.slice(0, ns.indexOf('.')), ns.slice(ns.indexOf('.') + 1)];
    const { rows } = await client.query<{ column: string; type: string }>(
      `SELECT a.attname AS "column", pg_catalog.format_type(a.atttypid, a.atttypmod) AS type FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
      [schema, table],
    );
    if (rows.length === 0) throw new HoldfastError('BadSystemFile', `mask names ${ns}, and no such table was restored`, { hint: 'correct the rule: what it was for is not masked' });
    const columns = Object.entries(forms).map(([column, form]): Column => {
      const found = rows.find((row) => row.column === column);
      if (!found) throw new HoldfastError('BadSystemFile', `mask names ${ns}.${column}, and the table has ${rows.map((row) => row.column).join(', ')}`, { hint: 'correct the rule: what it was for is not masked' });
      return { column, form, type: found.type };
    });
    const sql = `${quoted(schema)}.${quoted(table)}`;
    tables.push({ ns, sql, parts: await partsOf(client, sql), columns });
  }
  return tables;
}

async function partsOf(client: pg.Client, sql: string): Promise<Part[]> {
  const { rows } = await client.query<Part>(
    `WITH RECURSIVE parts AS (SELECT $1::regclass::oid AS oid UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN parts p ON i.inhparent = p.oid) SELECT oid::regclass::text AS part, relkind = 'r' AS plain FROM parts JOIN pg_catalog.pg_class USING (oid)`,
    [sql],
  );
  return rows;
}

/** What stands in the place of a value, and what each of those looks like. */
function masked({ column, form, type }: Column): string {
  const digest = `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.current_setting('${salt}') || ${quoted(column)}::text, 'UTF8')), 'hex')`;
  if (form === 'null') return 'NULL';
  if (typeof form === 'object') return `CASE WHEN ${quoted(column)} IS NULL THEN NULL ELSE ${literal(form.fixed)}::${type} END`;
  const text = { text: `'masked-' || substr(${digest}, 1, 16)`, email: `substr(${digest}, 1, 16) || '@masked.invalid'`, phone: `'+000' || translate(substr(${digest}, 1, 12), 'abcdef', '012345')` }[form];
  // Not cast: what does not fit is refused, and not cut off.
  return `CASE WHEN ${quoted(column)} IS NULL THEN NULL ELSE ${text} END`;
}

const shapes = { text: '^masked-[0-9a-f]{16}$', email: '^[0-9a-f]{16}@masked[.]invalid$', phone: '^[+]000[0-9]{12}$' } as const;

/** Whether a row's value is not what a mask leaves. */
function unmasked({ column, form, type }: Column): string {
  const is = quoted(column);
  if (form === 'null') return `${is} IS NOT NULL`;
  if (typeof form === 'object') return `(${is} IS NOT NULL AND ${is}::text <> ${literal(form.fixed)}::${type}::text)`;
  return `(${is} IS NOT NULL AND ${is}::text !~ ${literal(shapes[form])})`;
}

/** In the open transaction. */
async function maskTable(client: pg.Client, { ns, sql, parts, columns }: MaskedTable): Promise<void> {
  try {
    // Of a partition those alone that it does not have from its parent: they go and come with the parent's.
    const { rows: triggers } = await client.query<{ of: string; name: string; enabled: string }>(
      `SELECT tgrelid::regclass::text AS "of", pg_catalog.quote_ident(tgname) AS name, tgenabled AS enabled FROM pg_catalog.pg_trigger WHERE tgrelid = ANY ($1::regclass[]) AND NOT tgisinternal AND tgparentid = 0 AND tgenabled <> 'D'`,
      [parts.map(({ part }) => part)],
    );
    for (const { of, name } of triggers) await client.query(`ALTER TABLE ${of} DISABLE TRIGGER ${name}`);
    await client.query(`UPDATE ${sql} SET ${columns.map((column) => `${quoted(column.column)} = ${masked(column)}`).join(', ')}`);
    for (const { of, name, enabled } of triggers) await client.query(`ALTER TABLE ${of} ENABLE ${{ A: 'ALWAYS ', R: 'REPLICA ' }[enabled] ?? ''}TRIGGER ${name}`);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !/^(22|23|42)/.test(error.code ?? '') || error.code === '42501') throw error;
    throw new HoldfastError('BadSystemFile', `mask of ${ns}: the server takes no such values in ${columns.map(({ column }) => column).join(', ')} (SQLSTATE ${error.code})`, { hint: 'another form, or {fixed: value}; null where the column may be empty', cause: error });
  }
}

/** In a look of its own, behind the commit. @throws ValidationFailed - a value is left; never which. */
async function lookAt(client: pg.Client, { ns, sql, columns }: MaskedTable): Promise<MaskedColumn[]> {
  const found: MaskedColumn[] = [];
  for (const column of columns) {
    const { rows } = await client.query<{ values: string; left: string }>(`SELECT count(${quoted(column.column)})::text AS values, (count(*) FILTER (WHERE ${unmasked(column)}))::text AS left FROM ${sql}`);
    const { values, left } = rows[0]!;
    if (Number(left) > 0) throw new HoldfastError('ValidationFailed', `${ns}.${column.column}: ${left} values are not masked`, { hint: 'nobody may be let in; a rule of the table may keep them (ON UPDATE DO INSTEAD): drop it there, and retry the step' });
    found.push({ ns, column: column.column, values: Number(values) });
  }
  return found;
}
