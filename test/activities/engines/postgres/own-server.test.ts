import assert from 'node:assert/strict';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { postgresEngine } from '../../../../activities/engines/postgres/index.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { stopByPidFile } from '../../../../activities/tool/start-server.ts';
import { freePort } from '../../../harness/free-port.ts';
import { postgresMissing } from '../../../harness/postgres.ts';
import { backUpPostgres, database, pgTarget, postgresPlace, restorePostgres, validatePostgres } from '../../../harness/postgres-place.ts';
import { tempDir } from '../../../harness/temp-dir.ts';

/** What older servers have too, beside rows. */
const kinds = `
  CREATE TABLE parts (id int, region text, amount numeric, twice numeric GENERATED ALWAYS AS (amount * 2) STORED, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu'); CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
  INSERT INTO parts (id, region, amount) SELECT i, (ARRAY['eu', 'us'])[1 + i % 2], i / 3.0 FROM generate_series(1, 500) AS i;
  CREATE TABLE "Odd ""t" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz DEFAULT now(), f float8, owner text); INSERT INTO "Odd ""t" (f) SELECT random() FROM generate_series(1, 100);
  ALTER TABLE "Odd ""t" ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON "Odd ""t" USING (owner = current_user);
  CREATE MATERIALIZED VIEW totals AS SELECT region, sum(amount) FROM parts GROUP BY region; CREATE UNIQUE INDEX ON totals (region);
  CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE numbers START 7; SELECT nextval('numbers');
  SELECT lo_from_bytea(7001, decode(repeat('00ff', 5000), 'hex')); CREATE PUBLICATION everything FOR ALL TABLES`;

for (const version of [14, 15]) {
  test(`a base of PostgreSQL ${version} is restored on the same server, every kind of thing with it, and proved`, { skip: (await postgresMissing()) || (await postgresMissing(version)), timeout: 120_000 }, async (t) => {
    const place = await postgresPlace(t, { version, beside: true });
    await place.source.query(kinds, undefined, database);
    const context = await place.open();
    const summary = await backUpPostgres(place);
    assert.deepEqual((await restorePostgres(context, summary)).failed, []);
    const { problems, claim } = await validatePostgres(context, summary);
    assert.deepEqual(problems, []);
    assert.match(claim, /: 3 tables by count and SHA-256 of every row, 2 sequences .*, large objects by count and SHA-256 of every page, (\d+) definitions by name, \1 of them word for word$/);
    assert.match((await place.source.query<{ server_version: string }>('SHOW server_version'))[0]!.server_version, new RegExp(`^${version}\\.`));
    const looked = async (name: string): Promise<unknown> => await place.source.query(`SELECT (SELECT sum(twice) FROM parts) AS twice, (SELECT count(*) FROM totals) AS totals, (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM "Odd ""t" AS t) AS odd, md5(lo_get(7001)) AS large, (SELECT last_value FROM numbers) AS number`, undefined, name);
    assert.deepEqual(await looked(`${database}_dr`), await looked(database));
  });
}

const version = 14;
const skip = (await postgresMissing()) || (await postgresMissing(version));

test('a base of PostgreSQL 14 is restored to a server that is made for it, proved, and opened to the application by its own password', { skip, timeout: 180_000 }, async (t) => {
  const place = await postgresPlace(t, { version, beside: true });
  // Before the directory's own hook, which takes the pid file away.
  t.after(async () => await stopByPidFile(join(home, 'dr', 'server.pid'), 'SIGKILL'));
  const home = tempDir(t);
  chmodSync(home, 0o755);
  const port = await freePort();
  writeFileSync(join(place.directory, 'restorer-password'), 'restorer’s own');
  place.change((file) => {
    file.environments['dr']!.endpoints['ledger'] = { uri: `postgres://127.0.0.1:${port}/${database}`, credentials: { username: 'restorer', password: 'file:restorer-password' } };
    file.standby.provision['ledger'] = { uses: 'local', directory: join(home, 'dr') };
  });
  await place.source.query(`CREATE ROLE app LOGIN PASSWORD 'right'; CREATE TABLE rows AS SELECT n, 'row ' || n AS text FROM generate_series(1, 5000) AS n; ALTER TABLE rows ADD PRIMARY KEY (n); GRANT SELECT ON rows TO app;
    CREATE TABLE long (n int, text text); ALTER TABLE long ALTER text SET STORAGE external; INSERT INTO long SELECT n, repeat(md5(n::text), 500) FROM generate_series(1, 2500) AS n`, undefined, database);
  const context = await place.open();
  const summary = await backUpPostgres(place);
  await restorePostgres(context, summary);
  assert.deepEqual((await validatePostgres(context, summary)).problems, []);
  const said = async (user: string, password: string, sql: string): Promise<string> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database });
    await client.connect();
    try {
      return (await client.query<{ said: string }>(sql)).rows[0]!.said;
    } finally {
      await client.end();
    }
  };
  const asApp = async (): Promise<string> => await said('app', 'right', "SELECT count(*) || ' of ' || current_setting('server_version_num') AS said FROM rows");
  assert.ok(Number(await said('restorer', 'restorer’s own', 'SELECT wal_bytes::text AS said FROM pg_stat_wal')) < 20_000_000, 'the 40 MB of one table are not logged');
  await assert.rejects(asApp(), /no pg_hba.conf entry/, 'not before the promotion');
  await postgresEngine.promoteTarget(context, { target: pgTarget });
  assert.match(await asApp(), /^5000 of 17/);
  await (await openProvisioner(context)).remove(context, pgTarget, { discard: true });
  assert.ok(!existsSync(join(home, 'dr')));
});
