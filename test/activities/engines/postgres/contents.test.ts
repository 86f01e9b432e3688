import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { postgresEngine } from '../../../../activities/engines/postgres/index.ts';
import { publishExport } from '../../../../activities/exchange/publish-export.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import type { BackupSummary } from '../../../../workflows/contract.ts';
import type { Contents } from '../../../../workflows/domain/contents.ts';
import { backUpPostgres, database, pgPoint, pgRef, pgTarget, postgresPlace, restorePostgres, validatePostgres } from '../../../harness/postgres-place.ts';
import { postgresMissing } from '../../../harness/postgres.ts';

const skip = await postgresMissing();
const restored = `${database}_dr`;

test('definitions alone, then rows alone into them: backed up, restored, proved, exported; neither is taken for a whole', { skip, timeout: 240_000 }, async (t) => {
  const place = await postgresPlace(t, { beside: true });
  const { source } = place;
  await source.query(`CREATE EXTENSION citext; CREATE TABLE people (name citext PRIMARY KEY); INSERT INTO people SELECT 'Person ' || i FROM generate_series(1, 20) AS i;
    CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person citext REFERENCES people, twice int GENERATED ALWAYS AS (20) STORED) ; INSERT INTO orders (person) SELECT lower('Person ' || 1 + i % 20) FROM generate_series(1, 100) AS i;
    CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (10); CREATE TABLE parts_2 PARTITION OF parts DEFAULT; INSERT INTO parts SELECT generate_series(1, 30);
    CREATE TABLE items (part int REFERENCES parts); INSERT INTO items SELECT generate_series(1, 30);
    CREATE TABLE touched (what text); CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.touched VALUES ('fired'); RETURN NEW; END $$; CREATE TRIGGER touching AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION touch();
    CREATE MATERIALIZED VIEW totals AS SELECT count(*)::int AS orders FROM orders; SELECT lo_from_bytea(7001, 'a large object')`, [], database);
  const holds = async (contents: Contents): Promise<void> => await Promise.resolve(place.change((file) => void (file.sources['ledger']!.contents = contents)));
  const restores = async (contents: Contents): Promise<void> => await Promise.resolve(place.change((file) => void Object.assign(file.standby.provision['ledger']!, { contents })));
  const looked = async (name: string): Promise<unknown> => (await source.query(`SELECT (SELECT count(*)::int FROM people) AS people, (SELECT count(*)::int FROM orders) AS orders, (SELECT count(*)::int FROM items) AS items, (SELECT count(*)::int FROM touched) AS touched, (SELECT count(*)::int FROM pg_largeobject_metadata) AS large`, [], name))[0];
  const nothing = { people: 0, orders: 0, items: 0, touched: 0, large: 0 };
  const all = { people: 20, orders: 100, items: 30, touched: 0, large: 1 };

  await holds('definitions');
  const definitions = await backUpPostgres(place);
  assert.deepEqual([definitions.documents, definitions.units], [0, 2]);
  await holds('rows');
  const rows = await backUpPostgres(place);
  assert.deepEqual([rows.documents, rows.units], [181, 8]);

  // Who asks for all of it gets neither.
  const prepare = async (summary: BackupSummary) => await postgresEngine.prepareRestore(await place.open(), { target: pgTarget, point: pgPoint(summary) });
  await assert.rejects(prepare(definitions), { type: 'Unsupported', message: /holds definitions alone, and no row, and definitions and rows are to be restored to dr HINT: say contents: definitions where ledger of dr is provisioned/ });
  await assert.rejects(prepare(rows), { type: 'Unsupported', message: /holds rows alone, and no definitions/ });

  await restores('rows');
  await assert.rejects(async () => await (await openProvisioner(await place.open())).check(await place.open(), { movesAside: false }), { type: 'Unsupported', message: /ledger_dr at \S+ is not there: rows alone come into tables that are there/ });
  await restores('definitions');
  assert.deepEqual((await restorePostgres(await place.open(), definitions)).failed, []);
  const proved = await validatePostgres(await place.open(), definitions);
  assert.deepEqual([proved.problems, proved.collectionCount], [[], 0]);
  assert.match(proved.claim, /^definitions alone, no row was restored: equal to the base: (\d+) definitions by name, \1 of them word for word$/);
  assert.deepEqual(await looked(restored), nothing);
  await source.query('INSERT INTO touched VALUES (1)', [], restored);
  assert.deepEqual((await validatePostgres(await place.open(), definitions)).problems, ['public.touched: holds rows, and none are in the base']);
  await postgresEngine.promoteTarget(await place.open(), { target: pgTarget });

  // Rows alone: into tables that are there, whole, and empty.
  await restores('rows');
  await assert.rejects(prepare(rows), { type: 'TargetNotEmpty', message: /there are rows already: public\.touched HINT: empty those tables/ });
  await source.query('TRUNCATE touched; ALTER TABLE items RENAME part TO piece', [], restored);
  await assert.rejects(prepare(rows), { type: 'Unsupported', message: /has not these columns: public\.items\.part/ });
  await source.query('ALTER TABLE items RENAME piece TO part; ALTER TABLE items RENAME TO pieces', [], restored);
  await assert.rejects(prepare(rows), { type: 'Unsupported', message: /has not these tables: public\.items/ });
  await source.query('ALTER TABLE pieces RENAME TO items', [], restored);
  assert.deepEqual((await restorePostgres(await place.open(), rows)).failed, []);
  const filled = await validatePostgres(await place.open(), rows);
  assert.deepEqual(filled.problems, []);
  assert.match(filled.claim, /^rows alone; equal to the base: 6 tables by count and SHA-256 of every row, 1 sequences by what they hand out next, large objects by count and SHA-256 of every page, no definitions$/);
  assert.deepEqual(await looked(restored), all, 'and no trigger fired');
  assert.deepEqual(await source.query('SELECT orders FROM totals', [], restored), [{ orders: 100 }], 'a view that was filled when there was nothing is filled again');
  // A row whose parent is gone: no key stood in its way, so all are looked at.
  await source.query(`SET session_replication_role = replica; DELETE FROM people WHERE name = 'Person 3'; DELETE FROM parts WHERE id = 20`, [], restored);
  const { failed } = await postgresEngine.buildIndexes(await place.open(), { target: pgTarget, point: pgPoint(rows) });
  assert.deepEqual(failed.map(({ index, why }) => `${index}: ${why}`), ['FK CONSTRAINT public.items items_part_fkey: the rows do not hold to it: some name what public.parts has not', 'FK CONSTRAINT public.orders orders_person_fkey: the rows do not hold to it: some name what public.people has not']);
  assert.match((await validatePostgres(await place.open(), rows)).problems.join(), /public\.parts_2: 20 rows, expected 21,public\.people: 19 rows, expected 20|public\.people: 19/);
  assert.match((await (await openProvisioner(await place.open())).remove(await place.open(), pgTarget, { discard: true })).summary, /is called ledger_dr_removed_\d+ now/, 'what was there before is never dropped');

  // Both as scripts, one behind the other, into a third database.
  mkdirSync(join(place.directory, 'exchange'), { mode: 0o700 });
  place.change((file) => void (file.exchange = { directories: [join(place.directory, 'exchange')] }));
  await source.query('CREATE DATABASE by_psql');
  for (const [name, summary] of Object.entries({ definitions, rows })) {
    const [path, context] = [join(place.directory, 'exchange', `${name}.sql`), await place.open()];
    const { partial } = await postgresEngine.writeExport(context, { ...pgRef, path, form: 'archive', gzip: false, run: name, point: pgPoint(summary) });
    await publishExport(context, { path, run: name, partial });
    await source.run('psql', ['--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--dbname=by_psql', `--file=${path}`]);
  }
  assert.deepEqual(await looked('by_psql'), all);

  // Of a whole base, definitions alone.
  await holds('all');
  await restores('definitions');
  const whole = await backUpPostgres(place);
  await restorePostgres(await place.open(), whole);
  assert.deepEqual([await looked(restored), (await validatePostgres(await place.open(), whole)).problems], [nothing, []]);
});
