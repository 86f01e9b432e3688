import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Commanded, TargetRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { tablesAtMost, type ChangedRows, type RowsResult } from '../../../../workflows/domain/rows.ts';
import type { SourceContext } from '../../../context.ts';
import { some } from '../catalogue.ts';
import { CopiedRows } from '../copy-rows.ts';
import { ask, sourcePlace, targetPlace, withClient, withoutValues } from '../connect.ts';
import { inOrderOfKeys, keptSchema, listKeyed, textOf, type KeyedTable } from './keyed-tables.ts';

/**
 * What a run of ours keeps in the living database, of rows that it wrote: what was there before, and what it left, so that an undo knows its own. One table for each
 * run, committed with the rows themselves.
 */
const { escapeIdentifier: quoted, escapeLiteral: literal } = pg;
export const keptIn = (run: string): string => `${quoted(keptSchema)}.${quoted(`rows-${run.toLowerCase()}`)}`;

export interface RowsInput {
  target: TargetRef;
  /** `public.orders`, `app.*` */
  tables: readonly string[];
  changed: ChangedRows;
}

/**
 * What `restoreRows` would do: all of it, in a transaction that is rolled back. So counts are what the server counted, and whatever would not hold (a foreign key, a unique index, a
 * trigger's refusal, a lacking right) is found by the server. Sequences that a trigger moves stay moved: they know no transaction.
 */
export async function planRows(context: SourceContext, input: RowsInput): Promise<RowsResult> {
  return await inTransaction(context, input, async (living, put) => {
    const result = await put();
    await living.query('ROLLBACK');
    return { ...result, kept: null };
  });
}

/**
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before COMMIT has reached the server | nothing: the server rolls it back | begins again |
 * | after it | the rows, and what is kept of before | finds what is kept, and answers what it says |
 */
export async function restoreRows(context: SourceContext, input: RowsInput & Commanded): Promise<RowsResult> {
  const kept = keptIn(input.target.run);
  return await inTransaction(context, input, async (living, put) => {
    const done = await readResult(living, kept);
    if (done) {
      await living.query('ROLLBACK');
      return done;
    }
    const result = { ...(await put()), kept: nameIn(kept) };
    await living.query(`INSERT INTO ${kept} (did, after) VALUES ('result', $1)`, [JSON.stringify(result)]);
    await living.query('COMMIT');
    return result;
  });
}

const nameIn = (kept: string): string => kept.replaceAll('"', '');

/** Until this session ends. An attempt whose worker is lost may be about to commit: whoever comes after it waits, and then sees what it did. Not in the transaction, whose view would be of before. */
export const oneAtATime = async (client: pg.Client, run: string): Promise<unknown> => await client.query('SELECT pg_catalog.pg_advisory_lock(pg_catalog.hashtextextended($1, 0))', [`${keptSchema} ${run}`]);

export const isThere = async (client: pg.Client, table: string): Promise<boolean> => await ask<boolean>(client, 'SELECT pg_catalog.to_regclass($1) IS NOT NULL', [table]);

async function readResult(client: pg.Client, kept: string): Promise<RowsResult | undefined> {
  if (!(await isThere(client, kept))) return undefined;
  const { rows } = await client.query<{ after: string }>(`SELECT after FROM ${kept} WHERE did = 'result'`);
  return rows[0] && (JSON.parse(rows[0].after) as RowsResult);
}

type Put = () => Promise<Pick<RowsResult, 'tables'>>;

/** One moment of both; what writes beside it is refused by the server, and tried again. */
async function inTransaction(context: SourceContext, { target, tables: patterns, changed }: RowsInput, use: (living: pg.Client, put: Put) => Promise<RowsResult>): Promise<RowsResult> {
  return await withClient(context, await targetPlace(context, target), async (restored) =>
    await withClient(context, await sourcePlace(context), async (living) => {
      await oneAtATime(living, target.run);
      await restored.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await living.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      return await use(living, async () => {
        const pairs = await pairUp(restored, living, patterns);
        await living.query('SET CONSTRAINTS ALL DEFERRED');
        await makeKept(living, keptIn(target.run));
        const tables: RowsResult['tables'] = [];
        for (const [at, pair] of pairs.entries()) {
          context.signal.throwIfAborted();
          tables.push(await saying(pair, () => putTable({ restored, living, kept: keptIn(target.run), changed }, pair, at)));
          context.progress({ phase: 'put rows back', done: at + 1, of: pairs.length, unit: 'objects' });
        }
        await saying(pairs[0]!, () => living.query('SET CONSTRAINTS ALL IMMEDIATE'));
        return { tables };
      });
    }),
  );
}

interface Pair {
  ns: string;
  then: KeyedTable;
  now: KeyedTable;
}

/** Chosen tables on both sides, what others refer to first. @throws Unsupported - one cannot be put back row by row; names it. */
async function pairUp(restored: pg.Client, living: pg.Client, patterns: readonly string[]): Promise<Pair[]> {
  const then = await listKeyed(restored, patterns);
  const now = await inOrderOfKeys(living, await listKeyed(living, patterns));
  const gone = then.filter(({ ns }) => !now.some((table) => table.ns === ns)).map(({ ns }) => ns);
  if (gone.length > 0) throw new HoldfastError('Unsupported', `${some(gone)} is not there any more: rows are put back into a table`, { hint: 'make it first, by its definition, or bring the whole database back' });
  const pairs = now.flatMap((table): Pair[] => {
    const before = then.find(({ ns }) => ns === table.ns);
    return before ? [{ ns: table.ns, then: before, now: table }] : [];
  });
  if (pairs.length === 0) throw new HoldfastError('BadInput', `${patterns.join(', ')}: no table of that name was restored`);
  if (pairs.length > tablesAtMost) throw new HoldfastError('Unsupported', `${pairs.length} tables are chosen, and rows of ${tablesAtMost} at most are put back at once`, { hint: 'choose fewer, in several runs' });
  for (const { ns, then: before, now: table } of pairs) {
    if (table.key.length === 0 || before.key.join() !== table.key.join()) throw new HoldfastError('Unsupported', `${ns} has ${table.key.length === 0 ? 'no primary key' : 'another primary key than it had'}: its rows cannot be told apart`, { hint: 'leave it out' });
    if ([...before.columns].sort().join() !== [...table.columns].sort().join()) throw new HoldfastError('Unsupported', `${ns} has other columns than it had: ${table.columns.join(', ')}, and had ${before.columns.join(', ')}`, { hint: 'a step that uses compare says what differs; bring its definition into line, or leave it out' });
  }
  return pairs;
}

async function makeKept(client: pg.Client, kept: string): Promise<void> {
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoted(keptSchema)}`);
  // One that is there holds what an undo had to leave.
  await client.query(`CREATE TABLE IF NOT EXISTS ${kept} (ns text, did text NOT NULL, before text, after text)`);
}

interface Putting {
  restored: pg.Client;
  living: pg.Client;
  kept: string;
  changed: ChangedRows;
}

/** What is written waits in the writer, and what was read is lent. */
async function* keptRows(rows: CopiedRows): AsyncGenerator<Buffer> {
  for await (const piece of rows) yield Buffer.from(piece);
}

async function putTable({ restored, living, kept, changed }: Putting, { ns, then, now }: Pair, at: number): Promise<RowsResult['tables'][number]> {
  const came = `pg_temp.${quoted(`came_${at}`)}`;
  const list = now.columns.join(', ');
  await living.query(`CREATE TEMPORARY TABLE ${quoted(`came_${at}`)} ON COMMIT DROP AS SELECT ${list} FROM ONLY ${now.sql} WHERE false`);
  await pipeline(keptRows(CopiedRows.of(restored, `COPY (SELECT ${list} FROM ONLY ${then.sql}) TO STDOUT`)), living.query(copyFrom(`COPY ${came} (${list}) FROM STDIN`)));
  await living.query(`CREATE INDEX ON ${came} (${now.key.join(', ')})`);
  await living.query(`ANALYZE ${came}`);
  const sameKey = now.key.map((column) => `l.${column} = r.${column}`).join(' AND ');
  const differ = `${textOf(now.columns, 'l.')} <> ${textOf(now.columns, 'r.')}`;
  const count = async (sql: string): Promise<number> => Number(await ask<string>(living, sql));
  const seen = {
    ns,
    missing: await count(`SELECT count(*)::text FROM ${came} r WHERE NOT EXISTS (SELECT FROM ONLY ${now.sql} l WHERE ${sameKey})`),
    changed: await count(`SELECT count(*)::text FROM ${came} r JOIN ONLY ${now.sql} l ON ${sameKey} WHERE ${differ}`),
    since: await count(`SELECT count(*)::text FROM ONLY ${now.sql} l WHERE NOT EXISTS (SELECT FROM ${came} r WHERE ${sameKey})`),
  };
  let updated = 0;
  const set = now.columns.filter((column) => !now.key.includes(column) && !now.generatedAlways.includes(column));
  if (changed === 'restore' && seen.changed > 0 && set.length > 0) {
    await living.query(`INSERT INTO ${kept} (ns, did, before) SELECT ${literal(ns)}, 'updated', l::${now.sql}::text FROM ${came} r JOIN ONLY ${now.sql} l ON ${sameKey} WHERE ${differ}`);
    const written = await living.query(`UPDATE ONLY ${now.sql} l SET ${set.map((column) => `${column} = r.${column}`).join(', ')} FROM ${came} r WHERE ${sameKey} AND ${differ}`);
    updated = written.rowCount ?? 0;
    const asBefore = now.key.map((column) => `l.${column} = b.${column}`).join(' AND ');
    await living.query(
      `UPDATE ${kept} k SET after = s.after FROM (SELECT o.ctid AS at, l::${now.sql}::text AS after FROM ${kept} o CROSS JOIN LATERAL (SELECT (o.before::${now.sql}).*) b JOIN ONLY ${now.sql} l ON ${asBefore} WHERE o.ns = ${literal(ns)} AND o.did = 'updated' AND o.after IS NULL) s
       WHERE k.ctid = s.at`,
    );
  }
  const put = await living.query(
    `WITH put AS (INSERT INTO ${now.sql} AS l (${list}) OVERRIDING SYSTEM VALUE SELECT ${now.columns.map((column) => `r.${column}`).join(', ')} FROM ${came} r WHERE NOT EXISTS (SELECT FROM ONLY ${now.sql} l WHERE ${sameKey}) RETURNING l::${now.sql}::text AS after)
     INSERT INTO ${kept} (ns, did, after) SELECT ${literal(ns)}, 'inserted', after FROM put`,
  );
  return { ...seen, inserted: put.rowCount ?? 0, updated };
}

/** What the server refuses of a row, as people can use it: never the row itself. */
async function saying<T>({ ns }: Pair, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !/^23/.test(error.code ?? '')) throw error;
    const where = error.table === undefined ? ns : `${error.schema ?? 'public'}.${error.table}`;
    const foreign = error.code === '23503';
    throw new HoldfastError('ValidationFailed', `${where}: ${foreign ? `foreign key ${error.constraint ?? ''} would not hold` : `${withoutValues(error)}${error.constraint ? ` (${error.constraint})` : ''}`}; nothing was written`, {
      hint: foreign ? 'what its rows refer to is missing, too: choose that table beside it' : 'rows that came since stand in the way: look at them, or leave the table out',
      cause: error,
    });
  }
}
