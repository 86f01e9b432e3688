import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { postgresEngine } from '../../../../activities/engines/postgres/index.ts';
import { readSection, sectionAsSql } from '../../../../activities/engines/postgres/archive-entries.ts';
import { openBase } from '../../../../activities/engines/postgres/base-contents.ts';
import { CopiedRows } from '../../../../activities/engines/postgres/copy-rows.ts';
import { RowSum } from '../../../../activities/engines/postgres/row-sum.ts';
import { targetPlace, withOtherDatabase } from '../../../../activities/engines/postgres/connect.ts';
import { requireServer } from '../../../../activities/engines/postgres/make-database.ts';
import { maskTarget } from '../../../../activities/engines/postgres/rows/mask-target.ts';
import { planRecovery } from '../../../../activities/plan/plan-recovery.ts';
import { publishExport } from '../../../../activities/exchange/publish-export.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { rebuildCatalog } from '../../../../activities/store/read-catalog.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { giveTo } from '../../../../activities/tool/server-account.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import type { BackupSummary, TargetRef, ValidationResult } from '../../../../workflows/contract.ts';
import { backUpPostgres, database, hold, newBackup, noSessions, pgPoint, pgRef, pgTarget, planInput, postgresPlace, restorePostgres, validatePostgres, type PostgresPlace } from '../../../harness/postgres-place.ts';
import { openerProgram, openerPython } from '../../../harness/opener.ts';
import { postgresMissing, startPostgres, type Postgres } from '../../../harness/postgres.ts';
import type { Owner } from '../../../harness/cleanup.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { until } from '../../../harness/until.ts';
import { lookAt, oddDatabase } from './odd-database.ts';

const skip = await postgresMissing();
const restored = `${database}_dr`;

/** One that is called `odd Tä`, on a server. */
async function tablespace(t: Owner, { account, query }: Postgres): Promise<void> {
  const directory = tempDir(t, 'holdfast-tablespace-');
  giveTo(account, directory);
  await query(`CREATE TABLESPACE "odd Tä" LOCATION '${directory}'`);
}

test('a database of every kind of thing comes back as it was at the snapshot, and a difference is seen and named', { skip, timeout: 120_000 }, async (t) => {
  const place = await postgresPlace(t);
  const { source, target } = place;
  mkdirSync(join(place.directory, 'exchange'), { mode: 0o700 });
  place.change((file) => void (file.exchange = { directories: [join(place.directory, 'exchange')] }));
  await source.query(oddDatabase, [], database);
  await tablespace(t, source);
  await source.query(`CREATE TABLE public.far (id int PRIMARY KEY USING INDEX TABLESPACE "odd Tä") TABLESPACE "odd Tä"; INSERT INTO public.far SELECT generate_series(1, 99)`, [], database);
  const before = await lookAt(source, database);
  const context = await place.open();

  const summary = await backUpPostgres(place, {
    // What comes after the snapshot is in no table of the base, and what an old snapshot cannot see does not happen meanwhile.
    meanwhile: async () => {
      await source.query(`INSERT INTO public.animals VALUES ('late', 0); UPDATE public.parts SET amount = -1 WHERE id < 300; DELETE FROM public.secrets`, [], database);
      await assert.rejects(source.query(`SET lock_timeout = '50ms'; TRUNCATE public.parts_rest`, [], database), /lock timeout/);
    },
  });
  await noSessions(source);
  assert.deepEqual(summary.unproved, []);
  assert.equal(summary.end, summary.logFrom);
  const { bases } = await rebuildCatalog(context, pgRef);
  assert.equal(bases[0]!.exact, true, 'one moment, restorable without a log');

  // What the other server lacks is named before anything is made there.
  await assert.rejects(restorePostgres(context, summary), { type: 'Unsupported', message: /the target server has no tablespace odd Tä, in which public\.far, public\.far_pkey lies HINT: CREATE TABLESPACE there/ });
  await withOtherDatabase(context, await targetPlace(context, pgTarget), async (client) => {
    const base = { source: '17.1', target: { major: 17, version: '17.10' } };
    await assert.rejects(requireServer(client, [{ kind: 'extension', name: 'nobody_has_it', version: '1.0' }], base), { type: 'Unsupported', message: /has not these extensions: nobody_has_it/ });
    await assert.rejects(requireServer(client, [], { ...base, source: '18.1' }), { type: 'Unsupported', message: /the target runs PostgreSQL 17\.10, the base was made of 18\.1 HINT: restore to 18 or newer/ });
  });
  assert.deepEqual(await target.query('SELECT FROM pg_database WHERE datname = $1', [restored]), []);
  await tablespace(t, target);
  const built = await restorePostgres(context, summary);
  assert.deepEqual(built.failed, []);
  const after = await lookAt(target, restored);
  for (const [what, wanted] of Object.entries(before)) assert.deepEqual(after[what], wanted, what);
  assert.equal((await target.query(`SELECT FROM holdfast_restore.done WHERE what LIKE 'indexes of %'`, [], restored)).length, 1, 'small tables share a transaction');
  assert.deepEqual(await target.query(`SELECT DISTINCT relname::text AS never FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND reltuples < 0 AND relname IN ('orders', 'parts', 'parts_rest', 'totals')`, [], restored), [], 'statistics of every kind of table');
  assert.deepEqual(await target.query('SELECT relispopulated FROM pg_class WHERE relname = $1', ['unfilled'], restored), [{ relispopulated: false }]);

  const well = await validatePostgres(context, summary);
  assert.deepEqual(well.problems, []);
  assert.match(well.claim, /^equal to the base: \d+ tables by count and SHA-256 of every row, 4 sequences by what they hand out next, large objects by count and SHA-256 of every page, \d+ definitions by name, \d+ of them word for word$/);
  assert.equal(well.collections.length, 14, well.collections.map(({ ns }) => ns).join());

  // Questions of the system file, by the database's own search path, of what was restored.
  const ask = async (statement: string, expected: object): Promise<ValidationResult> => {
    place.change((file) => void (file.validators = [{ id: 'asked', uses: 'sql', source: 'ledger', statement, ...expected }]));
    return await postgresEngine.validateTarget(await place.open(), { target: pgTarget, point: pgPoint(summary), limit: pgPoint(summary).limit, validator: 'asked' });
  };
  const moment = Date.parse(pgPoint(summary).reachesAt) / 1000;
  for (const [statement, expected] of [
    ['SELECT count(*) FROM orders;', { equals: 50 }], ['SELECT count(*) FROM orders', { min: 1, max: 50 }], ['SELECT max(status) FROM orders -- as it was', { equals: 'new' }],
    ['SELECT NOT EXISTS (SELECT FROM orders WHERE animal NOT IN (SELECT name FROM animals))', { equals: true }], [`SELECT extract(epoch FROM current_setting('holdfast.moment')::timestamptz)`, { equals: moment }],
  ] as const) assert.deepEqual([(await ask(statement, expected)).problems, statement], [[], statement]);
  for (const [statement, expected, problem] of [
    ['SELECT count(*) FROM orders', { min: 51 }, /^it answers with 50, expected 51 at least$/],
    ['SELECT max(status) FROM orders', { equals: 'paid' }, /^it answers with another text, expected the text that is expected$/],
    ['SELECT true', { equals: false }, /^it answers with true, expected false$/],
    ['SELECT max(id) FROM empty', { min: 0 }, /^it answers with nothing \(NULL\), expected 0 at least$/],
    ['SELECT id FROM orders', { min: 0 }, /more than one row, expected one$/],
    ['SELECT id FROM orders WHERE false', { min: 0 }, /no row, expected one$/],
    ['SELECT 1, 2', { min: 0 }, /2 columns, expected one$/],
    ['SELECT count(*) FROM nowhere', { min: 0 }, /^the server refuses the question: relation "nowhere" does not exist \(SQLSTATE 42P01\)$/],
    ['SELECT pg_sleep(60)', { equals: '', within: '200ms' }, /^no answer within 200ms$/],
    // It asks, and changes nothing.
    ['DELETE FROM orders RETURNING 1', { equals: 1 }, /SQLSTATE 42601/],
    ['SELECT 1; DROP TABLE public.orders', { equals: 1 }, /SQLSTATE 42601/],
    [`SELECT nextval('public.untouched')`, { equals: 42 }, /cannot execute nextval\(\) in a read-only transaction/],
  ] as const) {
    const answered = await ask(statement, expected);
    assert.equal(answered.ok, false, statement);
    assert.match(answered.problems.join(), problem, statement);
  }
  place.change((file) => void delete file.validators);

  const changes: [string, RegExp][] = [
    [`UPDATE public.secrets SET owner = 'x' WHERE id = 1`, /public\.secrets: 2 rows, expected 2, and their bytes differ/],
    [`DELETE FROM public.cats WHERE name = 'kit'`, /public\.cats: 1 rows, expected 2/],
    [`DROP INDEX public.totals_region_idx`, /1 definitions are missing: totals_region_idx; Type: INDEX/],
    [`CREATE TABLE public.stray (id int)`, /1 definitions are not the source’s: stray; Type: TABLE/],
    [`INSERT INTO public.stray VALUES (1)`, /public\.stray: holds rows, and none are in the base/],
    [`SELECT lo_put(54323, 3, 'x'), lo_unlink(54322)`, /2 large objects, expected 3/],
    [`SELECT 1`, /pg_catalog\.pg_largeobject: 8 rows, expected 8, and their bytes differ/],
    [`SELECT nextval('public.untouched')`, /sequence public\.untouched: is at 42/],
    [`REFRESH MATERIALIZED VIEW public.grand WITH NO DATA`, /materialized view public\.grand: is not filled/],
  ];
  for (const [sql] of changes) await target.query(sql, [], restored);
  const found = await validatePostgres(context, summary);
  assert.equal(found.ok, false);
  for (const [, problem] of changes) assert.match(found.problems.join('\n'), problem);

  await takesApart(context, summary);

  // The same base as a script for psql, into a third database.
  const path = join(place.directory, 'exchange', 'ledger.sql');
  const written = await postgresEngine.writeExport(context, { ...pgRef, path, form: 'archive', gzip: false, run: 'export-1', point: pgPoint(summary) });
  await publishExport(context, { path, run: 'export-1', partial: written.partial });
  assert.match(written.restoreCommand, /^psql .* --file=\S+ledger\.sql$/);
  await source.query('CREATE DATABASE by_psql');
  await source.run('psql', ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--dbname=by_psql', `--file=${path}`]);
  // A setting of the database is none of the script's.
  await source.query('ALTER DATABASE by_psql SET search_path = "odd ""x", public');
  const byPsql = await lookAt(source, 'by_psql');
  for (const what of ['rows', 'parts', 'animals', 'others', 'orders', 'views', 'sequences', 'constraints', 'indexes', 'policies', 'acls']) assert.deepEqual(byPsql[what], before[what], `by psql: ${what}`);
  assert.deepEqual((byPsql['largeObjects'] as { content: string }[]).map(({ content }) => content), (before['largeObjects'] as { content: string }[]).map(({ content }) => content));

  // And by a program that knows nothing of us.
  const python = await openerPython();
  if ('path' in python) {
    const out = join(place.directory, 'opened');
    const { stdout } = await runTool(python, [openerProgram, '--directory', join(place.directory, 'store'), '--system', pgRef.system, '--source', pgRef.source, '--key-file', join(place.directory, 'aes'), '--public-key', join(place.directory, 'public'), '--out', out]);
    assert.match(stdout, /^public\.orders {2}50 rows {2}as proved$/m);
    assert.equal((await source.run('pg_restore', ['--list', join(out, 'definitions.dump')])).stdout.includes('TABLE public orders'), true);
  }

  const promoted = await postgresEngine.promoteTarget(context, { target: pgTarget });
  assert.equal((await target.query(`SELECT FROM pg_namespace WHERE nspname = 'holdfast_restore'`, [], restored)).length, 0);
  assert.match(promoted.sourceIdentity, /^\d+\/\d+$/);
  const { timeline } = await postgresEngine.startTimeline(context, { ...pgRef, epoch: 1, run: 'run-1', parent: { timeline: summary.timeline, limit: pgPoint(summary).limit }, environment: 'dr' });
  assert.equal(timeline, 't00000002');
});

/** Definitions are made in many pieces, and no program is asked for each: all that pg_restore would write, without what it would say again and again. */
async function takesApart(context: SourceContext, summary: BackupSummary): Promise<void> {
  const archive = { bytes: (await openBase(context, pgPoint(summary))).definitions, major: 17 };
  const statements = (sql: string): string[] => sql.split('\n').filter((line) => !/^(--.*|SET default_\w+ = .*;|)$/.test(line));
  for (const section of ['pre-data', 'post-data'] as const) {
    const [script, whole] = [await readSection(context, archive, section), await sectionAsSql(context, archive, section)];
    process.env['HOLDFAST_PG_RESTORE'] = '/nowhere';
    const pieces = Promise.all([script.entries, ...script.entries.map((entry) => [entry])].map(async (entries) => await script.sqlOf(entries)));
    const [sql, ...alone] = await pieces.finally(() => delete process.env['HOLDFAST_PG_RESTORE']);
    assert.deepEqual(statements(sql!), statements(whole));
    assert.deepEqual(alone.flatMap(statements).sort(), statements(whole).sort());
    const at = script.entries.findIndex(({ name }) => /^(TABLE|CONSTRAINT) public far/.test(name));
    assert.match(alone[at]!, /^SET default_tablespace = "odd Tä";$/m, 'each says where it is to lie');
  }
}

test('a large table is read and loaded in ranges, with a row larger than a part; a target is one run’s own, and is taken away again', { skip, timeout: 120_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true, settings: { max_wal_size: '4GB' } });
  const { source } = place;
  await source.query(`CREATE TABLE big (id int PRIMARY KEY, filler text NOT NULL); ALTER TABLE big ALTER filler SET STORAGE plain;
    INSERT INTO big SELECT i, repeat(md5(i::text), 60) FROM generate_series(1, 70000) AS i;
    CREATE TABLE wide (id int, content text); INSERT INTO wide VALUES (1, 'small'), (2, repeat('0123456789', 3500000)), (3, 'small too'), (4, repeat('x', 16252928)), (5, NULL);
    DELETE FROM big WHERE id % 10 = 3; INSERT INTO big SELECT -i, 'new' FROM generate_series(1, 1000) AS i`, [], database);
  await copies(await source.connect(database));
  const context = await place.open();
  const summary = await backUpPostgres(place, {
    // Rows that come and go after the snapshot, in pages that are read and in new ones.
    meanwhile: async () => {
      for (const sql of ['DELETE FROM big WHERE id < 30000', 'VACUUM big', `INSERT INTO big SELECT i, 'after' FROM generate_series(200001, 220000) AS i`]) await source.query(sql, [], database);
    },
  });
  assert.equal(summary.documents, 64_005);
  const { groups } = await postgresEngine.prepareRestore(await claimed(place, 'run-1'), { target: pgTarget, point: pgPoint(summary) });
  assert.ok(groups.length >= 3, `${groups.length} groups: ranges of the large table`);

  const other: TargetRef = { ...pgTarget, run: 'run-2' };
  await assert.rejects(postgresEngine.prepareRestore(context, { target: other, point: pgPoint(summary) }), { type: 'TargetNotEmpty', message: /the target database belongs to run run-1/ });
  for (const group of groups) await postgresEngine.restoreGroup(context, { target: pgTarget, point: pgPoint(summary), group });
  await postgresEngine.buildIndexes(context, { target: pgTarget, point: pgPoint(summary) });
  const { ok, problems } = await validatePostgres(context, summary);
  assert.deepEqual([ok, problems], [true, []]);
  assert.deepEqual(await source.query('SELECT id, length(content) AS size FROM wide ORDER BY id', [], restored), [[1, 5], [2, 35_000_000], [3, 9], [4, 16_252_928], [5, null]].map(([id, size]) => ({ id, size })));
  assert.deepEqual(await source.query(`SELECT relname::text AS of, relallvisible > 0 AS frozen FROM pg_class WHERE relname IN ('big', 'wide') ORDER BY 1`, [], restored), [{ of: 'big', frozen: false }, { of: 'wide', frozen: true }], 'a whole table is loaded as frozen');

  const provisioner = await openProvisioner(context);
  await assert.rejects(provisioner.check(context, { movesAside: false }), { type: 'TargetNotEmpty' });
  const { summary: removed } = await provisioner.remove(context, pgTarget);
  assert.match(removed, /database ledger_dr at 127\.0\.0\.1:\d+ is called ledger_dr_removed_\d+ now/);
  assert.match((await provisioner.check(context, { movesAside: false })).summary, /is not there yet/);
  // Somebody else's, under the name: never touched.
  await (await openProvisioner(context)).provision(context, other);
  await source.query(`CREATE DATABASE ${restored}`);
  await source.query('CREATE TABLE theirs (id int)', [], restored);
  await assert.rejects(postgresEngine.prepareRestore(context, { target: other, point: pgPoint(summary) }), { type: 'TargetNotEmpty', message: /holds something that this run did not restore: .*theirs/ });
  await provisioner.remove(context, other, { discard: true });
  assert.equal((await source.query('SELECT FROM theirs', [], restored)).length, 0);
});

/** However slowly rows are taken; and a session whose COPY fails, at once or in the middle, goes on. */
async function copies(client: pg.Client): Promise<void> {
  const rows = CopiedRows.of(client, `COPY (SELECT i, repeat('x', i % 3000) FROM generate_series(1, 4000) AS i) TO STDOUT`);
  const sum = new RowSum();
  let taken = 0;
  for await (const chunk of rows) {
    taken += chunk.length;
    if (taken % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    sum.add(chunk);
  }
  sum.end();
  assert.deepEqual([sum.rows, rows.rowCount], [4_000, 4_000]);
  for (const [sql, why] of [['COPY nowhere TO STDOUT', /"nowhere" does not exist/], ['COPY (SELECT 1 / (90000 - i), i FROM generate_series(1, 100000) AS i) TO STDOUT', /division by zero/], ['SELECT 1', /no COPY/]] as const) {
    await assert.rejects(async () => {
      for await (const chunk of CopiedRows.of(client, sql)) taken += chunk.length;
    }, why);
    assert.equal((await client.query('SELECT 1')).rowCount, 1);
  }
}

/** The place of a run, claimed for it. */
async function claimed(place: Awaited<ReturnType<typeof postgresPlace>>, run: string) {
  const context = await place.open();
  await (await openProvisioner(context)).provision(context, { ...pgTarget, run });
  return context;
}

test('a snapshot that is gone stops its base by name; the server killed under it too, and no session stays', { skip, timeout: 120_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true });
  const { source } = place;
  await source.query('CREATE TABLE one (id int); INSERT INTO one SELECT generate_series(1, 1000); CREATE TABLE split (id int) PARTITION BY LIST (id)', [], database);
  const context = await place.open();
  const backup = newBackup();
  const held = await hold(place, backup);
  const plan = await postgresEngine.planDump(context, planInput(backup));
  assert.deepEqual(await postgresEngine.planDump(context, planInput(backup)), plan, 'the first plan is adopted');
  // pg_dump is killed in the middle: it waits for a table that the snapshot's holder has not locked. Its group alone is read again.
  const locker = await source.connect(database);
  await locker.query('BEGIN; LOCK TABLE ONLY split IN ACCESS EXCLUSIVE MODE');
  const own = async () => await postgresEngine.dumpGroup(context, { ...pgRef, plan, epoch: 1, group: 'own' });
  const dumping = own().then(() => 'done', String);
  await until('pg_dump waits', async () => (await source.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%split%'`)).length === 1);
  process.kill(Number((await runTool({ path: '/usr/bin/pgrep' }, ['-x', 'pg_dump', '-P', String(process.pid)])).stdout), 'SIGKILL');
  assert.match(await dumping, /^ToolFailed: pg_dump .*SIGKILL/);
  await locker.query('ROLLBACK');
  assert.equal((await own()).group, 'own');
  await held.letGo();
  await noSessions(source);
  const dump = async () => await postgresEngine.dumpGroup(context, { ...pgRef, plan, epoch: 1, group: plan.groups[1]!.group });
  await assert.rejects(dump(), { type: 'SnapshotLost', message: /snapshot "[^"]+" does not exist/ });

  const second = await hold(place, newBackup());
  await source.kill();
  const lost = (await second.lost) as { type: string; message: string };
  assert.deepEqual([lost.type, /the session that held the snapshot of backup .* is gone/.test(lost.message)], ['SnapshotLost', true]);
  await assert.rejects(dump(), { type: 'SourceUnavailable' });
  await source.start();
  assert.equal((await backUpPostgres(place)).documents, 1000);
});

test('what a base would lack is refused by name before anything is read; passwords that it may not read are told to whoever backs up, plans and restores', { skip, timeout: 120_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true, auth: true });
  const { source } = place;
  const asUser = (username: string, password: string): void => {
    process.env['PG_TEST_PASSWORD'] = password;
    place.change((file) => void (file.environments['production']!.endpoints['ledger']!.credentials = { username, password: '${PG_TEST_PASSWORD}' }));
  };
  await source.query(`CREATE TABLE hidden (id int, owner text); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; INSERT INTO hidden VALUES (1, 'x');
    CREATE TABLE left_out (id int); INSERT INTO left_out VALUES (1); CREATE ROLE holdfast LOGIN PASSWORD 'of-the-backup'`, [], database);
  const refused = async (): Promise<string> => {
    try {
      await backUpPostgres(place);
      return 'done';
    } catch (error) {
      return `${(error as { type: string }).type}: ${(error as Error).message}`;
    }
  };
  // A client that is older than the server.
  const old = join(place.directory, 'pg_dump');
  writeFileSync(old, '#!/bin/sh\necho "pg_dump (PostgreSQL) 15.18"\n');
  chmodSync(old, 0o755);
  process.env['HOLDFAST_PG_DUMP'] = old;
  asUser('postgres', source.credentials!.password);
  assert.match(await refused(), /^ToolMissing: pg_dump of PostgreSQL 17 or newer is missing: the server is 17, and \S+pg_dump is 15\.18\. A client older than its server is refused.* HINT: .*postgresql-17/);
  delete process.env['HOLDFAST_PG_DUMP'];
  asUser('holdfast', 'a-wrong-password');
  assert.match(await refused(), /^SourceUnavailable: 127\.0\.0\.1:\d+: password authentication failed for user "holdfast" \(SQLSTATE 28P01\) HINT: user and password are under credentials of the endpoint/);
  asUser('holdfast', 'of-the-backup');
  await source.query('ALTER ROLE holdfast NOLOGIN');
  assert.match(await refused(), /: role "holdfast" is not permitted to log in \(SQLSTATE 28000\) HINT: ALTER ROLE … LOGIN there/);
  await source.query('ALTER ROLE holdfast LOGIN');
  const hba = join(source.dataDirectory, 'pg_hba.conf');
  const everybody = readFileSync(hba, 'utf8');
  writeFileSync(hba, 'host all postgres 127.0.0.1/32 scram-sha-256\nhost all stranger 127.0.0.1/32 trust\n');
  await source.query('SELECT pg_reload_conf()');
  await until('the server has read it', async () => /SourceUnavailable/.test(await refused()));
  assert.match(await refused(), /: no pg_hba\.conf entry for host "127\.0\.0\.1", user "holdfast", database "ledger", no encryption \(SQLSTATE 28000\) HINT: a line of its pg_hba\.conf has to let this user in/);
  asUser('stranger', 'needs none');
  assert.match(await refused(), /: role "stranger" does not exist \(SQLSTATE 28000\) HINT: credentials\.username of the endpoint names the user/);
  asUser('holdfast', 'of-the-backup');
  writeFileSync(hba, everybody);
  await source.query('SELECT pg_reload_conf()');
  await until('the server has read that', async () => !/SourceUnavailable/.test(await refused()));
  assert.match(await refused(), /^NotPermitted: .*permission denied for table/);
  await source.query('GRANT pg_read_all_data, pg_monitor TO holdfast');
  assert.match(await refused(), /^NotPermitted: row-level security hides rows of public\.hidden from the user/);
  await source.query('ALTER ROLE holdfast BYPASSRLS');
  assert.deepEqual(await postgresEngine.checkRights(await place.open(), 'backup'), { missing: [], tooMuch: [] });
  await source.query(`CREATE TYPE mood AS ENUM ('a', 'b'); CREATE TABLE by_mood (m mood) PARTITION BY HASH (m)`, [], database);
  assert.match(await refused(), /^Unsupported: the database has tables that are split by the hash of an enumeration.*: public\.by_mood /);
  await source.query(`DROP TABLE by_mood; SELECT lo_from_bytea(0, 'large')`, [], database);
  place.change((file) => void (file.sources['ledger']!.namespaces = { exclude: ['public.left_out'] }));
  await passwordsOfRoles(place);
  place.change((file) => void (file.environments['dr']!.endpoints['ledger']!.uri = 'postgres://192.0.2.1:5432/x'));
  await assert.rejects((await openProvisioner(await place.open())).check(await place.open(), { movesAside: false }), { type: 'WeakTransport', message: /in the clear, off this machine/ });
});

/** Of a user who may read tables alone; the one that the docs name for backups reads passwords too, and those who log in to the source log in to what is restored. */
async function passwordsOfRoles(place: PostgresPlace): Promise<void> {
  const { source } = place;
  const own = 'of the application';
  await source.query(`CREATE ROLE app LOGIN PASSWORD '${own}'; CREATE ROLE batch NOLOGIN`);
  place.change((file) => void (file.environments['dr']!.endpoints['ledger']!.credentials = { username: 'postgres', password: 'file:postgres-password' }));
  writeFileSync(join(place.directory, 'postgres-password'), source.credentials!.password);
  const asApp = async (): Promise<string> => {
    const client = new pg.Client({ host: source.host, port: source.port, user: 'app', password: own, database: 'postgres' });
    return await client.connect().then(async () => await client.end().then(() => 'let in'), (error: pg.DatabaseError) => error.message);
  };
  const context = await place.open();
  const planned = async (): Promise<(string | null)[]> => (await planRecovery({ system: pgRef.system }, context)).findings.flatMap(({ message, hint }) => (/password/.test(message) ? [message, hint] : []));

  const whole = await backUpPostgres(place);
  assert.equal(whole.lacks, undefined);
  assert.deepEqual(await planned(), []);
  await source.query('DROP ROLE app');
  assert.deepEqual((await restorePostgres(context, whole)).failed, []);
  assert.equal(await asApp(), 'let in');
  await (await openProvisioner(context)).remove(context, pgTarget, { discard: true });

  await source.query('REVOKE pg_read_all_data FROM holdfast; GRANT SELECT ON ALL TABLES IN SCHEMA public TO holdfast; GRANT SELECT ON pg_catalog.pg_largeobject TO holdfast', [], database);
  const { lacks, ...summary } = await backUpPostgres(place);
  assert.match(lacks!.what, /no password of roles that log in, as the user of the backup may not read them: holdfast, app$/);
  assert.deepEqual(await planned(), [`books/ledger: ${lacks!.what}`, lacks!.hint]);
  await source.query('DROP ROLE app');
  await (await openProvisioner(context)).provision(context, pgTarget);
  const prepare = async () => await postgresEngine.prepareRestore(context, { target: pgTarget, point: pgPoint(summary) });
  const told = { what: 'the base holds no password of these roles, and they have none on this server: app', hint: 'before the application starts: ALTER ROLE … PASSWORD on this server' };
  assert.deepEqual([(await prepare()).lacks, (await prepare()).lacks], [told, told], 'a second try tells it too');
  assert.equal(await asApp(), 'password authentication failed for user "app"');
  await source.query(`ALTER ROLE app PASSWORD '${own}'`);
  assert.equal((await prepare()).lacks, undefined);
  await (await openProvisioner(context)).remove(context, pgTarget, { discard: true });
}

test('a restore that is cut off at every step goes on behind what was committed, and nothing is there twice', { skip, timeout: 240_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true });
  const { source } = place;
  await source.query(oddDatabase, [], database);
  // Loaded as a whole, in two parts: one is sent when it is cut off.
  await source.query('CREATE TABLE public.long AS SELECT i, repeat(md5(i::text), 1000) AS text FROM generate_series(1, 600) AS i', [], database);
  const before = await lookAt(source, database);
  const summary = await backUpPostgres(place);
  // The server dies while rows come, and the store goes away: each is said, and what was committed stays. Behind all the small tables, of which one is unlogged.
  const interrupted = async (act: () => Promise<void>): Promise<string> => {
    let acting: Promise<void> | undefined;
    const context = await place.open({ progress: ({ phase, pieces }) => void (phase === 'restore' && Number(pieces) >= 10 && (acting ??= act())) });
    const end = await restorePostgres(context, summary).then(() => 'done', String);
    await acting;
    return end;
  };
  const dead = await interrupted(async () => {
    // What is committed is on its disk by then, and an unlogged table is emptied all the same.
    await source.query('CHECKPOINT');
    await source.kill();
  });
  await source.start();
  assert.match(dead, /^TargetUnavailable: 127\.0\.0\.1:\d+/);
  const store = join(place.directory, 'store');
  assert.match(await interrupted(async () => await rename(store, `${store} away`)), /^StoreUnavailable: store main: /);
  await rename(`${store} away`, store);
  let attempts = 0;
  for (let cut = 1; ; cut += 1) {
    attempts += 1;
    const abort = new AbortController();
    let said = 0;
    const context = await place.open({ signal: abort.signal, progress: () => void ((said += 1) === cut && abort.abort(new Error('cut off'))) });
    try {
      assert.deepEqual((await restorePostgres(context, summary)).failed, []);
      break;
    } catch (error) {
      assert.equal((error as Error).message, 'cut off');
    }
  }
  assert.ok(attempts > 10, `${attempts} attempts`);
  await noSessions(source);
  const after = await lookAt(source, restored);
  for (const what of Object.keys(before)) assert.deepEqual(after[what], before[what], what);
  assert.deepEqual((await validatePostgres(await place.open(), summary)).problems, []);
});

test('chosen tables alone: their rows, foreign keys among them held, and one that the data does not obey named; closed to people, its owner among them, until it is masked', { skip, timeout: 120_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true });
  const { source } = place;
  place.change((file) => {
    file.environments['dr']!.protection = 'staging';
    file.mask = { ledger: { 'public.orders': { person: 'null' } } };
    file.runbook = { steps: [{ id: 'find-point', uses: 'find-recovery-point' }, { id: 'restore', uses: 'restore', needs: ['find-point'] }, { id: 'mask', uses: 'mask', needs: ['restore'] }, { id: 'report', uses: 'report', needs: ['mask'] }] };
  });
  await source.query(`CREATE ROLE guest LOGIN; CREATE ROLE clerk LOGIN; ALTER DATABASE ${database} OWNER TO clerk; COMMENT ON DATABASE ${database} IS 'the books'`);
  const lookIn = async () =>
    (await source.query(`SELECT has_database_privilege('guest', oid, 'CONNECT') AS guest, has_database_privilege('clerk', oid, 'CONNECT') AS clerk, shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = '${restored}' AND datallowconn`))[0];
  const closed = { guest: false, clerk: false, comment: 'restored by Holdfast, closed until it is masked' };
  await source.query(`CREATE TABLE people (id int PRIMARY KEY); INSERT INTO people SELECT generate_series(1, 10);
    CREATE TABLE orders (id int PRIMARY KEY, person int REFERENCES people (id)); INSERT INTO orders SELECT i, 1 + i % 10 FROM generate_series(1, 100) AS i;
    CREATE TABLE "order items" (id int PRIMARY KEY, "order" int REFERENCES orders (id)); INSERT INTO "order items" SELECT i, 1 + i % 100 FROM generate_series(1, 1000) AS i`, [], database);
  const context = await place.open();
  const summary = await backUpPostgres(place);
  const whole = pgPoint(summary);
  await assert.rejects(postgresEngine.narrowPoint(context, { point: whole, only: ['public.ordrs'] }), { type: 'BadInput', message: /no table is called "public\.ordrs" in the base HINT: near it: public\.orders/ });
  const point = await postgresEngine.narrowPoint(context, { point: whole, only: ['public.orders', 'public.order*items'] });
  assert.deepEqual([point.only!.collections, point.only!.documents], [2, 1_100]);
  await (await openProvisioner(context)).provision(context, pgTarget);
  const { groups } = await postgresEngine.prepareRestore(context, { target: pgTarget, point });
  await assert.rejects(postgresEngine.prepareRestore(context, { target: pgTarget, point: whole }), { type: 'TargetNotEmpty', message: /was claimed for \["public\.orders","public\.order\*items"\], this is for everything/ });
  assert.deepEqual(await lookIn(), closed);
  for (const group of groups) await postgresEngine.restoreGroup(context, { target: pgTarget, point, group });
  // A row that breaks what the source held: among chosen tables that is no matter of taste.
  await source.query('INSERT INTO "order items" VALUES (5000, 5000)', [], restored);
  const { failed } = await postgresEngine.buildIndexes(context, { target: pgTarget, point });
  assert.deepEqual(failed.map(({ index }) => index.includes('order items_order_fkey')), [true], JSON.stringify(failed));
  await source.query('DELETE FROM "order items" WHERE id = 5000', [], restored);
  assert.deepEqual((await postgresEngine.buildIndexes(context, { target: pgTarget, point })).failed, [], 'asked again, it is tried again');
  const result = await postgresEngine.validateTarget(context, { target: pgTarget, point, limit: point.limit, validator: 'equality' });
  assert.deepEqual([result.problems, result.collections.map(({ ns }) => ns).sort()], [[], ['public."order items"', 'public.orders']]);
  assert.deepEqual(await source.query(`SELECT (SELECT count(*)::int FROM people) AS people, (SELECT count(*)::int FROM pg_constraint WHERE contype = 'f') AS held`, [], restored), [{ people: 0, held: 1 }]);
  assert.deepEqual(await lookIn(), closed, 'what comes behind the rows opens nothing');
  await maskTarget(context, { target: pgTarget });
  assert.deepEqual(await lookIn(), { guest: true, clerk: true, comment: 'the books' });

  // What is missing, damaged or under another key is refused by name before anything is made of it.
  const prepare = async () => await postgresEngine.prepareRestore(await place.open(), { target: pgTarget, point });
  const store = join(place.directory, 'store');
  const part = join(store, readdirSync(store, { recursive: true, encoding: 'utf8' }).find((name) => /parts\/definitions\/.*\/\d{8}-[0-9a-f]{8}$/.test(name))!);
  renameSync(part, `${part}.away`);
  await assert.rejects(prepare(), { type: 'ObjectMissing', message: /parts\/definitions\/.* is not in store main/ });
  const bytes = readFileSync(`${part}.away`);
  writeFileSync(part, Buffer.concat([bytes.subarray(0, 500), Buffer.from([bytes[500]! ^ 1]), bytes.subarray(501)]));
  await assert.rejects(prepare(), { type: 'Tampered' });
  renameSync(`${part}.away`, part);
  writeFileSync(join(place.directory, 'aes'), 'ab'.repeat(32));
  place.change((file) => void (file.title = 'Opened anew'));
  await assert.rejects(prepare(), { type: 'WrongKey' });
});

test('a server in recovery: a base is read of it, and nothing is restored to it', { skip, timeout: 120_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true });
  const { source } = place;
  await source.query(`CREATE TABLE one (id serial PRIMARY KEY); INSERT INTO one SELECT generate_series(1, 1000); SELECT lo_from_bytea(7001, 'large')`, [], database);
  const dataDirectory = join(tempDir(t, 'holdfast-standby-'), 'data');
  await source.run('pg_basebackup', ['-D', dataDirectory, '-R', '-X', 'stream', '-c', 'fast']);
  giveTo(source.account, join(dataDirectory, '..'));
  const standby = await startPostgres(t, { dataDirectory, restoresInto: true });
  const uri = place.file.environments['production']!.endpoints['ledger']!.uri;
  place.change((file) => void (file.environments['production']!.endpoints['ledger']!.uri = `postgres://127.0.0.1:${standby.port}/${database}`));
  const summary = await backUpPostgres(place);
  assert.equal(summary.documents, 1001);
  await restorePostgres(await place.open(), summary);
  assert.deepEqual((await validatePostgres(await place.open(), summary)).problems, []);
  place.change((file) => {
    file.environments['production']!.endpoints['ledger']!.uri = uri;
    file.environments['dr']!.endpoints['ledger']!.uri = `postgres://127.0.0.1:${standby.port}/another`;
  });
  await assert.rejects(postgresEngine.prepareRestore(await place.open(), { target: pgTarget, point: pgPoint(summary) }), { type: 'TargetNotEmpty', message: /is a standby, and takes no writes HINT: promote it/ });
});
