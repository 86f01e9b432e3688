import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { findPostgresProgram } from '../../activities/tool/find-postgres.ts';
import { stopByPidFile } from '../../activities/tool/start-server.ts';
import type { ArchiveStatus, BackupSummary } from '../../workflows/contract.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { freePort } from '../harness/free-port.ts';
import type { PlantedPrograms } from '../harness/planted-programs.ts';
import { watchArguments } from '../harness/planted-secrets.ts';
import { startPostgres, type Postgres } from '../harness/postgres.ts';
import { peopleOf, shippedHere, startSide } from '../harness/shipped-here.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';

const system = 'corporate-intel';
const source = 'database';

interface Place {
  port: number;
  directory: string;
}

/**
 * As shipped, but for its places, which are this stack's: addresses and users, store, key, directories, front door, and nobody who is told (shipped-here.ts). Its fence logs in as its server's own
 * user, and health is watched for a second. Its log is received, not pushed: the server must not need the command line of this checkout. Objectives, steps, budgets, gates and commands are the file's.
 */
function writeSystem(stack: SystemStack, { port, credentials }: Postgres, { dr, test: drill, side }: { dr: Place; test: Place; side: string }): void {
  const passwordFile = join(stack.home, 'corporate-intel-password');
  writeFileSync(passwordFile, credentials!.password, { mode: 0o600 });
  const endpoints = (at: number) => ({ endpoints: { [source]: { uri: `postgresql://127.0.0.1:${at}/postgres`, credentials: { username: credentials!.username, password: `file:${passwordFile}` } } } });
  shippedHere(stack, system, (file) => {
    for (const [environment, at] of [['production', port], ['dr', dr.port], ['test', drill.port]] as const) Object.assign(file.environments[environment]!, endpoints(at));
    Object.assign(file.sources[source]!, { wal: { by: 'receive' }, archive: { every: '1s' } });
    file.standby.provision[source] = { uses: 'local', directory: dr.directory };
    file.drill!.provision![source] = { uses: 'local', directory: drill.directory };
    file.fence = { [source]: { uses: 'databases' } };
    Object.assign(file.traffic, { sides: { production: '127.0.0.1:1', dr: side }, health: { ...file.traffic.health, watch: '1s' } });
  });
}

/** What its system file calls. */
export const corporateIntelCalls = ['restore-objects', 'restore-configuration', 'verify-data', 'test-application'];

const callsAt = (environment: string): string[] => corporateIntelCalls.map((name) => `${name} --environment=${environment}${name === 'restore-objects' ? ' --buckets=company-data,embeddings,user-uploads' : ''}`);

/**
 * The team's program, for once with its question: by psql, at the port of the environment on 127.0.0.1 and with production's password. What answers is still recovering, and read-only; each index of
 * the table is looked into.
 * @returns what the servers have answered so far.
 */
async function plantVerifyData({ bin, flag }: PlantedPrograms, { major, credentials }: Postgres, ports: { dr: number; test: number }): Promise<() => string[]> {
  const { path } = await findPostgresProgram('psql', major);
  writeFileSync(flag('pgpass'), `127.0.0.1:*:postgres:${credentials!.username}:${credentials!.password}\n`, { mode: 0o600 });
  const answers = flag('answers');
  writeFileSync(answers, '');
  const question = `SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), count(*), (SELECT count(bt_index_check(indexrelid, true)) FROM pg_index WHERE indrelid = 'entries'::regclass) FROM entries`;
  writeFileSync(flag('verify-data'), `#!/bin/sh
set -e
echo "verify-data $*" >> "${flag('calls')}"
case "$1" in --environment=dr) port=${ports.dr};; --environment=test) port=${ports.test};; esac
PGPASSFILE="${join(bin, 'pgpass')}" "${path}" -X -w -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U ${credentials!.username} -d postgres -Atc "${question}" >> "${answers}"
`, { mode: 0o755 });
  return () => readFileSync(answers, 'utf8').split('\n').filter((line) => line !== '');
}

/** @param env - of its workers: they find the programs by it */
export async function recoverCorporateIntel(t: TestContext, stack: SystemStack, programs: PlantedPrograms, env: Record<string, string>): Promise<void> {
  const places: Place[] = [];
  t.after(async () => void (await Promise.all(places.map(async ({ directory }) => await stopByPidFile(join(directory, 'server.pid'), 'SIGKILL')))));
  const parent = tempDir(t, 'holdfast-corporate-intel-');
  chmodSync(parent, 0o755);
  for (const name of ['dr', 'test']) places.push({ port: await freePort(), directory: join(parent, name) });
  const [dr, drill] = places as [Place, Place];
  const from = await startPostgres(t, { auth: true });
  const { password } = from.credentials!;
  // It is in the environment of whatever logs in, and in no argument.
  const listener = watchArguments(t, 'PGPASSWORD', password);
  const answered = await plantVerifyData(programs, from, { dr: dr.port, test: drill.port });
  await from.query('CREATE EXTENSION amcheck; CREATE TABLE entries (id int PRIMARY KEY); INSERT INTO entries SELECT generate_series(1, 1000)');
  writeSystem(stack, from, { dr, test: drill, side: await startSide(t, 'dr') });

  const asks = 'dba@corporate-intel.local';
  const archiveOf = async (): Promise<ArchiveStatus> => ((await (await stack.start('readArchiveStatus', { system, requestedBy: asks })).result()) as { archives: ArchiveStatus[] }).archives[0]!;
  await stack.start('archiveLog', { system, requestedBy: asks });
  // A base that is taken before the slot is there has log behind it that nobody receives.
  await until('the log is received', async () => (await from.query('SELECT FROM pg_replication_slots WHERE active')).length === 1);
  const [backup] = (await (await stack.start('backUpSystem', { system, requestedBy: asks })).result()) as [BackupSummary];
  assert.equal(backup.unproved.length, 0);
  const wroteAt = Date.now();
  await from.query('INSERT INTO entries SELECT generate_series(1001, 2000)');
  await until('the log to be archived to its end', async () => (await archiveOf()).rpoMs === 0, 60_000, 1_000);

  await t.test('a drill: within the hour, each step within its time, and nothing of production is touched', async () => {
    const report = (await (await stack.start('recoverSystem', { system, purpose: 'drill', requestedBy: asks })).result()) as RunReport;
    assert.equal(report.outcome, 'done');
    assert.deepEqual([report.rto.met, report.rpo.met], [true, true]);
    const { steps } = report.state;
    assert.deepEqual(steps.filter(({ elapsedMs, budgetMs }) => budgetMs !== null && elapsedMs > budgetMs).map(({ id }) => id), []);
    // Step 8 is production's. Nobody is told here, and a drill's report comes behind its last step.
    assert.deepEqual(steps.filter(({ state }) => state !== 'done').map(({ id, state }) => `${id} ${state}`), ['fence-primary', 'drain-log', 'switch-traffic', 'communicate', 'protect-standby', 'report'].map((id) => `${id} skipped`));
    assert.deepEqual(corporateIntelCalls.flatMap((name) => programs.calls(name)), callsAt('test'));
    assert.deepEqual(answered(), ['t|on|2000|1'], 'a server that recovers still answers, with what its log brought');
    assert.deepEqual(await from.query('SELECT count(*)::int AS rows FROM entries'), [{ rows: 2000 }]);
  });

  await t.test('--verify-only: the base that is named is restored to a server of its own, looked at, and gone', async () => {
    const report = (await (await stack.start('recoverSystem', { system, purpose: 'drill', runbook: 'verify-only', point: backup.backup, requestedBy: asks })).result()) as RunReport;
    assert.equal(report.outcome, 'done');
    assert.equal(report.points[0]!.base.backup, backup.backup);
    assert.deepEqual(programs.calls('verify-data'), ['verify-data --environment=test', 'verify-data --environment=test']);
    assert.deepEqual(answered().slice(1), ['t|on|1000|1'], 'as it was at its own end');
    assert.ok(!existsSync(join(drill.directory, 'data')) && !existsSync(join(drill.directory, 'server.pid')), 'nothing is left of it');
  });

  await from.kill();
  const diedAt = Date.now();
  assert.match((await archiveOf()).note!, new RegExp(`^the source does not answer, .*127\\.0\\.0\\.1:${from.port}\\b`));
  const inRestore = stack.holdRead('restoreGroup', (key) => key.includes('/parts/'));
  const inReplay = stack.holdRead('replayLog', (key) => key.includes('/slices/'));
  const entry = await stack.start('recoverSystem', { system, requestedBy: asks });
  const people = peopleOf(stack, system);
  await people.approve('assess', 'on-call@corporate-intel.local');
  for (const held of [inRestore, inReplay]) await stack.killWorkerAt(held, env);
  await people.approve('approve-switch', 'incident-commander@corporate-intel.local');
  await people.approve('accept-unproved-fence', 'devops-lead@corporate-intel.local');
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, fence unproved');
  assert.deepEqual(corporateIntelCalls.map((name) => programs.calls(name).at(-1)), callsAt('dr'));
  assert.deepEqual(answered().slice(2), ['t|on|2000|1']);
  // From the last commit, which the recovered server itself names, to the incident.
  const [atLeast, atMost] = [diedAt, wroteAt].map((at) => Date.parse(report.incidentAt) - at) as [number, number];
  assert.ok(atLeast <= report.rpo.achievedMs! && report.rpo.achievedMs! <= atMost && report.rpo.met, `${report.rpo.achievedMs} ms, of ${atLeast} to ${atMost}`);
  const client = new pg.Client({ host: '127.0.0.1', port: dr.port, user: 'postgres', password, database: 'postgres' });
  await client.connect();
  const { rows } = await client.query<{ rows: number }>('SELECT count(*)::int AS rows FROM entries');
  await client.query('INSERT INTO entries VALUES (2001)');
  await client.end();
  assert.equal(rows[0]!.rows, 2000);
  // The row that has just come is more than what an archive that is up to date may lack.
  await until('the new side’s log to be archived to its end', async () => {
    const { timeline, rpoMs } = await archiveOf();
    return timeline === 't00000002' && rpoMs === 0;
  }, 60_000, 1_000);
  const bases = (await stack.keys(layout.backups({ system, source, timeline: 't00000002' }))).filter((key) => key.endsWith('/manifest.json'));
  assert.equal(bases.length, 1, 'and it has a base of its own');
  const seen = listener.seen();
  assert.ok(seen.some((argv) => argv.includes('pg_basebackup')), `pg_basebackup was looked at: ${seen.join('; ')}`);
  assert.deepEqual(seen.filter((argv) => argv.includes(password)), []);
  for (const { type, text } of await stack.histories()) assert.ok(!text.includes(password), `in a history of ${type}`);
  assert.ok(!readFileSync(join(stack.home, 'worker', 'worker.log'), 'utf8').includes(password), 'in the log');
  // It works with servers that go now.
  await stack.stopWorker();
}
