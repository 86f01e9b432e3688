import type pg from 'pg';
import type { TargetRef, ValidationResult } from '../../../workflows/contract.ts';
import type { Contents } from '../../../workflows/domain/contents.ts';
import { describePartial } from '../../../workflows/domain/chosen-namespaces.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { firstOf } from '../../../workflows/domain/first-of.ts';
import type { LogPosition } from '../../../workflows/domain/log-position.ts';
import type { Unit } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { askTarget } from './ask-in-sql.ts';
import { openBase, type BaseContents } from './base-contents.ts';
import { largeObjects, listMaterializedViews, listSequences, listTables, notEmpty } from './catalogue.ts';
import { compareDefinitions } from './compare-definitions.ts';
import { targetPlace, withClient, type Place } from './connect.ts';
import { CopiedRows } from './copy-rows.ts';
import { copyOut } from './copy.ts';
import { globalsOf } from './globals.ts';
import { inSessions } from './in-sessions.ts';
import { tableDetail } from './plan.ts';
import { wantedContents, wantedUnits } from './contents.ts';
import { RowSum } from './row-sum.ts';

type Compared = Omit<ValidationResult, 'id' | 'effect'>;

/**
 * Runs one validator of the system file on the target. Only reads; safe to repeat.
 * A validator that finds something returns `ok: false`: whether that stops the run is its `effect`.
 * @throws BadInput - there is no such validator.
 */
export async function validateTarget(context: SourceContext, input: { target: TargetRef; point: RecoveryPoint; limit: LogPosition; validator: string }): Promise<ValidationResult> {
  const validator = context.system.validators.find(({ id }) => id === input.validator);
  if (!validator) throw new HoldfastError('BadInput', `${context.system.system} has no validator "${input.validator}"`, { hint: `known: ${context.system.validators.map(({ id }) => id).join(', ')}` });
  if (validator.uses !== 'equality' && validator.uses !== 'sql') throw new HoldfastError('Unsupported', `validator "${validator.id}" uses ${validator.uses}, which a source of the engine "postgres" has not`);
  return { id: validator.id, effect: validator.effect, ...(validator.uses === 'sql' ? await askTarget(context, input, validator) : await proveEquality(context, input)) };
}

const listed = 500;

/**
 * Compares the target with what the base says of it: every row of every table, by count and Σ SHA-256 of its text, what sequences hand out next, which
 * views are filled, and every definition, by what pg_dump says of it on either side. What is expected comes from the bucket alone.
 */
async function proveEquality(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<Compared> {
  const base = await openBase(context, point);
  const place = await targetPlace(context, target);
  const contents = wantedContents(context);
  const chosen = wantedUnits(context, base.manifest, point);
  const tables = chosen.filter(({ kind }) => kind === 'table');
  const large = chosen.filter(({ kind }) => kind === largeObjects);
  const problems: string[] = [];
  const present = await withClient(context, place, async (client) => {
    const found = new Map((await listTables(client)).map((table) => [table.sql, table]));
    for (const { name } of tables) if (!found.has(name)) problems.push(`${name}: is missing`);
    const known = new Set(tables.map(({ name }) => name));
    // Of what the system file excludes the table is there, and empty.
    const stray = contents === 'rows' ? [] : [...found.values()].filter(({ sql, bytes }) => !known.has(sql) && bytes > 0);
    for (const { sql } of await notEmpty(client, stray)) problems.push(`${sql}: holds rows, and none are in the base`);
    if (contents !== 'definitions') problems.push(...(await compareSequences(client, base)), ...(point.only ? [] : await compareRest(client, base, contents)));
    return [...tables.filter(({ name }) => found.has(name)), ...large];
  });
  const collections = await sumTables(context, place, present);
  for (const { ns, count, expectedCount, hashEqual } of collections) {
    if (!hashEqual) problems.push(`${ns}: ${count} rows, expected ${expectedCount}${count === expectedCount ? ', and their bytes differ' : ''}`);
  }
  // A part of the tables may lack what their neighbours' rows would have to be there for.
  const definitions = point.only || contents === 'rows' ? { problems: [], claim: 'no definitions' } : await compareDefinitions(context, place, base);
  problems.push(...definitions.problems);
  const ordered = collections.sort((a, b) => Number(a.hashEqual) - Number(b.hashEqual) || (a.ns < b.ns ? -1 : 1));
  return {
    ok: problems.length === 0,
    claim: contents === 'definitions' ? `definitions alone, no row was restored: equal to the base: ${definitions.claim}` : `${point.only ? `${describePartial(point.only.patterns)}; ` : ''}${contents === 'rows' ? 'rows alone; ' : ''}equal to the base: ${tables.length} tables by count and SHA-256 of every row, ${globalsOf(base.globals, 'sequence').length} sequences by what they hand out next, ${large.length > 0 ? 'large objects by count and SHA-256 of every page, ' : ''}${definitions.claim}`,
    problems: firstOf(problems, listed, (more) => `and ${more} more`),
    collections: ordered.slice(0, listed),
    collectionCount: collections.length,
  };
}

async function compareSequences(client: pg.Client, { globals }: BaseContents): Promise<string[]> {
  const problems: string[] = [];
  const sequences = new Map((await listSequences(client)).map((sequence) => [sequence.sql, sequence]));
  for (const { sql, lastValue, isCalled } of globalsOf(globals, 'sequence')) {
    const found = sequences.get(sql);
    if (!found) problems.push(`sequence ${sql}: is missing`);
    else if (found.lastValue !== lastValue || found.isCalled !== isCalled) problems.push(`sequence ${sql}: is at ${found.lastValue}, expected ${lastValue}`);
  }
  return problems;
}

async function compareRest(client: pg.Client, { globals }: BaseContents, contents: Contents): Promise<string[]> {
  const problems: string[] = [];
  const { rows } = await client.query<{ oid: string }>('SELECT oid::text FROM pg_largeobject_metadata');
  const numbers = new Set(rows.map(({ oid }) => oid));
  const objects = globalsOf(globals, 'large-object').map(({ oid }) => oid);
  if (rows.length !== objects.length || !objects.every((oid) => numbers.has(oid))) problems.push(`${rows.length} large objects, expected ${objects.length}${rows.length === objects.length ? ' of other numbers' : ''}`);
  const views = new Map((await listMaterializedViews(client)).map((view) => [view.sql, view]));
  for (const { sql, filled } of globalsOf(globals, 'view')) {
    const found = views.get(sql);
    if (!found && contents === 'all') problems.push(`materialized view ${sql}: is missing`);
    else if (filled && found?.filled === false) problems.push(`materialized view ${sql}: is not filled`);
  }
  return problems;
}

async function sumTables(context: SourceContext, place: Place, tables: readonly Unit[]): Promise<Compared['collections']> {
  const collections: Compared['collections'] = [];
  const of = tables.reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  let done = 0;
  await inSessions(context, place, largestFirst(tables), async (client, unit) => {
    const sum = await sumTable(client, unit, (bytes) => context.progress({ phase: 'compare', done: (done += bytes), of, unit: 'bytes', pieces: collections.length }));
    collections.push({ ns: unit.name, count: sum.rows, expectedCount: unit.documents, hashEqual: sum.hex() === unit.hashSum && sum.rows === unit.documents, note: null });
  });
  return collections;
}

const largestFirst = (units: readonly Unit[]): Unit[] => [...units].sort((a, b) => b.plainBytes - a.plainBytes);

async function sumTable(client: pg.Client, unit: Unit, advance: (bytes: number) => void): Promise<RowSum> {
  const sum = new RowSum();
  for await (const chunk of CopiedRows.of(client, copyOut(unit.name, tableDetail(unit.detail), undefined))) {
    sum.add(chunk);
    advance(chunk.length);
  }
  sum.end();
  return sum;
}
