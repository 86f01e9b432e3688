import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import pg from 'pg';
import { localPostgresProvisioner as provisioner, openToClients } from '../../../activities/provision/local-postgres.ts';
import { postgresPlaceOf, stopPlace, withPlace } from '../../../activities/provision/postgres-place.ts';
import type { ProvisionContext } from '../../../activities/provision/provisioner.ts';
import { readPidFile, stopByPidFile } from '../../../activities/tool/start-server.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { freePort } from '../../harness/free-port.ts';
import { postgresMissing } from '../../harness/postgres.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const target = (run: string) => ({ system: 'shop', source: 'ledger', environment: 'dr', run });
const password = "it's a \\secret";

interface At {
  context: ProvisionContext;
  directory: string;
  port: number;
  /** By the network, as the application would. */
  ask: (sql: string, user: string, password?: string) => Promise<unknown[]>;
  /** By our own socket. */
  inside: (sql: string) => Promise<unknown[]>;
}

async function placeFor(t: TestContext, credentials: { username: string; password: string } | undefined = { username: 'restorer', password: 'file:password' }): Promise<At> {
  // Before the directory's own hook, which takes the pid file away.
  t.after(async () => await stopByPidFile(join(home, 'dr', 'server.pid'), 'SIGKILL'));
  const home = tempDir(t);
  // As root, the account that the server runs as must get there.
  chmodSync(home, 0o755);
  const directory = join(home, 'dr');
  const port = await freePort();
  const system = {
    databaseReadyWithin: 60_000,
    sources: { ledger: { engine: 'postgres', environment: 'production' } },
    standby: { environment: 'dr', provision: { ledger: { uses: 'local', directory: '$HOME/dr', replicaSet: 'rs0', settings: { max_connections: 33 } } } },
    environments: { dr: { protection: 'production', endpoints: { ledger: { uri: `postgresql://127.0.0.1:${port}/ledger`, credentials } } } },
  } as unknown as System;
  const context: ProvisionContext = {
    system,
    sourceName: 'ledger',
    address: (text) => text.replace('$HOME', home),
    secret: async () => await Promise.resolve(password),
    signal: new AbortController().signal,
  };
  const inside: At['inside'] = async (sql) => await withPlace(postgresPlaceOf(context), async (client) => [await client.query({ text: sql, rowMode: 'array' })].flat().at(-1)!.rows.flat());
  const ask: At['ask'] = async (sql, user, by) => {
    const client = new pg.Client({ host: '127.0.0.1', port, user, password: by ?? '', database: 'postgres', connectionTimeoutMillis: 5_000 });
    await client.connect();
    try {
      return (await client.query({ text: sql, rowMode: 'array' })).rows.flat();
    } finally {
      await client.end();
    }
  };
  return { context, directory, port, ask, inside };
}

suite('a PostgreSQL target', { skip: await postgresMissing(), timeout: 120_000 }, () => {
  test('is empty and its restorer’s alone, is found again after a kill, and is opened to everybody by password', async (t) => {
    const { context, directory, port, ask, inside } = await placeFor(t);
    assert.match((await provisioner.check(context, { movesAside: false })).summary, /nothing lies in/);
    assert.equal((await provisioner.describe(context)).state, 'absent');
    await provisioner.provision(context, target('run-1'));
    const made = await provisioner.describe(context);
    assert.deepEqual({ ...made, pid: null }, { state: 'standalone', claimedBy: 'run-1', directory, address: `127.0.0.1:${port}`, replicaSet: '', pid: null });
    assert.equal(statSync(join(directory, 'socket')).mode & 0o777, 0o700);
    assert.deepEqual(await inside('SHOW max_connections'), ['33']);
    assert.deepEqual(await ask('SELECT rolsuper FROM pg_roles WHERE rolname = current_user', 'restorer', password), [true]);
    assert.ok(!readFileSync(join(directory, 'postgres.log'), 'utf8').includes('secret'));
    await inside("CREATE ROLE app LOGIN PASSWORD 'right'; SET password_encryption = 'md5'; CREATE ROLE old LOGIN PASSWORD 'older'; CREATE TABLE kept AS SELECT 7 AS n");
    await assert.rejects(ask('SELECT 1', 'app', 'right'), /no pg_hba.conf entry/, 'not before all is restored');
    await provisioner.provision(context, target('run-1'));
    assert.equal((await provisioner.describe(context)).pid, made.pid, 'the same server');
    await stopByPidFile(join(directory, 'server.pid'), 'SIGKILL');
    await provisioner.provision(context, target('run-1'));
    assert.deepEqual(await inside('SELECT n FROM kept'), [7]);
    await assert.rejects(provisioner.provision(context, target('run-2')), { name: 'TargetNotEmpty', message: /belongs to run run-1 since .*HINT/ });
    await assert.rejects(openToClients(context, target('run-2')), { name: 'TargetNotEmpty' });

    assert.equal((await openToClients(context, target('run-1'))).address, `127.0.0.1:${port}`);
    const { pid } = await provisioner.describe(context);
    assert.deepEqual([await ask('SELECT current_user', 'app', 'right'), await ask('SELECT current_user', 'old', 'older')], [['app'], ['old']], 'by both kinds of password');
    await assert.rejects(ask('SELECT 1', 'app', 'wrong'), /password authentication failed/);
    assert.deepEqual([await inside('SHOW wal_level'), await inside('SHOW autovacuum')], [['replica'], ['on']]);
    await openToClients(context, target('run-1'));
    await provisioner.provision(context, target('run-1'));
    assert.equal((await provisioner.describe(context)).pid, pid, 'opened once, and left open');

    assert.match((await provisioner.remove(context, target('run-2'), { discard: true })).summary, /left alone/);
    await provisioner.remove(context, target('run-1'), { discard: true });
    assert.deepEqual(readdirSync(join(directory, '..')), []);
  });

  test('is made anew where initdb was killed, and a server that nobody wrote down is ended and started again', async (t) => {
    const { context, directory, inside } = await placeFor(t, undefined);
    await provisioner.provision(context, target('run-1'));
    await inside('CREATE TABLE kept AS SELECT 7 AS n');
    const first = (await provisioner.describe(context)).pid!;
    // As when the worker died between the start and the pid file.
    rmSync(join(directory, 'server.pid'));
    await provisioner.provision(context, target('run-1'));
    const second = (await provisioner.describe(context)).pid!;
    assert.notEqual(second, first);
    assert.deepEqual(await inside('SELECT n FROM kept'), [7]);
    await stopPlace(postgresPlaceOf(context));
    renameSync(join(directory, 'data'), join(directory, 'data.new'));
    await provisioner.provision(context, target('run-1'));
    await assert.rejects(inside('SELECT n FROM kept'), /does not exist/);
    const moved = (await provisioner.remove(context, target('run-1'))).summary.replace(/^.* moved to /, '');
    assert.ok(statSync(join(moved, 'data', 'PG_VERSION')).isFile(), 'what no drill restored is kept');
    assert.equal(readPidFile(join(moved, 'server.pid')), undefined);
  });

  test('is refused where something else lies or serves, and where the server’s account does not get to', async (t) => {
    const { context, directory, port } = await placeFor(t);
    const taken = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
    await once(taken, 'listening');
    await assert.rejects(provisioner.check(context, { movesAside: false }), { name: 'TargetNotEmpty', message: /something that no run started serves/ });
    taken.close();
    mkdirSync(directory);
    writeFileSync(join(directory, 'precious.txt'), '');
    await assert.rejects(provisioner.provision(context, target('run-1')), { name: 'TargetNotEmpty', message: /holds precious\.txt/ });
    if (process.getuid?.() !== 0) return;
    chmodSync(join(directory, '..'), 0o700);
    await assert.rejects(provisioner.check(context, { movesAside: false }), { name: 'TargetUnavailable', message: /is closed to that account.*HINT/ });
  });
});
