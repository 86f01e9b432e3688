import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { postgresMissing, startPostgres } from './postgres.ts';

for (const version of [14, 15, 17]) {
  test(`a server of PostgreSQL ${version}: filled, killed in mid-write and started again, it has every row that was committed`, { skip: await postgresMissing(version), timeout: 120_000 }, async (t) => {
    const server = await startPostgres(t, { version, settings: { wal_level: 'logical' } });
    assert.match((await server.query<{ version: string }>('SELECT version()'))[0]!.version, new RegExp(`^PostgreSQL ${version}\\.`));
    assert.equal((await server.query<{ wal_level: string }>('SHOW wal_level'))[0]!.wal_level, 'logical');
    await server.pgbench(['-i', '-q', '-s', '1']);
    const client = await server.connect();
    let committed = 0;
    const writing = (async () => {
      for (;;) {
        await client.query('INSERT INTO pgbench_history (tid, bid, aid, delta) VALUES (1, 1, 1, 1)');
        committed += 1;
      }
    })().catch((error: Error) => error);
    while (committed < 20) await sleep(5);
    await server.kill();
    assert.ok((await writing) instanceof Error);
    await server.start();
    const [row] = await server.query<{ count: string }>('SELECT count(*) FROM pgbench_history');
    assert.ok(Number(row!.count) >= committed, `${row!.count} rows of ${committed} committed`);
    await server.configure({ work_mem: '7MB' });
    await server.stop();
    await assert.rejects(server.query('SELECT 1'), /ECONNREFUSED/);
    await server.start();
    assert.equal((await server.query<{ work_mem: string }>('SHOW work_mem'))[0]!.work_mem, '7MB');
  });
}

suite('a server that asks', { skip: await postgresMissing() }, () => {
  test('for a password lets in nobody without it, its own client programs with it', { timeout: 60_000 }, async (t) => {
    const server = await startPostgres(t, { auth: true });
    assert.equal((await server.run('psql', ['-Atc', 'SELECT current_user'])).stdout.trim(), 'postgres');
    server.env.PGPASSWORD = 'another';
    await assert.rejects(server.run('psql', ['-Atc', 'SELECT 1']), /password authentication failed/);
  });
});
