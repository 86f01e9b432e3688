import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { postgresEngine } from '../../../../activities/engines/postgres/index.ts';
import { compareTarget } from '../../../../activities/engines/postgres/rows/compare-target.ts';
import { maskTarget } from '../../../../activities/engines/postgres/rows/mask-target.ts';
import { planRows, restoreRows } from '../../../../activities/engines/postgres/rows/put-rows.ts';
import { removeRows } from '../../../../activities/engines/postgres/rows/remove-rows.ts';
import type { RowsResult } from '../../../../workflows/domain/rows.ts';
import { postgresMissing, type Postgres } from '../../../harness/postgres.ts';
import { database, inMode, pgTarget, postgresPlace, type PostgresPlace } from '../../../harness/postgres-place.ts';
import { until } from '../../../harness/until.ts';
import type { Owner } from '../../../harness/cleanup.ts';

const skip = await postgresMissing();
const restored = `${database}_dr`;

/** A database of accounts, with what makes rows hard to put back: keys of several columns, identity, generated columns, partitions, odd names, triggers, references in a chain and to itself. */
const schema = `
  CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE, name varchar(20), born date, lower_email text GENERATED ALWAYS AS (lower(email)) STORED);
  CREATE TABLE notes (id bigint PRIMARY KEY, user_id int NOT NULL REFERENCES users, parent bigint REFERENCES notes, body text, at timestamptz DEFAULT '2026-11-22 10:00:00.123456+00', amount numeric(30,10));
  CREATE TABLE "Odd ""one"", it is" ("Käse id" text COLLATE "C", part int, "a b" jsonb, PRIMARY KEY ("Käse id", part));
  CREATE TABLE log (day date, n int, what bytea, PRIMARY KEY (day, n)) PARTITION BY RANGE (day);
  CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
  CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
  CREATE TABLE keyless (what text);
  CREATE TABLE touched (what text);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.touched VALUES (TG_OP || ' ' || NEW.email); RETURN NEW; END $$;
  CREATE TRIGGER touching AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE MATERIALIZED VIEW emails AS SELECT email FROM users;
  INSERT INTO users (email, name, born) SELECT 'U' || i || '@example.com', 'user ' || i, '1990-01-01' FROM generate_series(1, 50) AS i;
  INSERT INTO notes (id, user_id, body, amount) SELECT i, 1 + i % 50, CASE WHEN i % 7 = 0 THEN NULL ELSE E'tab\\there, 😀 and \\\\ ' || i END, i / 3.0 FROM generate_series(1, 500) AS i;
  UPDATE notes SET parent = id - 1 WHERE id % 10 = 3;
  INSERT INTO "Odd ""one"", it is" SELECT 'k' || i % 5, i, jsonb_build_object('n', i, 'f', 1.5) FROM generate_series(1, 40) AS i;
  INSERT INTO log SELECT date '2026-01-01' + i, i, decode(md5(i::text), 'hex') FROM generate_series(1, 300) AS i;
  INSERT INTO keyless VALUES ('a'), ('a');
  REFRESH MATERIALIZED VIEW emails;
  SELECT lo_from_bytea(7001, 'one'), lo_from_bytea(7002, 'two'), lo_from_bytea(7003, decode(repeat('00ff', 700000), 'hex'));
  DELETE FROM touched;`;

/** Both sides the same; what a test does to the living one is what happened since the backup. */
async function twoSides(t: Owner): Promise<PostgresPlace & { sql(text: string): Promise<void>; all(): Promise<unknown[]> }> {
  const place = await postgresPlace(t, { beside: true });
  await place.source.query(schema, undefined, database);
  await place.source.query(`CREATE DATABASE ${restored} TEMPLATE ${database}`);
  const sql = async (text: string): Promise<void> => void (await place.source.query(text, undefined, database));
  return { ...place, sql, all: async () => await contents(place.source) };
}

const contents = async (server: Postgres): Promise<unknown[]> =>
  await server.query(
    `SELECT 'users' AS t, count(*), md5(string_agg(u::text, '|' ORDER BY id)) FROM users u UNION ALL SELECT 'notes', count(*), md5(string_agg(n::text, '|' ORDER BY id)) FROM notes n
     UNION ALL SELECT 'odd', count(*), md5(string_agg(o::text, '|' ORDER BY o::text)) FROM "Odd ""one"", it is" o UNION ALL SELECT 'log', count(*), md5(string_agg(l::text, '|' ORDER BY day, n)) FROM log l ORDER BY 1`,
    undefined,
    database,
  );

const figures = ({ tables }: Pick<RowsResult, 'tables'>): Record<string, number[]> => Object.fromEntries(tables.map(({ ns, missing, changed, since, inserted, updated }) => [ns, [missing, changed, since, inserted, updated]]));
const noTrace = async (server: Postgres): Promise<void> => assert.deepEqual(await server.query(`SELECT nspname FROM pg_namespace WHERE nspname = 'holdfast'`, undefined, database), []);

suite('rows of PostgreSQL', { skip, timeout: 180_000 }, () => {
  test('what was restored is held against what lives: the same; then every kind of difference, by name and number', async (t) => {
    const place = await twoSides(t);
    const context = await place.open();
    const same = await compareTarget(context, { target: pgTarget });
    assert.deepEqual([same.schemaCount, same.tables.map(({ ns, note }) => [ns, note])], [0, [['public.keyless', 'it has no primary key'], ['public.touched', 'it has no primary key']]]);
    assert.equal(same.tableCount, 8, 'large objects are compared as a table is');
    await place.sql(`
      DELETE FROM notes WHERE id BETWEEN 100 AND 109 AND id % 10 <> 2; UPDATE notes SET body = 'another' WHERE id IN (7, 8); INSERT INTO notes (id, user_id) VALUES (900, 1);
      UPDATE "Odd ""one"", it is" SET "a b" = '{}' WHERE part = 3; DELETE FROM log WHERE day > '2026-08-01'; ALTER TABLE users ADD nick text; ALTER TABLE users ALTER name TYPE varchar(30);
      CREATE INDEX by_body ON notes (body); DROP TABLE touched CASCADE; CREATE TABLE newer (id int PRIMARY KEY); INSERT INTO newer VALUES (1);
      SELECT lo_unlink(7001), lo_put(7003, 1399999, 'x'), lo_from_bytea(7004, 'four'), lo_from_bytea(7005, 'five')`);
    const compared = await compareTarget(context, { target: pgTarget });
    const found = Object.fromEntries(compared.tables.map(({ ns, restored: then, living, missingInLiving, missingInRestored, changed }) => [ns, [then, living, missingInLiving, missingInRestored, changed]]));
    assert.deepEqual(found['public.notes'], [500, 492, 9, 1, 2]);
    assert.deepEqual(found['public.Odd "one", it is'], [40, 40, 0, 0, 1]);
    assert.deepEqual(found['public.log_2'], [120, 32, 88, 0, 0], 'a partition stands for itself');
    assert.ok(!('public.log_1' in found));
    assert.deepEqual(found['large objects'], [3, 4, 1, 2, 1]);
    assert.deepEqual([found['public.touched'], found['public.newer']], [[0, null, null, null, null], [null, 1, null, null, null]]);
    assert.match(compared.tables.find(({ ns }) => ns === 'public.users')!.note!, /its columns differ, and 4 that both have were compared/);
    for (const said of [/^column public\.users\.nick lives, and was not restored$/, /^column public\.users\.name differs: restored character varying\(20\).*living character varying\(30\)/, /^index public\.by_body lives/, /^table public\.touched was restored, and does not live$/]) {
      assert.ok(compared.schema.some((line) => said.test(line)), `${said}: ${compared.schema.join('\n')}`);
    }
    // Of chosen tables, only theirs.
    const chosen = await compareTarget(context, { target: pgTarget, tables: ['public.notes'] });
    assert.deepEqual([chosen.tableCount, chosen.schema], [1, ['index public.by_body lives, and was not restored']]);
    // Who may read tables may not read large objects: it says so.
    await place.source.query('CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader');
    place.change((file) => void (file.environments['production']!.endpoints['ledger']!.credentials = { username: 'reader', password: 'file:aes' }));
    const unread = (await compareTarget(await place.open(), { target: pgTarget })).tables.find(({ ns }) => ns === 'large objects')!;
    assert.deepEqual([unread.missingInLiving, unread.note], [null, 'the user of the living database may not read them']);
  });

  test('rows that were deleted come back with what they refer to: tried first, without a trace; then in one transaction, once; and are taken out again', async (t) => {
    const place = await twoSides(t);
    const context = await place.open();
    const before = await place.all();
    await place.sql(`DELETE FROM notes WHERE user_id IN (7, 8) OR parent IN (SELECT id FROM notes WHERE user_id IN (7, 8)); DELETE FROM users WHERE id IN (7, 8); UPDATE notes SET body = 'since' WHERE id = 1; INSERT INTO notes (id, user_id) VALUES (901, 2); DELETE FROM touched`);
    const damaged = await place.all();
    const input = { target: pgTarget, tables: ['public.notes'], changed: 'leave' as const };
    await assert.rejects(planRows(context, input), (error: Error & { type: string; hint: string }) => error.type === 'ValidationFailed' && /public\.notes: foreign key notes_user_id_fkey would not hold; nothing was written/.test(error.message) && /choose that table beside it/.test(error.hint) && !/user_id\)=/.test(error.message));
    const both = { ...input, tables: ['public.users', 'public.notes'] };
    const [{ count: gone }] = (await place.source.query(`SELECT 500 - count(*)::int AS count FROM notes WHERE id < 900`, undefined, database)) as [{ count: number }];
    const planned = await planRows(context, both);
    assert.deepEqual(figures(planned), { 'public.users': [2, 0, 0, 2, 0], 'public.notes': [gone, 1, 1, gone, 0] });
    assert.equal(planned.kept, null);
    assert.deepEqual(await place.all(), damaged, 'a preview leaves nothing');
    await noTrace(place.source);
    // By the least that it can be done with.
    place.change((file) => void (file.environments['production']!.endpoints['ledger']!.credentials = { username: 'holdfast', password: 'file:aes' }));
    const least = inMode(await place.open(), 'rows');
    for (const command of postgresEngine.grants('restore', least.source, least.system).commands) await place.source.query(String(command).replace('DATABASE …', `DATABASE ${database}`));
    assert.deepEqual(await postgresEngine.checkRights(least, 'restore'), { missing: [], tooMuch: [] });
    await place.source.query(`REVOKE CREATE ON DATABASE ${database} FROM holdfast`);
    assert.deepEqual(await postgresEngine.checkRights(least, 'restore'), { missing: ['CREATE on database ledger'], tooMuch: [] });
    await assert.rejects(planRows(least, both), { type: 'NotPermitted' });
    await place.source.query(`GRANT CREATE ON DATABASE ${database} TO holdfast`);
    assert.deepEqual(figures(await planRows(least, both)), figures(planned));
    await noTrace(place.source);

    const done = await restoreRows(least, both);
    assert.deepEqual(figures(done), figures(planned));
    assert.match(done.kept!, /^holdfast\.rows-run-1$/);
    assert.deepEqual(await place.source.query('SELECT count(*)::int, count(*) FILTER (WHERE body = $1)::int AS since FROM notes', ['since'], database), [{ count: 501, since: 1 }], 'what came since stays');
    assert.deepEqual((await place.source.query('SELECT id, email, lower_email FROM users WHERE id IN (7, 8) ORDER BY id', undefined, database)).map((row) => Object.values(row)), [[7, 'U7@example.com', 'u7@example.com'], [8, 'U8@example.com', 'u8@example.com']]);
    const written = await place.all();
    assert.deepEqual(await restoreRows(least, both), done, 'a second try finds it done');
    assert.deepEqual(await place.all(), written);

    assert.match((await removeRows(least, { target: pgTarget })).summary, new RegExp(`^${gone + 2} rows are as they were before$`));
    assert.deepEqual(await place.all(), damaged);
    assert.deepEqual(await removeRows(context, { target: pgTarget }), { summary: 'nothing was put back' });
    assert.notDeepEqual(before, damaged);
  });

  test('tables as they were: rows that differ, too; what somebody has written to since is left by the undo, and kept', async (t) => {
    const place = await twoSides(t);
    const context = await place.open();
    const before = await place.all();
    await place.sql(`UPDATE users SET name = 'x' WHERE id IN (3, 4, 5); UPDATE "Odd ""one"", it is" SET "a b" = 'null' WHERE part < 4; DELETE FROM "Odd ""one"", it is" WHERE part > 37; UPDATE log SET what = NULL WHERE n = 10; DELETE FROM log WHERE n = 290; UPDATE notes SET amount = 'NaN' WHERE id = 5`);
    const damaged = await place.all();
    const input = { target: pgTarget, tables: ['public.*'], changed: 'restore' as const };
    await assert.rejects(planRows(context, input), /public\.keyless has no primary key: its rows cannot be told apart/);
    const chosen = { ...input, tables: ['public.users', 'public.notes', 'public.Odd*', 'public.log_*'] };
    const done = await restoreRows(context, chosen);
    assert.deepEqual(figures(done), { 'public.users': [0, 3, 0, 0, 3], 'public.notes': [0, 1, 0, 0, 1], 'public.Odd "one", it is': [3, 3, 0, 3, 3], 'public.log_1': [0, 1, 0, 0, 1], 'public.log_2': [1, 0, 0, 1, 0] });
    assert.deepEqual(await place.all(), before, 'exactly as they were');
    await place.sql(`UPDATE users SET name = 'mine' WHERE id = 4`);
    const { summary } = await removeRows(context, { target: pgTarget });
    assert.match(summary, /^11 rows are as they were before; 1 that somebody has written to since were left, and are named in holdfast\.rows-run-1$/);
    await place.sql(`UPDATE users SET name = 'x' WHERE id = 4`);
    assert.deepEqual(await place.all(), damaged);
    assert.deepEqual((await place.source.query(`SELECT ns, did, split_part(after, ',', 1) AS id FROM holdfast."rows-run-1"`, undefined, database)), [{ ns: 'public.users', did: 'updated', id: '(4' }]);
    assert.deepEqual(figures(await restoreRows(context, chosen)), figures(done), 'put back once more, and not said to be done');
    assert.deepEqual(await place.all(), before);
  });

  test('the server is killed while rows are written: nothing of them is there, and the next try puts all of them back', async (t) => {
    const place = await twoSides(t);
    await place.sql('DELETE FROM notes WHERE id > 300');
    const damaged = await place.all();
    const holder = await place.source.connect(database);
    await holder.query('BEGIN; LOCK TABLE notes IN SHARE MODE');
    const input = { target: pgTarget, tables: ['public.notes'], changed: 'leave' as const };
    const first = restoreRows(await place.open(), input).then(() => 'done', (error: Error & { type: string }) => error.type);
    await until('it waits to write', async () => (await place.source.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO%notes%'`)).length > 0);
    await place.source.kill();
    assert.equal(await first, 'SourceUnavailable');
    await place.source.start();
    assert.deepEqual(await place.all(), damaged);
    await noTrace(place.source);
    // An undo that begins while the attempt of a lost worker may commit still.
    const again = await place.source.connect(database);
    await again.query('BEGIN; LOCK TABLE notes IN SHARE MODE');
    const second = restoreRows(await place.open(), input);
    await until('it waits to write', async () => (await place.source.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO%notes%'`)).length > 0);
    const undone = removeRows(await place.open(), { target: pgTarget });
    await until('the undo waits for it', async () => (await place.source.query(`SELECT FROM pg_stat_activity WHERE wait_event = 'advisory'`)).length > 0);
    await again.query('ROLLBACK');
    assert.deepEqual(figures(await second), { 'public.notes': [200, 0, 0, 200, 0] });
    assert.equal((await undone).summary, '200 rows are as they were before');
    assert.deepEqual(await place.all(), damaged);
  });

  test('masks: nothing of what the rules name is left, not in history tables, views or dead rows; what the server keeps as it was is found; a rule that reaches nothing is refused, and so is production', async (t) => {
    const place = await twoSides(t);
    place.change((file) => {
      file.environments['dr']!.protection = 'staging';
      file.mask = { ledger: { 'public.users': { email: 'email', name: 'text', born: { fixed: '1900-01-01' } }, 'public.notes': { body: 'null' }, 'public.contacts': { email: 'email' }, 'public.mails': { email: 'email' } } };
      file.runbook = { steps: [{ id: 'find-point', uses: 'find-recovery-point' }, { id: 'restore', uses: 'restore', needs: ['find-point'] }, { id: 'mask', uses: 'mask', needs: ['restore'] }, { id: 'report', uses: 'report', needs: ['mask'] }] };
    });
    const context = await place.open();
    await place.source.query(
      `CREATE TABLE contacts AS SELECT email FROM users;
       CREATE TABLE mails (day date, email text) PARTITION BY RANGE (day); CREATE TABLE mails_1 PARTITION OF mails FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); INSERT INTO mails SELECT '2026-02-02', email FROM users;
       CREATE TRIGGER keeping AFTER UPDATE ON mails_1 FOR EACH ROW EXECUTE FUNCTION touch()`,
      undefined,
      restored,
    );
    await assert.rejects(maskTarget(context, { target: pgTarget }), /mask of public\.users: the server takes no such values/, 'a name of 20 has no room for a mask of 23, and is not cut off');
    await place.source.query('ALTER TABLE users ALTER name TYPE text', undefined, restored);
    const { columns } = await maskTarget(context, { target: pgTarget });
    assert.deepEqual(columns.map(({ ns, column, values }) => [ns, column, values]), [['public.users', 'email', 50], ['public.users', 'name', 50], ['public.users', 'born', 50], ['public.notes', 'body', 0], ['public.contacts', 'email', 50], ['public.mails', 'email', 50]]);
    const of = async (sql: string): Promise<unknown> => Object.values((await place.source.query(sql, undefined, restored))[0]!)[0];
    assert.equal(await of(`SELECT count(*)::int FROM users WHERE email ~ 'example' OR lower_email ~ 'example' OR name ~ 'user' OR born <> '1900-01-01'`), 0);
    assert.equal(await of('SELECT count(DISTINCT email)::int FROM users'), 50, 'what is unique stays unique');
    assert.equal(await of('SELECT count(*)::int FROM users JOIN contacts USING (email) JOIN mails USING (email)'), 50, 'what joined joins still');
    assert.equal(await of('SELECT count(*)::int FROM emails WHERE email !~ $$masked[.]invalid$$'), 0, 'a view that was filled before is filled again');
    assert.equal(await of('SELECT count(*)::int FROM touched'), 0, 'no trigger has kept what went');
    assert.equal(await of(`SELECT string_agg(tgname || ' ' || tgenabled::text, ', ' ORDER BY tgname) FROM pg_trigger WHERE NOT tgisinternal`), 'keeping O, touching O');
    assert.equal(await of(`SELECT count(*)::int FROM pg_stats WHERE tablename = 'users' AND (most_common_vals::text ~ 'example' OR histogram_bounds::text ~ 'example')`), 0);
    assert.equal(await of('SELECT count(*)::int FROM notes WHERE body IS NOT NULL'), 0);

    // A rule of the database puts nothing in the place of the update: only a look at the rows finds that.
    await place.source.query(`INSERT INTO contacts VALUES ('left@example.com'), (NULL); CREATE RULE keep AS ON UPDATE TO contacts DO INSTEAD NOTHING`, undefined, restored);
    await assert.rejects(maskTarget(context, { target: pgTarget }), { type: 'ValidationFailed', message: /^public\.contacts\.email: 1 values are not masked HINT: nobody may be let in; a rule of the table may keep them \(ON UPDATE DO INSTEAD\): drop it there, and retry the step$/ });
    await place.source.query('DROP RULE keep ON contacts', undefined, restored);
    assert.equal((await maskTarget(context, { target: pgTarget })).columns.find(({ ns }) => ns === 'public.contacts')!.values, 51);

    place.change((file) => (file.mask = { ledger: { 'public.users': { mail: 'email' } } }));
    await assert.rejects(async () => await maskTarget(await place.open(), { target: pgTarget }), /mask names public\.users\.mail, and the table has id, email, name, born/);
    place.change((file) => {
      file.mask = { ledger: { 'public.users': { email: 'null' } } };
    });
    await assert.rejects(async () => await maskTarget(await place.open(), { target: pgTarget }), /the server takes no such values/, 'a column that may not be empty');
    place.change((file) => {
      file.environments['dr']!.protection = 'production';
    });
    await assert.rejects(async () => await maskTarget(await place.open(), { target: pgTarget }), /dr is of production: nothing is masked there/);
  });
});
