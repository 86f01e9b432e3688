import pg from 'pg';
import type { Commanded, TargetRef } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../../context.ts';
import { ask, sourcePlace, withClient } from '../connect.ts';
import { inOrderOfKeys, listKeyed, type KeyedTable } from './keyed-tables.ts';
import { isThere, keptIn, oneAtATime } from './put-rows.ts';

const { escapeLiteral: literal } = pg;

/**
 * Undo of `restoreRows`: of what is kept, rows that are still as it left them are taken out again, or are as they were before; what somebody has written to since stays, and stays
 * kept. One transaction; without anything that is kept there is nothing to undo, so a second time does nothing.
 */
export async function removeRows(context: SourceContext, { target }: Commanded & { target: TargetRef }): Promise<{ summary: string }> {
  const kept = keptIn(target.run);
  return await withClient(context, await sourcePlace(context), async (living) => {
    await oneAtATime(living, target.run);
    await living.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    if (!(await isThere(living, kept))) {
      await living.query('ROLLBACK');
      return { summary: 'nothing was put back' };
    }
    await living.query('SET CONSTRAINTS ALL DEFERRED');
    const names = (await living.query<{ ns: string }>(`SELECT DISTINCT ns FROM ${kept} WHERE ns IS NOT NULL`)).rows.map(({ ns }) => ns);
    const tables = (await inOrderOfKeys(living, await listKeyed(living))).filter(({ ns }) => names.includes(ns)).reverse();
    let undone = 0;
    for (const table of tables) undone += await undoTable(living, kept, table);
    await living.query('SET CONSTRAINTS ALL IMMEDIATE').catch((error: unknown) => {
      throw error instanceof pg.DatabaseError && error.code === '23503' ? referred(error) : error;
    });
    const left = Number(await ask<string>(living, `SELECT count(*)::text FROM ${kept} WHERE did IN ('inserted', 'updated')`));
    // Who puts them back once more must not be told that it was done.
    await living.query(left === 0 ? `DROP TABLE ${kept}` : `DELETE FROM ${kept} WHERE did = 'result'`);
    await living.query('COMMIT');
    const said = `${undone} rows are as they were before`;
    return { summary: left === 0 ? said : `${said}; ${left} that somebody has written to since were left, and are named in ${kept.replaceAll('"', '')}` };
  });
}

const referred = (error: pg.DatabaseError): HoldfastError =>
  new HoldfastError('ValidationFailed', `${error.schema ?? ''}.${error.table ?? ''}: what was put back is referred to by rows that came since (${error.constraint ?? 'a foreign key'}), and cannot be taken out again; nothing was changed`, {
    hint: 'leave it as it is: skip this undo with a reason',
    cause: error,
  });

async function undoTable(living: pg.Client, kept: string, { ns, sql, key, columns, generatedAlways }: KeyedTable): Promise<number> {
  const of = (row: string): string => key.map((column) => `l.${column} = ${row}.${column}`).join(' AND ');
  try {
    const removed = await living.query(
      `WITH gone AS (DELETE FROM ONLY ${sql} l USING ${kept} k, LATERAL (SELECT (k.after::${sql}).*) a WHERE k.ns = ${literal(ns)} AND k.did = 'inserted' AND ${of('a')} AND l::${sql}::text = k.after RETURNING k.after)
       DELETE FROM ${kept} k USING gone WHERE k.ns = ${literal(ns)} AND k.did = 'inserted' AND k.after = gone.after`,
    );
    const set = columns.filter((column) => !key.includes(column) && !generatedAlways.includes(column));
    if (set.length === 0) return removed.rowCount ?? 0;
    const back = await living.query(
      `WITH back AS (UPDATE ONLY ${sql} l SET ${set.map((column) => `${column} = b.${column}`).join(', ')} FROM ${kept} k, LATERAL (SELECT (k.before::${sql}).*) b WHERE k.ns = ${literal(ns)} AND k.did = 'updated' AND ${of('b')} AND l::${sql}::text = k.after RETURNING k.before)
       DELETE FROM ${kept} k USING back WHERE k.ns = ${literal(ns)} AND k.did = 'updated' AND k.before = back.before`,
    );
    return (removed.rowCount ?? 0) + (back.rowCount ?? 0);
  } catch (error) {
    throw error instanceof pg.DatabaseError && error.code === '23503' ? referred(error) : error;
  }
}
