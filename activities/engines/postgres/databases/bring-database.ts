import pg from 'pg';
import type { Commanded, TargetRef } from '../../../../workflows/contract.ts';
import { copyName, keptName, type CopiedCollection } from '../../../../workflows/domain/beside.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../../context.ts';
import { addHashSums } from '../../base/hash-sum.ts';
import { sourceEnvironment } from '../../base/source-environment.ts';
import { findPostgresProgram } from '../../../tool/find-postgres.ts';
import type { ProgramSpec } from '../../tool/program-spec.ts';
import { feed, outputOf, runProgram } from '../../tool/run-program.ts';
import { listSequences, listTables } from '../catalogue.ts';
import { ask, libpqVariables, sourcePlace, targetPlace, withClient, withOtherDatabase, type Place } from '../connect.ts';
import { controlSchema } from '../control.ts';
import { CopiedRows } from '../copy-rows.ts';
import { copyOut } from '../copy.ts';
import { globalsOf, readGlobals, type Global } from '../globals.ts';
import { readLargeObjects, sumOf, type LargeObject } from '../large-objects.ts';
import { finishDatabase, makeDatabase } from '../make-database.ts';
import { RowSum } from '../row-sum.ts';
import { differences, schemaOf, type Definition } from '../rows/schema-of.ts';
import { readServerFacts } from '../server-facts.ts';
import { TargetDisk } from '../target-disk.ts';

const { escapeIdentifier: quoted } = pg;

/** Longest name of a database, in bytes of its text. */
const longestName = 63;

export const oidOf = async (client: pg.Client, name: string): Promise<string | null> => (await client.query<{ oid: string }>('SELECT oid::text FROM pg_catalog.pg_database WHERE datname = $1', [name])).rows[0]?.oid ?? null;

/**
 * The database that this run brings into the living server: its own, whole. Looks there whether it could.
 * @throws Unsupported - it lives on its standby, or its name leaves no room for the run's. TargetNotEmpty - the names that the run would give are taken. NotPermitted - its user may not make or rename databases, or end sessions.
 */
export async function nameCopies(context: SourceContext, { run, mode }: { point: RecoveryPoint; run: string; mode: 'beside' | 'swap' }): Promise<string[]> {
  const lives = await sourceEnvironment(context);
  if (lives !== context.source.environment) throw new HoldfastError('Unsupported', `${context.sourceName} lives in ${lives}: mode ${mode} brings it to ${context.source.environment}`, { hint: 'bring it home first' });
  const place = await sourcePlace(context);
  const { database } = place.address;
  const names = [copyName(database, run), ...(mode === 'swap' ? [keptName(database, run)] : [])];
  for (const name of names) if (Buffer.byteLength(name) > longestName) throw new HoldfastError('Unsupported', `database ${database} would be called ${name} beside itself, and a name has ${longestName} bytes at most`);
  await withOtherDatabase(context, place, async (client) => {
    for (const name of names) if ((await oidOf(client, name)) !== null) throw new HoldfastError('TargetNotEmpty', `database ${name} is there already`, { hint: 'rename or drop it, then retry' });
    const { rows } = await client.query<{ may: boolean; owns: boolean; ends: boolean }>(
      `SELECT r.rolsuper OR r.rolcreatedb AS may, pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE') AS ends, r.rolsuper OR COALESCE((SELECT pg_catalog.pg_has_role(r.oid, d.datdba, 'MEMBER') FROM pg_catalog.pg_database d WHERE d.datname = $1), true) AS owns FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER`,
      [database],
    );
    const { may, owns, ends } = rows[0]!;
    if (!may) throw new HoldfastError('NotPermitted', `the user ${place.user} may make no databases`, { hint: `ALTER ROLE ${place.user} CREATEDB` });
    if (mode === 'swap' && !owns) throw new HoldfastError('NotPermitted', `the user ${place.user} may not rename database ${database}: it is another's`, { hint: `GRANT its owner TO ${place.user}, or let a superuser do it` });
    if (mode === 'swap' && !ends) throw new HoldfastError('NotPermitted', `the user ${place.user} may not send away who is in database ${database}`, { hint: `GRANT pg_signal_backend TO ${place.user}` });
  });
  return [database];
}

/**
 * Copies what was restored and proved on the run's own server into the living one, under a name of its own: pg_dump into pg_restore, nothing in between. Then both are read back: count and
 * Σ SHA-256 of the rows of every table, every definition, where each sequence stands, and the contents of every large object.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before the database is made | nothing | makes it |
 * | in its middle | a database that is not equal | drops it, and copies again: the name carries the run |
 * | after it | one that is equal | adopts it, and gives it grants and settings |
 *
 * @throws ValidationFailed - the copy is not what was restored. ToolFailed - a program; says what of it.
 */
export async function copyBeside(context: SourceContext, { target, point }: { target: TargetRef; point: RecoveryPoint }): Promise<{ copies: CopiedCollection[] }> {
  const [from, living] = [await targetPlace(context, target), await sourcePlace(context)];
  const copies: CopiedCollection[] = [];
  for (const name of point.copies ?? []) {
    const as = copyName(name, target.run);
    const globals = await globalsFor(context, from, living, name);
    const there = await withOtherDatabase(context, living, async (client) => (await oidOf(client, as)) !== null);
    let proof = there ? await prove(context, from, living, as) : undefined;
    if (!proof || !('copied' in proof)) {
      await bring(context, from, living, { as, globals });
      proof = await prove(context, from, living, as);
    }
    if (!('copied' in proof)) throw new HoldfastError('ValidationFailed', `${as} is not what was restored: ${proof.problems.slice(0, 5).join('; ')}`, { hint: 'retry: it is made anew' });
    // Also of one that is adopted: what was killed before this left it open to everybody. And not before: a limit, or a setting, may be in the way of what fills it.
    await withOtherDatabase(context, living, async (client) => await finishDatabase(client, as, globals));
    copies.push({ ns: name, as, ...proof.copied, expiries: [] });
  }
  return { copies };
}

/** What the copy is made as: what lives, where that is there still, so that whoever may use it may use what takes its place. */
async function globalsFor(context: SourceContext, from: Place, living: Place, name: string): Promise<Global[]> {
  const lives = await withOtherDatabase(context, living, async (client) => (await oidOf(client, name)) !== null);
  return await withClient(context, lives ? living : from, readGlobals);
}

/** @throws Unsupported - the living server is older than what was restored: it may not read what a newer one writes. TargetFull - its disk has no room, where that can be seen. */
async function bring(context: SourceContext, from: Place, living: Place, { as, globals }: { as: string; globals: readonly Global[] }): Promise<void> {
  const [restored, of] = await withClient(context, from, async (client) => [await readServerFacts(client), Number(await ask<string>(client, 'SELECT pg_catalog.pg_database_size(current_database())::text'))] as const);
  const newest = await withOtherDatabase(context, living, async (client) => {
    const { major, version } = await readServerFacts(client);
    if (major < restored.major) throw new HoldfastError('Unsupported', `the living server runs PostgreSQL ${version}, and what was restored ${restored.version}`, { hint: `restore on a server of version ${major}` });
    await client.query(`DROP DATABASE IF EXISTS ${quoted(as)} WITH (FORCE)`);
    await (await TargetDisk.find(client, living))?.requireFor(of, `the copy ${as}`);
    await makeDatabase(client, as, globalsOf(globals, 'database')[0]!);
    return major;
  });
  const program = async (name: 'pg_dump' | 'pg_restore', place: Place, args: string[]): Promise<ProgramSpec> => ({ name, path: (await findPostgresProgram(name, newest)).path, args, ...libpqVariables(place), files: {} });
  const dump = await program('pg_dump', from, ['--format=custom', '--compress=0', '--encoding=UTF8', '--no-password', '--lock-wait-timeout=30s', `--exclude-schema=${controlSchema}`]);
  const load = await program('pg_restore', living, ['--exit-on-error', '--no-password', `--dbname=${connectionName(as)}`]);
  let done = 0;
  await runProgram(context, dump, async (dumping) => {
    dumping.stdin.end();
    await runProgram(context, load, async (loading) => {
      for await (const chunk of outputOf(dumping, dump)) {
        await feed(loading, load, chunk, context.signal);
        context.progress({ phase: 'copy beside', done: (done += chunk.length), of: Math.max(of, done), unit: 'bytes' });
      }
      loading.stdin.end();
    });
  });
}

/** A name alone may be read as a connection string; this cannot be read as anything else. */
const connectionName = (database: string): string => `dbname='${database.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

type Copied = Pick<CopiedCollection, 'documents' | 'bytes' | 'hashSum'>;
type Sums = Map<string, { rows: number; hash: string }>;

interface Whole {
  schema: Definition[];
  sums: Sums;
  /** what is no row and no definition: where each sequence stands, what each large object holds */
  others: Definition[];
  copied: Copied;
}

/** Both sides, whole. */
async function prove(context: SourceContext, from: Place, living: Place, as: string): Promise<{ copied: Copied } | { problems: string[] }> {
  const [restored, copy] = [await readWhole(context, from), await readWhole(context, living, as)];
  const problems = [
    ...differences(restored.schema.map(ofAnyVersion), copy.schema.map(ofAnyVersion)),
    ...differences(restored.others, copy.others),
    ...[...new Set([...restored.sums.keys(), ...copy.sums.keys()])].flatMap((table) => {
      const [then, now] = [restored.sums.get(table), copy.sums.get(table)];
      return then && now && then.rows === now.rows && then.hash === now.hash ? [] : [`${table}: ${now ? `${now.rows} rows` : 'is not there'}, restored ${then ? `${then.rows}` : 'none'}`];
    }),
  ];
  return problems.length > 0 ? { problems } : { copied: copy.copied };
}

/** An extension is made at the version that its server has. */
const ofAnyVersion = (definition: Definition): Definition => (definition.name.startsWith('extension ') ? { ...definition, text: '' } : definition);

async function readOthers(client: pg.Client, objects: readonly LargeObject[]): Promise<Definition[]> {
  const sequences = (await listSequences(client)).map(({ sql, lastValue, isCalled }) => ({ name: `sequence ${sql}`, text: `${lastValue}${isCalled ? '' : ', not handed out'}`, of: null }));
  return [...sequences, ...objects.map(({ oid, bytes, hash }) => ({ name: `large object ${oid}`, text: `${bytes} bytes, SHA-256 ${hash}`, of: null }))];
}

async function readWhole(context: SourceContext, place: Place, database?: string): Promise<Whole> {
  return await withClient(context, place, async (client) => {
    const sums: Sums = new Map();
    const tables = await listTables(client);
    const of = tables.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    for (const { sql, columns, condition } of tables) {
      const sum = new RowSum();
      for await (const chunk of CopiedRows.of(client, copyOut(sql, { columns, condition }, undefined))) {
        sum.add(chunk);
        context.progress({ phase: 'prove the copy', done: (done += chunk.length), of: Math.max(of, done), unit: 'bytes' });
      }
      sum.end();
      sums.set(sql, { rows: sum.rows, hash: sum.hex() });
    }
    const objects: LargeObject[] = [];
    for await (const some of readLargeObjects(client)) {
      objects.push(...some);
      context.progress({ phase: 'prove the copy: large objects', done: objects.length, of: 0, unit: 'objects' });
    }
    const bytes = Number(await ask<string>(client, 'SELECT pg_catalog.pg_database_size(current_database())::text'));
    const all = [...sums.values()];
    return { schema: await schemaOf(client), sums, others: await readOthers(client, objects), copied: { documents: all.reduce((total, { rows }) => total + rows, 0), bytes, hashSum: addHashSums([...all.map(({ hash }) => hash), ...objects.map(sumOf)]) } };
  }, database === undefined ? {} : { database });
}

/** Undo of `copyBeside`: drops the run's copies. One that is not what was copied any more holds what somebody wrote since, and is left. Safe to repeat. */
export async function dropCopies(context: SourceContext, { target, names, copied }: Commanded & { target: TargetRef; names: readonly string[]; copied: readonly CopiedCollection[] }): Promise<{ summary: string }> {
  const living = await sourcePlace(context);
  const left: string[] = [];
  let dropped = 0;
  for (const name of names) {
    const as = copyName(name, target.run);
    if (!(await withOtherDatabase(context, living, async (client) => (await oidOf(client, as)) !== null))) continue;
    const was = copied.find((copy) => copy.as === as);
    if (was && (await readWhole(context, living, as)).copied.hashSum !== was.hashSum) {
      left.push(as);
      continue;
    }
    await withOtherDatabase(context, living, async (client) => void (await client.query(`DROP DATABASE IF EXISTS ${quoted(as)} WITH (FORCE)`)));
    dropped += 1;
  }
  return { summary: `${dropped} copies of run ${target.run} were dropped${left.length > 0 ? `; left, since somebody wrote into them: ${left.join(', ')}` : ''}` };
}
