import type pg from 'pg';
import type { TargetRef } from '../../../../workflows/contract.ts';
import { comparedAtMost, type ComparedTable, type Comparison } from '../../../../workflows/domain/comparison.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../../context.ts';
import { ask, sourcePlace, targetPlace, withClient } from '../connect.ts';
import { readLargeObjects } from '../large-objects.ts';
import { keptSchema, listKeyed, textOf, type KeyedTable } from './keyed-tables.ts';
import { differences, schemaOf } from './schema-of.ts';

/** So many rows are fetched at once. */
const fetched = 2_000;

/**
 * Holds what was restored against what lives: the definitions of both, then table by table all rows, in the order of their keys, side by side, so that memory does not grow with
 * them. Each side is read at one moment, in a transaction that only reads. Safe to repeat.
 */
export async function compareTarget(context: SourceContext, { target, tables: only }: { target: TargetRef; tables?: readonly string[] | undefined }): Promise<Comparison> {
  return await withClient(context, await targetPlace(context, target), async (restored) =>
    await withClient(context, await sourcePlace(context), async (living) => {
      for (const client of [restored, living]) await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const [then, now] = [await listKeyed(restored, only), await listKeyed(living, only)];
      const isOf = (of: string | null): boolean => (of === null ? !only : !of.startsWith(`${keptSchema}.`)) && (!only || [...then, ...now].some(({ ns }) => ns === of));
      const schema = differences((await schemaOf(restored)).filter(({ of }) => isOf(of)), (await schemaOf(living)).filter(({ of }) => isOf(of)));
      const { tables, rows } = await compareTables(context, { restored, living }, then, now);
      // Of no table: who chose some did not choose these. Last, since a refusal ends the transaction.
      if (!only) tables.push(...(await compareLargeObjects({ restored, living })));
      for (const client of [restored, living]) await client.query('COMMIT');
      const differing = tables.filter(differs);
      return { schema: schema.slice(0, comparedAtMost), schemaCount: schema.length, tables: differing.slice(0, comparedAtMost), differing: differing.length, tableCount: tables.length, rows };
    }),
  );
}

const differs = ({ restored, living, missingInLiving, missingInRestored, changed, note }: ComparedTable): boolean =>
  restored === null || living === null || note !== null || missingInLiving === null || missingInLiving + (missingInRestored ?? 0) + (changed ?? 0) > 0;

interface Sides {
  restored: pg.Client;
  living: pg.Client;
}

async function compareTables(context: SourceContext, sides: Sides, then: readonly KeyedTable[], now: readonly KeyedTable[]): Promise<{ tables: ComparedTable[]; rows: number }> {
  const names = [...new Set([...then, ...now].map(({ ns }) => ns))].sort();
  const tables: ComparedTable[] = [];
  let rows = 0;
  for (const name of names) {
    const [before, after] = [then.find(({ ns }) => ns === name), now.find(({ ns }) => ns === name)];
    const compared = before && after ? await compareTable(context, sides, before, after) : await countAlone(sides, name, before, after);
    tables.push(compared);
    rows += (compared.restored ?? 0) + (compared.living ?? 0);
    context.progress({ phase: 'compare', done: tables.length, of: names.length, unit: 'objects' });
  }
  return { tables, rows };
}

const countOf = async (client: pg.Client, { sql }: KeyedTable): Promise<number> => Number(await ask<string>(client, `SELECT count(*)::text FROM ONLY ${sql}`));

async function countAlone({ restored, living }: Sides, ns: string, before: KeyedTable | undefined, after: KeyedTable | undefined): Promise<ComparedTable> {
  return { ns, restored: before ? await countOf(restored, before) : null, living: after ? await countOf(living, after) : null, missingInLiving: null, missingInRestored: null, changed: null, note: null };
}

async function compareTable(context: SourceContext, sides: Sides, before: KeyedTable, after: KeyedTable): Promise<ComparedTable> {
  const counts = async (note: string): Promise<ComparedTable> => ({ ...(await countAlone(sides, before.ns, before, after)), note });
  if (before.key.length === 0 || after.key.length === 0) return await counts('it has no primary key');
  if (before.key.join() !== after.key.join()) return await counts(`its primary key was ${before.key.join(', ')} and is ${after.key.join(', ')}`);
  const columns = before.columns.filter((column) => after.columns.includes(column));
  const otherwise = columns.length === before.columns.length && columns.length === after.columns.length ? null : `its columns differ, and ${columns.length} that both have were compared`;
  const found = { ns: before.ns, restored: 0, living: 0, missingInLiving: 0, missingInRestored: 0, changed: 0, note: otherwise };
  const [then, now] = [new Rows(sides.restored, before, columns), new Rows(sides.living, after, columns)];
  let [a, b] = [await then.next(), await now.next()];
  while (a || b) {
    context.signal.throwIfAborted();
    const order = !a ? 1 : !b ? -1 : Buffer.compare(a.key, b.key);
    if (order <= 0) found.restored += 1;
    if (order >= 0) found.living += 1;
    if (order < 0) found.missingInLiving += 1;
    else if (order > 0) found.missingInRestored += 1;
    else if (a!.digest !== b!.digest) found.changed += 1;
    if (order <= 0) a = await then.next();
    if (order >= 0) b = await now.next();
  }
  return found;
}

/** As a table of all of them, by their numbers; nothing where neither side has any. */
async function compareLargeObjects(sides: Sides): Promise<ComparedTable[]> {
  const [restored, living] = [await countObjects(sides.restored), await countObjects(sides.living)];
  if (restored + living === 0) return [];
  const found = { ns: 'large objects', restored, living, note: null };
  const [then, now] = [await contentsOf(sides.restored), await contentsOf(sides.living)];
  if (!then || !now) return [{ ...found, missingInLiving: null, missingInRestored: null, changed: null, note: `the user of the ${then ? 'living' : 'restored'} database may not read them` }];
  const count = (of: Map<string, string>, other: Map<string, string>, counts: (mine: string, theirs: string | undefined) => boolean): number => [...of].filter(([oid, content]) => counts(content, other.get(oid))).length;
  return [{
    ...found,
    missingInLiving: count(then, now, (_, theirs) => theirs === undefined),
    missingInRestored: count(now, then, (_, theirs) => theirs === undefined),
    changed: count(then, now, (mine, theirs) => theirs !== undefined && theirs !== mine),
  }];
}

const countObjects = async (client: pg.Client): Promise<number> => Number(await ask<string>(client, 'SELECT count(*)::text FROM pg_catalog.pg_largeobject_metadata'));

/** By number; undefined: the user may not read one of them. */
async function contentsOf(client: pg.Client): Promise<Map<string, string> | undefined> {
  const contents = new Map<string, string>();
  try {
    for await (const some of readLargeObjects(client)) for (const { oid, bytes, hash } of some) contents.set(oid, `${bytes} ${hash}`);
    return contents;
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return undefined;
    throw error;
  }
}

interface Row {
  key: Buffer;
  digest: string;
}

/** A table's rows by their keys, in the order of the keys' bytes: the same on any server, whatever it sorts texts by. */
class Rows {
  readonly #client: pg.Client;
  readonly #table: KeyedTable;
  readonly #columns: readonly string[];
  #batch: [Buffer, string][] = [];
  #at = 0;
  #state: 'closed' | 'open' | 'over' = 'closed';
  #last: Buffer | undefined;

  constructor(client: pg.Client, table: KeyedTable, columns: readonly string[]) {
    this.#client = client;
    this.#table = table;
    this.#columns = columns;
  }

  async next(): Promise<Row | undefined> {
    if (this.#at === this.#batch.length && this.#state !== 'over') await this.#fetch();
    const row = this.#batch[this.#at++];
    if (!row) return undefined;
    const [key, digest] = row;
    if (this.#last && Buffer.compare(this.#last, key) >= 0) throw new HoldfastError('ValidationFailed', `${this.#table.ns}: its server gives keys out of their order, or twice`);
    this.#last = key;
    return { key, digest };
  }

  async #fetch(): Promise<void> {
    const { sql, key } = this.#table;
    if (this.#state === 'closed') {
      await this.#client.query(`DECLARE rows NO SCROLL CURSOR FOR SELECT pg_catalog.convert_to(${textOf(key)}, 'UTF8'), pg_catalog.md5(${textOf(this.#columns)}) FROM ONLY ${sql} ORDER BY 1`);
      this.#state = 'open';
    }
    const { rows } = await this.#client.query<[Buffer, string]>({ text: `FETCH FORWARD ${fetched} FROM rows`, rowMode: 'array' });
    [this.#batch, this.#at] = [rows, 0];
    if (rows.length > 0) return;
    await this.#client.query('CLOSE rows');
    this.#state = 'over';
  }
}
