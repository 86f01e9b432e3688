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
  await openProvisioner(context).remove(context, pgTarget, { discard: true });
  assert.ok(!existsSync(join(home, 'dr')));
});
