import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { parse, stringify } from 'yaml';
import { createActivities } from '../../activities/index.ts';
import type { BackupSummary } from '../../workflows/contract.ts';
import { copyName, keptName } from '../../workflows/domain/beside.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { plantPrograms } from '../harness/planted-programs.ts';
import { postgresMissing } from '../harness/postgres.ts';
import { postgresPlace, type PostgresPlace } from '../harness/postgres-place.ts';
import { gateOpen, openLab, stateOf, stepIs, until, type Lab } from '../workflows/lab.ts';

/** What muslim-companion and accubooks ship beside their main runbooks, as it is, on real servers: production on one, what is restored first on another. Their main runbooks: postgres.test.ts. */
const skip = await postgresMissing();
const source = 'database';

/** As shipped, but for its places: addresses, store, key, directories, and nobody who is told. What is of no environment is in a database of the system's own name. */
function ship(place: PostgresPlace, name: string): void {
  const file = parse(readFileSync(join(import.meta.dirname, '../../systems', `${name}.yaml`), 'utf8')) as SystemFile;
  const { stores, key } = place.file;
  for (const [environment, of] of Object.entries(file.environments)) {
    const [{ port }, database] = environment === 'production' ? [place.source, databaseOf(name)] : [place.target, `${databaseOf(name)}_${environment}`];
    of.endpoints = { [source]: { uri: `postgres://127.0.0.1:${port}/${database}` } };
  }
  file.standby.provision[source] = { uses: 'database', directory: join(place.directory, `${name}-claim`) };
  file.drill!.provision![source] = { uses: 'database', directory: join(place.directory, `${name}-drill`) };
  delete file.notify;
  writeFileSync(join(place.directory, `${name}.yaml`), stringify(Object.assign(file, { stores, key })));
}

const databaseOf = (name: string): string => name.replace('-', '_');
const approve = async (run: WorkflowHandle, gate: string, ...people: string[]): Promise<void> => {
  for (const by of people) await run.executeUpdate('approve', { args: [{ gate, by }] });
};
const asked = async (run: WorkflowHandle, gate: string): Promise<string> => (await until(run, gateOpen(gate))).gates.find((one) => one.gate === gate)!.description;
const summaryOf = ({ steps }: RunState, id: string): string => steps.find((step) => step.id === id)!.summary ?? '';
const done = async (entry: WorkflowHandle, outcome = 'done'): Promise<RunReport> => {
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, outcome, JSON.stringify(report.state.steps.filter(({ error }) => error)));
  return report;
};

test('what muslim-companion and accubooks ship beside their main runbooks', { skip, timeout: 420_000 }, async (t) => {
  const place = await postgresPlace(t);
  const programs = plantPrograms(place.directory, ['check-application', 'sample-queries', 'accubooks-services', 'accubooks-check']);
  const path = process.env['PATH'];
  process.env['PATH'] = `${programs.bin}${delimiter}${path}`;
  t.after(() => void (process.env['PATH'] = path));
  const { control, data, archive, recover } = createActivities({ owner: 'test', reportsDirectory: join(place.directory, 'reports'), temporalUiUrl: null });
  const lab: Lab = await openLab(t, { ...control, ...data, ...archive, ...recover });
  let entries = 0;
  const starting = (system: string, requestedBy: string) => async (type: string, input: object = {}): Promise<WorkflowHandle> => await lab.start(type, { system, requestedBy, ...input }, `entry/${(entries += 1)}`);

  await t.test('muslim-companion', async (st) => {
    const system = 'muslim-companion';
    const [asks, first, second] = ['devops-lead@example.com', 'database-lead@example.com', 'product-owner@example.com'] as const;
    const database = databaseOf(system);
    const run = lab.run(system);
    const start = starting(system, asks);
    ship(place, system);
    await place.source.query(`CREATE DATABASE ${database}`);
    await place.source.query(
      `CREATE TABLE django_migrations (id int PRIMARY KEY); INSERT INTO django_migrations VALUES (1); CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users SELECT i, 'u' || i || '@example.com' FROM generate_series(1, 100) AS i;
       CREATE TABLE bookmarks (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE, verse text); INSERT INTO bookmarks SELECT i, 1 + i % 100, 'verse ' || i FROM generate_series(1, 1000) AS i`,
      undefined,
      database,
    );
    const lives = async (): Promise<unknown> => (await place.source.query('SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM bookmarks) AS bookmarks, (SELECT count(*)::int FROM users WHERE email IS NULL) AS without', undefined, database))[0];
    const [base] = (await (await start('backUpSystem')).result()) as [BackupSummary];

    await st.test('records that somebody deleted: staged, previewed with the keys that they need, two people, and back in production beside what came since', async () => {
      // With the user went all that were his.
      await place.source.query(`DELETE FROM users WHERE id IN (5, 6); INSERT INTO bookmarks VALUES (5000, 1, 'since')`, undefined, database);
      const alone = await start('recoverSystem', { mode: 'rows', only: ['public.bookmarks'] });
      const paused = await until(run, stepIs('preview', 'failed'));
      assert.match(paused.steps.find(({ id }) => id === 'preview')!.error!.message, /public\.bookmarks: foreign key bookmarks_user_id_fkey would not hold; nothing was written/);
      assert.ok(paused.gates.every(({ status }) => status === 'pending'), 'nobody was asked');
      await run.executeUpdate('abort', { args: [{ by: first }] });
      await assert.rejects(alone.result());
      const entry = await start('recoverSystem', { mode: 'rows', only: ['public.bookmarks', 'public.users'] });
      assert.match(await asked(run, 'authorize-production'), /public\.users: 2 rows that are missing will be put back.*public\.bookmarks: 20 rows that are missing will be put back, 0 rows that differ stay as they are, 1 row that came since stay/);
      assert.deepEqual(await lives(), { users: 98, bookmarks: 981, without: 0 });
      await approve(run, 'authorize-production', first, second);
      const report = await done(entry, 'done, partial');
      assert.deepEqual(await lives(), { users: 100, bookmarks: 1_001, without: 0 });
      assert.match(summaryOf(await stateOf(run).catch(() => report.state), 'restore-records'), /public\.users: 2 put back; public\.bookmarks: 20 put back; what was there before is kept in holdfast\.rows-/);
    });

    await st.test('the quarterly drill: the backup that is named, on a server apart, every row and the state of its migrations, its sample queries; nobody is asked, and nothing is left', async () => {
      const { state, points, rto } = await done(await start('recoverSystem', { purpose: 'drill', runbook: 'quarterly-drill', point: base.backup }));
      assert.equal(points[0]!.base.backup, base.backup);
      assert.ok(rto.met);
      assert.deepEqual(state.steps.filter(({ state: is }) => is !== 'done').map(({ id }) => id), ['report'], 'which is written behind the last step');
      assert.match(summaryOf(state, 'validate'), /equal to the base: 3 tables by count and SHA-256 of every row.*migration-state: its question in SQL is answered with 1/);
      assert.deepEqual(programs.calls('sample-queries'), ['sample-queries --environment=test']);
      assert.deepEqual(await place.target.query(`SELECT datname FROM pg_database WHERE datname LIKE '${database}_test%'`), []);
      assert.deepEqual(await lives(), { users: 100, bookmarks: 1_001, without: 0 });
    });
  });

  await t.test('accubooks', async (st) => {
    const system = 'accubooks';
    const [asks, other] = ['database-admin@example.com', 'system-admin@example.com'] as const;
    const run = lab.run(system);
    const start = starting(system, asks);
    ship(place, system);
    await place.source.query(`CREATE DATABASE ${system}`);
    await place.source.query(
      `CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users SELECT i, 'u' || i FROM generate_series(1, 100) AS i; CREATE TABLE companies (id int PRIMARY KEY, name text); INSERT INTO companies SELECT i, 'c' || i FROM generate_series(1, 10) AS i;
       CREATE TABLE invoices (id int PRIMARY KEY, company int NOT NULL REFERENCES companies, total int); INSERT INTO invoices SELECT i, 1 + i % 10, i FROM generate_series(1, 1000) AS i`,
      undefined,
      system,
    );
    const livesIn = async (database: string = system): Promise<unknown> => (await place.source.query('SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM companies WHERE name IS NOT NULL) AS companies, (SELECT sum(total)::int FROM invoices) AS total', undefined, database))[0];
    const spoil = async (sql: string): Promise<void> => void (await place.source.query(sql, undefined, system));
    const before = new Map<string, number>();
    /** Since it was last asked. */
    const calls = (): string[] => ['accubooks-services', 'accubooks-check'].flatMap((program) => {
      const all = programs.calls(program);
      const since = before.get(program) ?? 0;
      before.set(program, all.length);
      return all.slice(since);
    });
    const confirmAll = async (step: string): Promise<void> => {
      const { steps } = await until(run, stepIs(step, 'waiting'));
      for (const { id: item } of steps.find(({ id }) => id === step)!.items!) await run.executeUpdate('confirm', { args: [{ step, item, by: other }] });
    };
    const right = { users: 100, companies: 10, total: 500_500 };
    await (await start('backUpSystem')).result();

    await st.test('the restore test behind a backup, and the monthly drill of the whole runbook with the application’s program: on a server apart, proved, and nothing is left; nobody is asked', async () => {
      const passedOver = ({ steps }: RunState): string[] => steps.filter(({ state }) => state !== 'done').map(({ id, state }) => `${id} ${state}`);
      for (const [runbook, skipped] of [['restore-test', []], [undefined, ['infrastructure', 'fence', 'start-services', 'switch', 'protect', 'monitor']]] as const) {
        const { state } = await done(await start('recoverSystem', { purpose: 'drill', ...(runbook ? { runbook } : {}) }));
        assert.deepEqual(passedOver(state), [...skipped, 'report'].map((id) => `${id} skipped`));
        assert.match(summaryOf(state, 'validate'), /equal to the base: 3 tables by count and SHA-256 of every row/);
        assert.deepEqual(await place.target.query(`SELECT datname FROM pg_database WHERE datname LIKE '${system}%'`), []);
      }
      assert.deepEqual([calls(), await livesIn()], [['accubooks-check --environment=test'], right]);
    });

    await st.test('corruption: services stopped before anything else, restored and proved apart, and in the place of what was corrupt, which is kept; then services and their check', async () => {
      await spoil('UPDATE invoices SET total = 0; DELETE FROM users WHERE id > 60');
      const corrupt = { users: 60, companies: 10, total: 0 };
      const given = await start('recoverSystem', { runbook: 'corruption' });
      await until(run, stepIs('assess', 'waiting'));
      await run.executeUpdate('abort', { args: [{ by: other }] });
      await assert.rejects(given.result());
      assert.deepEqual([calls(), await livesIn()], [['stop', 'start'].map((what) => `accubooks-services ${what} --environment=production`), corrupt], 'an abort starts them again');
      const entry = await start('recoverSystem', { runbook: 'corruption' });
      await confirmAll('assess');
      assert.match(await asked(run, 'approve-swap'), /accubooks: about [\d,]+ documents now, 1,110 restored; all that was written since the recovery point will be DISCARDED/);
      assert.deepEqual([calls(), await livesIn()], [['accubooks-services stop --environment=production'], corrupt], 'they are stopped, and what lives is as it was');
      await approve(run, 'approve-swap', other);
      const { state } = await done(entry);
      assert.match(summaryOf(state, 'validate'), /equal to the base: 3 tables by count and SHA-256 of every row.*users-present: its question in SQL is answered with 1 at least; companies-present: its question in SQL is answered with 1 at least/);
      assert.deepEqual([await livesIn(), await livesIn(keptName(system, state.run!))], [right, corrupt]);
      assert.deepEqual(calls(), ['accubooks-services restart --environment=production', 'accubooks-check --environment=production']);
    });

    await st.test('point in time: the newest backup before the moment, in a recovery database that people look into, then in the place of the one that lives', async () => {
      const moment = new Date().toISOString();
      await spoil(`UPDATE companies SET name = NULL WHERE id <= 4; INSERT INTO users VALUES (101, 'since')`);
      const entry = await start('recoverSystem', { runbook: 'point-in-time', targetTime: moment, orBefore: true });
      const waiting = await until(run, stepIs('business-rules', 'waiting'));
      assert.match(summaryOf(waiting, 'compare'), /2 of 3 tables differ: public\.companies: .*4 differ; public\.users: 100 restored, 101 living/);
      const spoiled = { users: 101, companies: 6, total: 500_500 };
      assert.deepEqual([await livesIn(copyName(system, waiting.run!)), await livesIn()], [right, spoiled]);
      await confirmAll('business-rules');
      await asked(run, 'approve-swap');
      await approve(run, 'approve-swap', other);
      const { state, points } = await done(entry);
      assert.equal(points[0]!.timeline, 't00000002', 'the backup that the swap before has left');
      assert.deepEqual([await livesIn(), await livesIn(keptName(system, state.run!))], [right, spoiled]);
      assert.deepEqual(calls(), ['accubooks-services restart --environment=production', 'accubooks-check --environment=production']);
    });

    await st.test('tables: a dry run that people are shown, and the rows of the chosen ones as they were; others stay', async () => {
      await spoil(`UPDATE companies SET name = 'wrong' WHERE id = 3; DELETE FROM users WHERE id > 90; UPDATE invoices SET total = total + 1 WHERE id = 7`);
      const entry = await start('recoverSystem', { mode: 'rows', only: ['public.users', 'public.companies'] });
      const shown = await asked(run, 'approve-tables');
      assert.match(shown, /public\.companies: 0 rows that are missing will be put back, 1 row that differ.* will be as/);
      assert.match(shown, /public\.users: 10 rows that are missing will be put back/);
      assert.deepEqual(await livesIn(), { users: 90, companies: 10, total: 500_501 }, 'tried, and nothing is written');
      await approve(run, 'approve-tables', other);
      await done(entry, 'done, partial');
      assert.deepEqual(await livesIn(), { users: 100, companies: 10, total: 500_501 });
      assert.deepEqual(await place.source.query('SELECT name FROM companies WHERE id = 3', undefined, system), [{ name: 'c3' }]);
    });
  });
});
