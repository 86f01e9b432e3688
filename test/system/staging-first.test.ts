import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { parse } from 'yaml';
import { createActivities } from '../../activities/index.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import type { SystemFile } from '../../workflows/domain/system.ts';
import { postgresMissing } from '../harness/postgres.ts';
import { database, pgRef, postgresPlace, type PostgresPlace } from '../harness/postgres-place.ts';
import { gateOpen, openLab, stateOf, stepIs, until, type Lab } from '../workflows/lab.ts';

/** What muslim-companion ships for records that were deleted, as it is, on real servers: production on one, staging on another. Its main runbook: postgres.test.ts. */
const skip = await postgresMissing();
const shipped = parse(readFileSync(join(import.meta.dirname, '../../systems/muslim-companion.yaml'), 'utf8')) as SystemFile;
const [asks, first, second] = ['devops-lead@example.com', 'database-lead@example.com', 'product-owner@example.com'];

async function open(t: Parameters<typeof openLab>[0]): Promise<{ lab: Lab; place: PostgresPlace; run: WorkflowHandle }> {
  const place = await postgresPlace(t);
  place.change((file) => {
    file.environments['dr']!.protection = 'staging';
    for (const field of ['approvals', 'people', 'runbook', 'runbooks'] as const) Object.assign(file, { [field]: shipped[field] });
    file.validators = [{ id: 'equality', uses: 'equality' }, { id: 'accounts', uses: 'sql', source: pgRef.source, statement: 'SELECT count(*) FROM users', equals: 100 }];
    file.commands = { 'check-application': { run: { argv: ['true'] } }, 'sample-queries': { run: { argv: ['true'] } } };
  });
  const { control, data, archive, recover } = createActivities({ owner: 'test', reportsDirectory: join(place.directory, 'reports'), temporalUiUrl: null });
  const lab = await openLab(t, { ...control, ...data, ...archive, ...recover });
  await place.source.query(
    `CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users SELECT i, 'u' || i || '@example.com' FROM generate_series(1, 100) AS i;
     CREATE TABLE bookmarks (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE, verse text); INSERT INTO bookmarks SELECT i, 1 + i % 100, 'verse ' || i FROM generate_series(1, 1000) AS i`,
    undefined,
    database,
  );
  return { lab, place, run: lab.run(pgRef.system) };
}

const approve = async (run: WorkflowHandle, gate: string, ...people: string[]): Promise<void> => {
  for (const by of people) await run.executeUpdate('approve', { args: [{ gate, by }] });
};
const lives = async ({ source }: PostgresPlace): Promise<unknown> => (await source.query('SELECT (SELECT count(*)::int FROM users) AS users, (SELECT count(*)::int FROM bookmarks) AS bookmarks, (SELECT count(*)::int FROM users WHERE email IS NULL) AS without', undefined, database))[0];
const summaryOf = ({ steps }: RunState, id: string): string => steps.find((step) => step.id === id)!.summary ?? '';

test('records that somebody deleted: staged, previewed with the keys that they need, two people, and back in production beside what came since', { skip, timeout: 240_000 }, async (t) => {
  const { lab, place, run } = await open(t);
  await (await lab.start('backUpSystem', { system: pgRef.system, requestedBy: asks }, 'entry/backup')).result();
  // With the user went all that were his.
  await place.source.query(`DELETE FROM users WHERE id IN (5, 6); INSERT INTO bookmarks VALUES (5000, 1, 'since')`, undefined, database);
  const started = async (only: string[], id: string): Promise<WorkflowHandle> => await lab.start('recoverSystem', { system: pgRef.system, mode: 'rows', only, requestedBy: asks }, id);
  const alone = await started(['public.bookmarks'], 'entry/alone');
  const paused = await until(run, stepIs('preview', 'failed'));
  assert.match(paused.steps.find(({ id }) => id === 'preview')!.error!.message, /public\.bookmarks: foreign key bookmarks_user_id_fkey would not hold; nothing was written/);
  assert.ok(paused.gates.every(({ status }) => status === 'pending'), 'nobody was asked');
  await run.executeUpdate('abort', { args: [{ by: first }] });
  await assert.rejects(alone.result());
  const entry = await started(['public.bookmarks', 'public.users'], 'entry/both');
  const asked = await until(run, gateOpen('authorize-production'));
  assert.match(asked.gates[0]!.description, /public\.users: 2 rows that are missing will be put back.*public\.bookmarks: 20 rows that are missing will be put back, 0 rows that differ stay as they are, 1 row that came since stay/);
  assert.deepEqual(await lives(place), { users: 98, bookmarks: 981, without: 0 });
  await approve(run, 'authorize-production', first!, second!);
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, partial', JSON.stringify(report.state.steps.filter(({ error }) => error)));
  assert.deepEqual(await lives(place), { users: 100, bookmarks: 1_001, without: 0 });
  assert.match(summaryOf(await stateOf(run).catch(() => report.state), 'restore-records'), /public\.users: 2 put back; public\.bookmarks: 20 put back; what was there before is kept in holdfast\.rows-/);
});
