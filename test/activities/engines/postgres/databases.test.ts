import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import pg from 'pg';
import { copyBeside, dropCopies, nameCopies } from '../../../../activities/engines/postgres/databases/bring-database.ts';
import { postgresEngine } from '../../../../activities/engines/postgres/index.ts';
import { planSwap, swapBack, swapCollections } from '../../../../activities/engines/postgres/databases/swap-databases.ts';
import type { SwapInput } from '../../../../workflows/contract.ts';
import { copyName, keptName, type CopiedCollection } from '../../../../workflows/domain/beside.ts';
import type { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import type { Owner } from '../../../harness/cleanup.ts';
import { postgresMissing } from '../../../harness/postgres.ts';
import { database, inMode, noSessions, pgTarget, postgresPlace, type PostgresPlace } from '../../../harness/postgres-place.ts';
import { until } from '../../../harness/until.ts';

const skip = await postgresMissing();
const restored = `${database}_dr`;
const as = copyName(database, pgTarget.run);
const kept = keptName(database, pgTarget.run);
const point = { copies: [database] } as RecoveryPoint;

/** What was restored has the state of before; what lives has gone wrong since. Its user has what `holdfast access print` says for a restore, and no more. */
async function world(t: Owner): Promise<PostgresPlace> {
  const place = await postgresPlace(t, { beside: true });
  await place.source.query(`CREATE ROLE app LOGIN; ALTER DATABASE ${database} OWNER TO app`);
  await place.source.query(
    `CREATE ROLE clerk; SET ROLE app; CREATE TABLE accounts (id int PRIMARY KEY, balance numeric); INSERT INTO accounts SELECT i, i * 10 FROM generate_series(1, 2000) AS i;
     CREATE TABLE entries (id bigserial PRIMARY KEY, account int REFERENCES accounts, note text); INSERT INTO entries (account, note) SELECT 1 + i % 2000, md5(i::text) FROM generate_series(1, 20000) AS i;
     GRANT SELECT ON accounts TO clerk; CREATE VIEW rich AS SELECT * FROM accounts WHERE balance > 100; SELECT lo_from_bytea(7001, 'a large object'), lo_from_bytea(7002, 'x'); SELECT lo_put(7002, 3000000, 'behind a hole')`,
    undefined,
    database,
  );
  await place.source.query(`CREATE DATABASE ${restored} TEMPLATE ${database}`);
  place.change((file) => void (file.environments['production']!.endpoints['ledger']!.credentials = { username: 'holdfast', password: 'file:aes' }));
  const { source, system } = inMode(await place.open(), 'swap');
  for (const command of postgresEngine.grants('restore', source, system).commands) await place.source.query(String(command).replace(/^GRANT …/, 'GRANT app'));
  await place.source.query(`ALTER DATABASE ${database} SET work_mem = '7MB'; GRANT CONNECT ON DATABASE ${database} TO clerk; ALTER DATABASE ${database} CONNECTION LIMIT 40`);
  await place.source.query('UPDATE accounts SET balance = 0; DELETE FROM entries WHERE id % 2 = 0', undefined, database);
  return place;
}

const sumIn = async ({ source }: PostgresPlace, name: string): Promise<unknown> => (await source.query('SELECT (SELECT sum(balance)::int FROM accounts) AS balance, (SELECT count(*)::int FROM entries) AS entries', undefined, name))[0];
const wrong = { balance: 0, entries: 10_000 };
const right = { balance: 20_010_000, entries: 20_000 };
const databases = async ({ source }: PostgresPlace): Promise<string[]> => (await source.query<{ datname: string }>(`SELECT datname FROM pg_database WHERE datname LIKE 'ledger%' AND datallowconn ORDER BY 1`)).map(({ datname }) => datname);
const swapOf = async (place: PostgresPlace, copies: CopiedCollection[]): Promise<SwapInput> => ({ target: pgTarget, pairs: (await planSwap(await place.open(), { target: pgTarget, copies })).pairs, epoch: 1 });

suite('whole databases of PostgreSQL', { skip, timeout: 180_000 }, () => {
  test('a database is brought in beside what lives, proved, put in its place by one transaction, and back again; nobody who reconnects all the time is in the way', async (t) => {
    const place = await world(t);
    const context = await place.open();
    assert.deepEqual(await nameCopies(context, { point, run: pgTarget.run, mode: 'swap' }), [database]);
    const { copies } = await copyBeside(context, { target: pgTarget, point });
    assert.deepEqual(copies.map(({ ns, as: name, documents }) => [ns, name, documents]), [[database, as, 22_000]]);
    assert.deepEqual([await sumIn(place, as), await sumIn(place, database)], [right, wrong], 'what lives is not touched');
    const opened = async (): Promise<unknown> => (await place.source.query(`SELECT current_setting('work_mem') AS mem, has_database_privilege('clerk', current_database(), 'CONNECT') AS connect, has_table_privilege('clerk', 'accounts', 'SELECT') AS may, (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS "limit", (SELECT count(*)::int FROM pg_largeobject_metadata) AS large`, undefined, as))[0];
    assert.deepEqual(await opened(), { mem: '7MB', connect: true, may: true, limit: 40, large: 2 });
    // As a kill behind its contents leaves it.
    await place.source.query(`ALTER DATABASE "${as}" RESET ALL; ALTER DATABASE "${as}" CONNECTION LIMIT -1; REVOKE CONNECT ON DATABASE "${as}" FROM clerk, PUBLIC`);
    assert.deepEqual((await copyBeside(context, { target: pgTarget, point })).copies, copies, 'an equal copy is adopted');
    assert.deepEqual(await opened(), { mem: '7MB', connect: true, may: true, limit: 40, large: 2 }, 'with all that it was to have');
    await assert.rejects(nameCopies(context, { point, run: pgTarget.run, mode: 'beside' }), /database ledger\.restored-run-1 is there already/);

    const input = await swapOf(place, copies);
    assert.deepEqual([input.pairs[0]!.restoredDocuments, input.pairs[0]!.kept], [22_000, kept]);
    let over = false;
    const application = (async () => {
      let served = 0;
      while (!over) served += await place.source.query('SELECT 1', undefined, database).then(() => 1, () => 0);
      return served;
    })();
    const { heldMs } = await swapCollections(await place.open(), input);
    assert.ok(heldMs < 20_000, `${heldMs} ms`);
    assert.deepEqual([await sumIn(place, database), await sumIn(place, kept)], [right, wrong]);
    assert.deepEqual(await databases(place), [database, restored, kept].sort());
    assert.deepEqual((await swapCollections(await place.open(), input)).strays, [], 'a second try finds it done');
    assert.deepEqual(await sumIn(place, database), right);

    await swapBack(await place.open(), input);
    await swapBack(await place.open(), input);
    over = true;
    assert.ok((await application) > 0);
    assert.deepEqual([await sumIn(place, database), await sumIn(place, as)], [wrong, right]);
    assert.match((await dropCopies(await place.open(), { target: pgTarget, names: [database], copied: copies, epoch: 1 })).summary, /^1 copies of run run-1 were dropped$/);
    assert.deepEqual(await databases(place), [database, restored]);
    await noSessions(place.source);
  });

  test('a copy that was cut off is made anew; one that somebody has written into is no copy any more, and is left; names are names, whatever is in them', async (t) => {
    const place = await world(t);
    const abort = new AbortController();
    const first = copyBeside(await place.open({ signal: abort.signal, progress: ({ phase, done }) => (phase === 'copy beside' && Number(done) > 100_000 ? abort.abort(new Error('killed')) : undefined) }), { target: pgTarget, point });
    await assert.rejects(first, /killed/);
    const { copies } = await copyBeside(await place.open(), { target: pgTarget, point });
    assert.deepEqual(await sumIn(place, as), right);
    await place.source.query('UPDATE accounts SET balance = 1 WHERE id = 1', undefined, as);
    assert.match((await dropCopies(await place.open(), { target: pgTarget, names: [database], copied: copies, epoch: 1 })).summary, /^0 copies of run run-1 were dropped; left, since somebody wrote into them: ledger\.restored-run-1$/);
    // Who asks for the copy again is given an equal one.
    await copyBeside(await place.open(), { target: pgTarget, point });
    assert.deepEqual(await sumIn(place, as), right);
    // As many large objects, and other contents.
    await place.source.query(`SELECT lo_put(7002, 3000000, 'BEHIND')`, undefined, as);
    assert.match((await dropCopies(await place.open(), { target: pgTarget, names: [database], copied: copies, epoch: 1 })).summary, /left, since somebody wrote into them/);
    await copyBeside(await place.open(), { target: pgTarget, point });
    assert.deepEqual(await place.source.query(`SELECT convert_from(lo_get(7002, 3000000, 20), 'UTF8') AS text, length(lo_get(7002)) AS size`, undefined, as), [{ text: 'behind a hole', size: 3_000_013 }]);
    // The next row would be given a number that another has.
    await place.source.query(`SELECT setval('entries_id_seq', 5)`, undefined, as);
    await copyBeside(await place.open(), { target: pgTarget, point });
    assert.deepEqual(await place.source.query(`SELECT last_value::int FROM entries_id_seq`, undefined, as), [{ last_value: 20_000 }]);

    const odd = `O'Brien "x" \\ ä`;
    await place.source.query(`ALTER DATABASE ${database} RENAME TO ${pg.escapeIdentifier(odd)}`);
    place.change((file) => void (file.environments['production']!.endpoints['ledger']!.uri = `postgres://127.0.0.1:${place.source.port}/${encodeURIComponent(odd)}`));
    assert.deepEqual(await nameCopies(await place.open(), { point, run: pgTarget.run, mode: 'swap' }), [odd]);
    const named = await copyBeside(await place.open(), { target: pgTarget, point: { copies: [odd] } as RecoveryPoint });
    const input = await swapOf(place, named.copies);
    await swapCollections(await place.open(), input);
    assert.deepEqual([await sumIn(place, odd), await sumIn(place, keptName(odd, pgTarget.run))], [right, wrong], 'whatever it is called');
    await swapBack(await place.open(), input);
    assert.deepEqual(await sumIn(place, odd), wrong);
  });

  test('the server is killed between keeping people out and the renames: a second try goes on, an undo lets people in; and where nothing lives, the copy takes the name alone', async (t) => {
    const place = await world(t);
    const { copies } = await copyBeside(await place.open(), { target: pgTarget, point });
    const input = await swapOf(place, copies);
    // Somebody whom it may not send away is in what lives: it stands between the two until the kill.
    const killBetween = async (): Promise<void> => {
      const inside = await place.source.connect(database);
      const swapping = swapCollections(await place.open(), input);
      const refused = assert.rejects(swapping, ({ type, hint }: HoldfastError) => type === 'SourceUnavailable' && /^people may be kept out: a retry or an abort lets them in/.test(hint!));
      await until('nobody is let in', async () => (await databases(place)).join() === restored);
      await place.source.kill();
      await refused;
      await inside.end();
      await place.source.start();
      assert.deepEqual(await databases(place), [restored], 'and still is not');
      assert.equal((await place.source.query(`SELECT FROM pg_database WHERE datname = '${kept}'`)).length, 0, 'nothing is renamed');
    };
    await killBetween();
    await swapBack(await place.open(), input);
    assert.deepEqual([await sumIn(place, database), await sumIn(place, as)], [wrong, right]);
    await killBetween();
    await swapCollections(await place.open(), input);
    assert.deepEqual([await sumIn(place, database), await sumIn(place, kept)], [right, wrong]);
    // As a kill behind the renames leaves it.
    await place.source.query(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS false; ALTER DATABASE "${kept}" WITH ALLOW_CONNECTIONS false`);
    await swapCollections(await place.open(), input);
    assert.deepEqual([await sumIn(place, database), await sumIn(place, kept)], [right, wrong]);
    await place.source.query(`ALTER DATABASE ${database} WITH ALLOW_CONNECTIONS false`);
    await swapBack(await place.open(), input);
    assert.deepEqual(await sumIn(place, database), wrong);

    await place.source.query(`DROP DATABASE ${database} WITH (FORCE)`);
    const alone = await swapOf(place, copies);
    assert.deepEqual([alone.pairs[0]!.living, alone.pairs[0]!.livingDocuments], [null, null]);
    await swapCollections(await place.open(), alone);
    assert.deepEqual(await sumIn(place, database), right);
    await swapBack(await place.open(), alone);
    assert.deepEqual(await databases(place), [restored, as].sort());
  });

  test('another database under a name that people saw stops the swap, and nothing is replaced; a user without the rights is told which', async (t) => {
    const place = await world(t);
    const { copies } = await copyBeside(await place.open(), { target: pgTarget, point });
    const input = await swapOf(place, copies);
    await place.source.query(`ALTER DATABASE ${database} RENAME TO other`);
    await place.source.query(`CREATE DATABASE ${database}`);
    await assert.rejects(async () => await swapCollections(await place.open(), input), /ledger is another database than when people approved/);
    assert.deepEqual(await databases(place), [database, restored, as].sort());
    const rights = async (): Promise<unknown> => await postgresEngine.checkRights(inMode(await place.open(), 'swap'), 'restore');
    assert.deepEqual(await rights(), { missing: ['do what postgres may, who owns database ledger or something in it'], tooMuch: [] });
    await place.source.query(`CREATE ROLE plain LOGIN; GRANT pg_write_all_data TO plain`);
    place.change((file) => {
      file.environments['production']!.endpoints['ledger']!.credentials = { username: 'plain', password: 'file:aes' };
    });
    const other = 'run-2';
    assert.deepEqual(await rights(), { missing: ['CREATEDB', 'do what postgres may, who owns database ledger or something in it', 'pg_signal_backend'], tooMuch: ['pg_write_all_data'] });
    await assert.rejects(async () => await nameCopies(await place.open(), { point, run: other, mode: 'swap' }), /the user plain may make no databases/);
    await place.source.query('ALTER ROLE plain CREATEDB');
    await assert.rejects(async () => await nameCopies(await place.open(), { point, run: other, mode: 'swap' }), /the user plain may not rename database ledger: it is another's/);
    assert.deepEqual(await nameCopies(await place.open(), { point, run: other, mode: 'beside' }), [database]);
    await assert.rejects(async () => await nameCopies(await place.open(), { point, run: 'x'.repeat(60), mode: 'beside' }), /has 63 bytes at most/);

    // Whom it may not send away is waited for, and the others are sent away all the same.
    await place.source.query(`CREATE ROLE guest LOGIN; REVOKE pg_write_all_data FROM plain; ALTER DATABASE ${database} OWNER TO plain; ALTER DATABASE "${as}" OWNER TO plain`);
    await assert.rejects(async () => await nameCopies(await place.open(), { point, run: other, mode: 'swap' }), /the user plain may not send away who is in database ledger HINT: GRANT pg_signal_backend TO plain/);
    await place.source.query('GRANT pg_signal_backend TO plain');
    assert.deepEqual(await rights(), { missing: [], tooMuch: [] });
    const superuser = await place.source.connect(database);
    const guest = new pg.Client({ host: place.source.host, port: place.source.port, user: 'guest', database });
    const sentAway = new Promise<void>((resolve) => void guest.on('error', () => resolve()));
    await guest.connect();
    const swapping = swapCollections(await place.open(), await swapOf(place, copies));
    await sentAway;
    assert.deepEqual((await superuser.query('SELECT 1 AS still')).rows, [{ still: 1 }]);
    await superuser.end();
    await swapping;
    assert.deepEqual(await sumIn(place, database), right);
  });
});
