import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { databaseFence as fence } from '../../../../activities/engines/postgres/fence.ts';
import type { FenceContext } from '../../../../activities/traffic/fence.ts';
import { giveTo } from '../../../../activities/tool/server-account.ts';
import type { System } from '../../../../workflows/domain/system.ts';
import { postgresMissing, startPostgres, type Postgres } from '../../../harness/postgres.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { until } from '../../../harness/until.ts';

const secret = 'a-password';

/** A fence of the source "orders", whose address names the database shop. */
const contextOf = (server: Pick<Postgres, 'port'>, { uses = 'database', user, signal = new AbortController().signal }: { uses?: 'database' | 'databases'; user?: string; signal?: AbortSignal } = {}): FenceContext =>
  ({
    sourceName: 'orders',
    source: { environment: 'production' },
    system: {
      environments: { production: { endpoints: { orders: { uri: `postgres://127.0.0.1:${server.port}${uses === 'database' ? '/shop' : ''}` } } } },
      fence: { orders: { uses, ...(user ? { credentials: { username: user, password: 'ref', authSource: 'admin' } } : {}) } },
    } as unknown as System,
    secret: async () => await Promise.resolve(secret),
    address: (text: string) => text,
    signal,
  }) as unknown as FenceContext;

async function startShop(t: TestContext): Promise<Postgres> {
  const server = await startPostgres(t);
  await server.query('CREATE DATABASE shop');
  await server.query(`COMMENT ON DATABASE shop IS 'what we live of'`);
  await server.query('CREATE TABLE orders (id int)', [], 'shop');
  return server;
}

const commentOf = async (server: Postgres): Promise<string> => (await server.query<{ comment: string }>(`SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = 'shop'`))[0]!.comment;
const refused = /database "shop" is not currently accepting connections/;

test('its sessions are ended and nobody is let in, superusers included, after a restart too; only the run that fenced it lets people in again', { skip: await postgresMissing() }, async (t) => {
  const server = await startShop(t);
  const writer = await server.connect('shop');
  await writer.query('BEGIN');
  await writer.query('INSERT INTO orders VALUES (1)');
  assert.deepEqual(await fence.probe(contextOf(server)), { heard: 'open', takesWrites: true, seen: `127.0.0.1:${server.port} answers, and takes writes in shop` });

  const fenced = await fence.fence(contextOf(server), 'run-1');
  assert.deepEqual([fenced.outcome, fenced.logReachable], ['proved', true], fenced.evidence.join('; '));
  assert.match(fenced.evidence.join('; '), /shop of 127\.0\.0\.1:\d+ is closed, and 1 sessions were ended; it refused a session: database "shop" is not currently/);
  await assert.rejects(writer.query('COMMIT'));
  await assert.rejects(server.query('INSERT INTO orders VALUES (2)', [], 'shop'), refused);
  assert.equal((await fence.probe(contextOf(server))).takesWrites, false);
  assert.match(await commentOf(server), /^what we live of\n\[closed by Holdfast: fenced by run run-1 at 2.*Z\]$/);

  await server.stop();
  assert.match((await fence.probe(contextOf(server))).seen, /nothing listens at/);
  const silent = await fence.fence(contextOf(server), 'run-1');
  assert.deepEqual([silent.outcome, silent.logReachable], ['unproved', false]);
  await server.start();
  await assert.rejects(server.query('SELECT 1', [], 'shop'), refused);
  const again = await fence.fence(contextOf(server), 'run-1');
  assert.deepEqual([again.outcome, again.fencedAt], ['proved', fenced.fencedAt]);

  const other = await fence.fence(contextOf(server), 'run-2');
  assert.match(other.evidence[0]!, /^run run-1 fenced it before, at /);
  await assert.rejects(fence.retire(contextOf(server), 'run-2'), /FenceFailed: database shop of .* was fenced by run run-1, not by run-2/);
  assert.deepEqual(await fence.unfence(contextOf(server), 'run-2'), { summary: 'shop is left alone: run run-1 fenced it' });
  await assert.rejects(server.query('SELECT 1', [], 'shop'), refused);
  assert.equal((await fence.retire(contextOf(server), 'run-1')).outcome, 'proved');

  await fence.unfence(contextOf(server), 'run-1');
  assert.equal(await commentOf(server), 'what we live of');
  assert.deepEqual(await server.query('SELECT * FROM orders', [], 'shop'), [], 'what was not committed is gone');
  assert.deepEqual(await fence.unfence(contextOf(server), 'run-1'), { summary: 'it is not fenced' });
  await assert.rejects(fence.retire(contextOf(server), 'run-1'), /FenceFailed: no database of .* is fenced/);
});

test('a user that may not do all of it is named, and what was closed by then is known to an undo', { skip: await postgresMissing() }, async (t) => {
  const server = await startShop(t);
  await server.query(`CREATE ROLE clerk LOGIN PASSWORD '${secret}'; CREATE ROLE fencer LOGIN PASSWORD '${secret}'; GRANT ALL ON DATABASE shop TO clerk`);
  await assert.rejects(fence.fence(contextOf(server, { user: 'clerk' }), 'run-1'), /FenceFailed: the fence may not do what it must: must be owner of database shop/);
  await server.query('SELECT 1', [], 'shop');
  // It owns the database, and may not end the sessions of a superuser.
  await server.query('ALTER DATABASE shop OWNER TO fencer');
  const writer = await server.connect('shop');
  await assert.rejects(fence.fence(contextOf(server, { user: 'fencer' }), 'run-1'), /FenceFailed: nobody new is let in to shop, and sessions of postgres go on: this user may not end them/);
  await writer.query('INSERT INTO orders VALUES (1)');
  await assert.rejects(server.query('SELECT 1', [], 'shop'), refused);
  await fence.unfence(contextOf(server, { user: 'fencer' }), 'run-1');
  assert.equal((await server.query('SELECT 1', [], 'shop')).length, 1);
  await writer.end();
  assert.equal((await fence.fence(contextOf(server, { user: 'fencer' }), 'run-1')).outcome, 'proved');
});

test('a whole server: every database but the one it is commanded from, whatever its name; what somebody else closed is left to them', { skip: await postgresMissing() }, async (t) => {
  const server = await startShop(t);
  const odd = `Bücher "alt" 'x'`;
  await server.query(`CREATE DATABASE ${JSON.stringify(odd).replaceAll('\\"', '""')}`);
  await server.query('CREATE DATABASE attic');
  await server.query('ALTER DATABASE attic WITH ALLOW_CONNECTIONS false');
  const all = contextOf(server, { uses: 'databases' });
  const fenced = await fence.fence(all, 'run-1');
  assert.equal(fenced.outcome, 'proved', fenced.evidence.join('; '));
  for (const database of ['shop', 'postgres', odd, 'attic']) await assert.rejects(server.query('SELECT 1', [], database), /not currently accepting connections/);
  assert.match((await fence.unfence(all, 'run-1')).summary, /^Bücher "alt" 'x', postgres, shop of .* let people in again$/);
  for (const database of ['shop', 'postgres', odd]) await server.query('SELECT 1', [], database);
  await assert.rejects(server.query('SELECT 1', [], 'attic'), /not currently accepting connections/);

  await server.query('CREATE TABLE forgotten (id int)', [], 'template1');
  const doubted = await fence.fence(all, 'run-2');
  assert.equal(doubted.outcome, 'unproved');
  assert.match(doubted.evidence.at(-1)!, /template1 stays open, since the server is commanded from it, and holds tables \(forgotten\)/);
});

test('a standby that has replayed the closing lets nobody in when it is promoted; one that has not is told', { skip: await postgresMissing() }, async (t) => {
  const server = await startShop(t);
  const dataDirectory = join(tempDir(t, 'holdfast-standby-'), 'data');
  await server.run('pg_basebackup', ['-D', dataDirectory, '-R', '-X', 'stream', '-c', 'fast']);
  giveTo(server.account, join(dataDirectory, '..'));
  const standby = await startPostgres(t, { dataDirectory, restoresInto: true });
  await until('the standby to follow', async () => (await server.query(`SELECT FROM pg_stat_replication WHERE state = 'streaming'`)).length === 1);
  assert.match((await fence.fence(contextOf(standby), 'run-1')).evidence.join(), /is in recovery/);
  assert.equal((await fence.probe(contextOf(standby))).takesWrites, false);

  await standby.query('SELECT pg_wal_replay_pause()');
  const doubted = await fence.fence(contextOf(server), 'run-1');
  assert.equal(doubted.outcome, 'unproved');
  assert.match(doubted.evidence.at(-1)!, /standby ".*" has not replayed the closing: promoted, it would take writes/);
  await standby.query('SELECT pg_wal_replay_resume()');
  assert.equal((await fence.fence(contextOf(server), 'run-1')).outcome, 'proved');
  await server.kill();
  await standby.query('SELECT pg_promote()');
  await assert.rejects(standby.query('INSERT INTO orders VALUES (1)', [], 'shop'), refused);
});
