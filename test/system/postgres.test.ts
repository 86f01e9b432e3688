import assert from 'node:assert/strict';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import type { BackupSummary } from '../../workflows/contract.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { PointsPage } from '../../workflows/domain/list-points.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { details } from '../workflows/lab.ts';
import { plantPrograms } from '../harness/planted-programs.ts';
import { postgresMissing, startPostgres, type Postgres } from '../harness/postgres.ts';
import { peopleOf, shippedHere, startSide } from '../harness/shipped-here.ts';
import type { StoreRequest } from '../harness/store-proxy.ts';
import { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';
import { corporateIntelCalls, recoverCorporateIntel } from './corporate-intel.ts';

/** The main runbooks of accubooks, muslim-companion and corporate-intel, as shipped, on real servers: what the first lives on is lost, what the second lives on is corrupt, and the third is lost and has a log. */
const skip = await postgresMissing();
const source = 'database';
const scope = { system: 'accubooks', source, timeline: 't00000001' };

const isPut = ({ method, query }: StoreRequest): boolean => method === 'PUT' && !query.has('retention');
const isGet = ({ method }: StoreRequest): boolean => method === 'GET';
const partIndex = (key: string): number => Number(key.slice(key.lastIndexOf('/') + 1).split('.')[0]);

function writeSystems(stack: SystemStack, { from, to, side }: { from: Postgres; to: Postgres; side: string }): void {
  const uri = ({ port }: Postgres, database: string) => ({ [source]: { uri: `postgres://127.0.0.1:${port}/${database}` } });
  shippedHere(stack, 'accubooks', (file) => {
    Object.assign(file.environments['production']!, { endpoints: uri(from, 'accubooks') });
    Object.assign(file.environments['recovery']!, { endpoints: uri(to, 'accubooks') });
    file.standby.provision[source] = { uses: 'database', directory: join(stack.home, 'accubooks-claim') };
    Object.assign(file.traffic, { sides: { production: '127.0.0.1:1', recovery: side }, health: { path: '/health', watch: '1s' } });
  });
  shippedHere(stack, 'muslim-companion', (file) => {
    Object.assign(file.environments['production']!, { endpoints: uri(from, 'companion') });
    Object.assign(file.environments['staging']!, { endpoints: uri(to, 'companion') });
    file.standby.provision[source] = { uses: 'database', directory: join(stack.home, 'companion-claim') };
    Object.assign(file.traffic, { sides: { production: '127.0.0.1:1', staging: '127.0.0.1:1' } });
  });
}

test('accubooks, muslim-companion and corporate-intel as shipped: their main disasters, with a worker killed in the middle of a base and of each restore, a source in a COPY and a store cut off: another snapshot, no part twice, and the end is right', { skip, timeout: 570_000 }, async (t) => {
  const stack = await SystemStack.start(t);
  const [from, to] = await Promise.all([startPostgres(t), startPostgres(t)]);
  await from.query('CREATE DATABASE accubooks');
  await from.query(`CREATE TABLE users AS SELECT 1 AS id; CREATE TABLE companies AS SELECT 1 AS id; CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 1000);
    CREATE TABLE entries (id bigserial PRIMARY KEY, account int REFERENCES small (id), note text); ALTER TABLE entries ALTER note SET STORAGE plain;
    INSERT INTO entries (account, note) SELECT 1 + i % 1000, repeat(md5(i::text), 50) FROM generate_series(1, 30000) AS i`, [], 'accubooks');
  const [{ oid }] = (await from.query(`SELECT 'entries'::regclass::oid AS oid`, [], 'accubooks')) as [{ oid: number }];
  const ofEntries = (of: StoreRequest, index: number): boolean => of.key.includes(`/parts/${oid}/`) && partIndex(of.key) === index;
  writeSystems(stack, { from, to, side: await startSide(t, 'recovery') });
  const programs = plantPrograms(stack.home, ['accubooks-check', 'accubooks-services', 'check-application', ...corporateIntelCalls]);
  const env = { PATH: `${programs.bin}${delimiter}${process.env['PATH']}` };
  await stack.startWorker(env);

  let backup!: BackupSummary;
  await t.test('backup: its snapshot died with the worker, then with the server in the middle of a COPY, and each time it begins again, and says so; behind a store that cuts its connections it goes on; nothing of a half is listed', async () => {
    const run = stack.handle(lockIds.backup(scope.system));
    const beginsAgain = async (): Promise<string[]> => [...(await details(run)).matchAll(/the snapshot that database was read at is gone \((.*)\): the base begins again/g)].map(([, why]) => why!);
    const held = stack.store.hold((of) => isPut(of) && ofEntries(of, 1));
    const entry = await stack.start('backUpSystem', { system: scope.system, requestedBy: 'system-admin@example.com' });
    await held.reached;
    await stack.killWorker();
    held.release();
    // Of the moment that the sealed base is of, and not of one before.
    await from.query('INSERT INTO small VALUES (1001)', [], 'accubooks');
    const putsOfEntries = (of: StoreRequest): boolean => isPut(of) && of.key.includes(`/parts/${oid}/`);
    const inCopy = stack.store.hold(putsOfEntries);
    await stack.startWorker(env);
    await inCopy.reached;
    await until('its server is in the middle of the COPY', async () => (await from.query(`SELECT FROM pg_stat_progress_copy WHERE command = 'COPY TO' AND relid = $1 AND datname = 'accubooks' AND tuples_processed < 30000`, [oid])).length === 1);
    await from.kill();
    inCopy.release();
    const lost = await until('the run says that it begins again', async () => (await beginsAgain())[1]);
    assert.match(lost, new RegExp(`^SnapshotLost: the session that held the snapshot of backup \\w+ is gone: 127\\.0\\.0\\.1:${from.port}: `));
    stack.store.trouble((of) => (putsOfEntries(of) ? { kind: 'cut' } : undefined));
    await from.start();
    const [{ totals }] = ((await (await stack.start('listRecoveryPoints', { system: scope.system, requestedBy: 'system-admin@example.com' })).result()) as { sources: [PointsPage] }).sources;
    assert.deepEqual(totals, { windows: 0, gaps: 0, rejected: 0 });
    await until('the run says that its store is away', async () => (await run.describe()).raw.pendingActivities?.some(({ activityType, lastFailure }) => activityType?.name === 'dumpGroup' && /store/.test(lastFailure?.message ?? '') && lastFailure?.applicationFailureInfo?.type === 'StoreUnavailable'), 60_000);
    stack.store.trouble(undefined);
    [backup] = (await entry.result()) as [BackupSummary];
    assert.equal(backup.documents, 31_003);
    // A server that takes longer than the pause to come back is waited for once more.
    assert.deepEqual((await beginsAgain()).slice(2).filter((why) => !why.startsWith('SourceUnavailable')), [], 'the last snapshot outlived its store');
    const kept = await stack.keys(layout.backups(scope));
    assert.deepEqual(['plan.json', 'manifest.json'].map((name) => kept.filter((key) => key.endsWith(`/${name}`)).length), [3, 1]);
    await until('no session is left at the source', async () => (await from.query(`SELECT FROM pg_stat_activity WHERE application_name LIKE 'holdfast%'`)).length === 0);
    assert.deepEqual(await stack.open(), []);
  });

  await t.test('accubooks, complete failure: parts that were committed are not read again, and none is there twice; its services run on the new servers', async () => {
    const held = stack.store.hold((of) => isGet(of) && ofEntries(of, 2) && stack.isDoing('restoreGroup'));
    const entry = await stack.start('recoverSystem', { system: scope.system, requestedBy: 'system-admin@example.com' });
    const people = peopleOf(stack, scope.system);
    await people.approve('assess', 'database-admin@example.com');
    await people.confirm('infrastructure', 'system-admin@example.com');
    await held.reached;
    const before = await until('the first part is committed', async () => (await to.query<{ what: string }>('SELECT what FROM holdfast_restore.done WHERE what LIKE $1', [`%/parts/${oid}/%`], 'accubooks')).map(({ what }) => what));
    await stack.killWorker();
    const killedAt = Date.now();
    held.release();
    await stack.startWorker(env);
    await people.approve('approve-switch', 'database-admin@example.com');
    const again = stack.store.seen((of) => isGet(of) && before.some((key) => key.endsWith(of.key)), killedAt);
    assert.deepEqual(again, [], 'what was committed is not fetched again');
    await people.approve('accept-unproved-fence', 'security@example.com');
    await people.confirm('monitor', 'system-admin@example.com');
    const report = (await entry.result()) as RunReport;
    assert.equal(report.outcome, 'done, fence unproved');
    assert.deepEqual([...programs.calls('accubooks-check'), ...programs.calls('accubooks-services')], ['accubooks-check --environment=recovery', 'accubooks-services start --environment=recovery']);
    assert.equal((await fetch(`${stack.file.frontDoor.url}/health`)).headers.get('x-holdfast-side'), 'recovery');
    assert.deepEqual(await to.query(`SELECT (SELECT count(*)::int FROM small) AS small, (SELECT count(*)::int FROM entries) AS entries, (SELECT md5(string_agg(note, '' ORDER BY id)) FROM entries) AS sum`, [], 'accubooks'), await from.query(`SELECT 1001 AS small, 30000 AS entries, (SELECT md5(string_agg(note, '' ORDER BY id)) FROM entries) AS sum`, [], 'accubooks'));
    // The new side has a base of its own, in a timeline of its own.
    const bases = (await stack.keys(layout.backups({ ...scope, timeline: 't00000002' }))).filter((key) => key.endsWith('/manifest.json'));
    assert.equal(bases.length, 1);
    assert.deepEqual(await stack.open(), []);
  });

  await t.test('muslim-companion, corruption: restored to staging by two workers, validated and compared there, two people, then production, where what was there is kept; the next base is of it', async () => {
    const system = 'muslim-companion';
    const [asks, first, second] = ['devops-lead@example.com', 'database-lead@example.com', 'product-owner@example.com'] as const;
    const lives = async (): Promise<unknown> => (await from.query('SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM bookmarks) AS bookmarks, (SELECT count(*)::int FROM users WHERE email IS NULL) AS without', [], 'companion'))[0];
    await from.query('CREATE DATABASE companion');
    await from.query(
      `CREATE TABLE django_migrations (id int PRIMARY KEY); INSERT INTO django_migrations VALUES (1); CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users SELECT i, 'u' || i || '@example.com' FROM generate_series(1, 100) AS i;
       CREATE TABLE bookmarks (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE, verse text); INSERT INTO bookmarks SELECT i, 1 + i % 100, 'verse ' || i FROM generate_series(1, 1000) AS i`,
      undefined,
      'companion',
    );
    const [base] = (await (await stack.start('backUpSystem', { system, requestedBy: asks })).result()) as BackupSummary[];
    assert.equal(base!.documents, 1_101);
    await from.query(`UPDATE users SET email = NULL WHERE id <= 40; DELETE FROM bookmarks WHERE id <= 10; INSERT INTO bookmarks VALUES (5000, 1, 'since')`, undefined, 'companion');
    const inRestore = stack.holdRead('restoreGroup', (key) => key.includes('/parts/'));
    const entry = await stack.start('recoverSystem', { system, requestedBy: asks });
    await stack.killWorkerAt(inRestore, env);
    const people = peopleOf(stack, system);
    const compared = await people.approve('authorize-production');
    const { state } = await stack.run(system);
    assert.match(state.steps.find(({ id }) => id === 'validate')!.summary!, /equal to the base: 3 tables by count and SHA-256 of every row.*migration-state: its question in SQL is answered with 1/);
    assert.match(compared, /the same schema; 2 of 3 tables differ: public\.bookmarks: 1,000 restored, 991 living; 10 missing in what lives, 1 missing in what was restored, 0 differ; public\.users: 100 restored, 100 living; 0 missing in what lives, 0 missing in what was restored, 40 differ/);
    assert.deepEqual(await lives(), { users: 100, bookmarks: 991, without: 40 }, 'production is as it was');
    assert.equal((await from.query(`SELECT datname FROM pg_database WHERE datname LIKE 'companion%'`)).length, 1, 'nothing was written to its server');
    await people.approve('authorize-production', first, second);
    assert.match(await people.approve('authorize-swap'), /companion: about [\d,]+ documents now, 1,101 restored; all that was written since the recovery point will be DISCARDED/);
    assert.deepEqual(await lives(), { users: 100, bookmarks: 991, without: 40 }, 'and still is');
    await people.approve('authorize-swap', first, second);
    const report = (await entry.result()) as RunReport;
    assert.equal(report.outcome, 'done', JSON.stringify(report.state.steps.filter(({ error }) => error)));
    assert.deepEqual(await lives(), { users: 100, bookmarks: 1_000, without: 0 });
    assert.deepEqual(programs.calls('check-application'), ['check-application --environment=production']);
    const [kept] = await from.query<{ datname: string }>(`SELECT datname FROM pg_database WHERE datname LIKE 'companion.replaced-%'`);
    assert.deepEqual(await from.query('SELECT count(*)::int FROM bookmarks WHERE id = 5000', undefined, kept!.datname), [{ count: 1 }], 'what came since is in what was kept');
    const [next] = (await (await stack.start('backUpSystem', { system, requestedBy: asks })).result()) as BackupSummary[];
    assert.deepEqual([next!.timeline, next!.documents], ['t00000002', 1_101]);
  });

  await t.test('corporate-intel: a drill of all its steps but the one that is production’s keeps their times; its server is gone, and is recovered from its base and its log by workers that are killed in the middle of both: the report has the RPO, and the new side is archived', async (st) => await recoverCorporateIntel(st, stack, programs, env));
});
