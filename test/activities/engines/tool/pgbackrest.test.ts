import assert from 'node:assert/strict';
import { chmodSync, globSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import pg from 'pg';
import { readGroupIndex, readManifest } from '../../../../activities/engines/base/read-base.ts';
import { toolEngine } from '../../../../activities/engines/tool/index.ts';
import { foreignOf } from '../../../../activities/engines/tool/pgbackrest/restore.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { listRecoveryPoints } from '../../../../activities/store/list-recovery-points.ts';
import { verifyRecoveryPoint } from '../../../../activities/store/verify.ts';
import { findTool, locateTool } from '../../../../activities/tool/find-tool.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { giveTo } from '../../../../activities/tool/server-account.ts';
import { stopByPidFile } from '../../../../activities/tool/start-server.ts';
import { describePoints } from '../../../../workflows/domain/list-points.ts';
import { freePort } from '../../../harness/free-port.ts';
import { postgresMissing, startPostgres, type Postgres } from '../../../harness/postgres.ts';
import { skipWithout } from '../../../harness/required-parts.ts';
import { backUpByTool, restoreByTool, toolPlace, toolPoint, toolTarget, type ToolPlace } from '../../../harness/tool-place.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { until } from '../../../harness/until.ts';

/** The newest that Debian's pgBackRest knows. */
const version = 15;
const skip = locateTool('pgbackrest') ? await postgresMissing(version) : skipWithout('pgbackrest', 'no pgbackrest here (Debian: pgbackrest)');

interface Place extends ToolPlace {
  server: Postgres;
  config: string;
  targetPort: number;
  pgbackrest: (...args: string[]) => Promise<string>;
  /** files in its repository */
  inRepository: (pattern: string) => string[];
}

/** A server that pgBackRest archives and backs up, and a system file over it. */
async function placeFor(t: TestContext): Promise<Place> {
  // Before the directory's own hook, which takes the pid file away.
  t.after(async () => await stopByPidFile(join(home, 'dr', 'server.pid'), 'SIGKILL'));
  const home = tempDir(t);
  chmodSync(home, 0o755);
  const server = await startPostgres(t, { version, settings: { archive_mode: true, archive_command: 'false' } });
  for (const folder of ['repository', 'lock', 'log']) mkdirSync(join(home, 'backrest', folder), { recursive: true, mode: 0o700 });
  const config = join(home, 'backrest', 'pgbackrest.conf');
  writeFileSync(config, [
    '[global]', `repo1-path=${home}/backrest/repository`, 'repo1-cipher-type=aes-256-cbc', `repo1-cipher-pass=${randomBytes(32).toString('hex')}`, 'repo1-retention-full=2',
    'compress-type=zst', 'start-fast=y', `lock-path=${home}/backrest/lock`, `log-path=${home}/backrest/log`,
    '[main]', `pg1-path=${server.dataDirectory}`, `pg1-port=${server.port}`, `pg1-socket-path=${server.socketDirectory}`, 'pg1-user=postgres', '',
  ].join('\n'), { mode: 0o600 });
  giveTo(server.account, join(home, 'backrest'));
  const pgbackrest = async (...args: string[]): Promise<string> => (await runTool('pgbackrest', [`--config=${config}`, '--stanza=main', '--log-level-file=off', ...args], { account: server.account })).stdout;
  await pgbackrest('stanza-create');
  await server.configure({ archive_command: `${findTool('pgbackrest')} --config=${config} --stanza=main --log-level-file=off archive-push %p` });
  const targetPort = await freePort();
  const place = toolPlace(t, { uses: 'pgbackrest', stanza: 'main', config }, (file) => {
    file.environments['production']!.endpoints['files'] = { uri: `postgres://127.0.0.1:${server.port}/postgres` };
    file.environments['dr']!.endpoints['files'] = { uri: `postgres://127.0.0.1:${targetPort}/postgres` };
    file.standby.provision['files'] = { uses: 'local', directory: join(home, 'dr') };
  });
  const inRepository = (pattern: string): string[] => globSync(join(home, 'backrest', 'repository', pattern));
  return { ...place, server, config, targetPort, pgbackrest, inRepository };
}

function flipMiddle(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(path, bytes);
}

async function rowsOf(port: number): Promise<number[]> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query<{ n: number }>('SELECT n FROM kept ORDER BY n')).rows.map(({ n }) => n);
  } finally {
    await client.end();
  }
}

suite('pgBackRest', { skip, timeout: 300_000 }, () => {
  test('backs up in its own repository; a point of ours stands for it, is verified and restored by it, over and over, and promoted', async (t) => {
    const place = await placeFor(t);
    for (const sql of ['CREATE TABLE kept AS SELECT 1 AS n', 'ALTER SYSTEM SET port = 1', 'ALTER SYSTEM SET max_connections = 200']) await place.server.query(sql);
    const context = await place.open();
    const first = await backUpByTool(context, 'b1');
    await place.server.query('INSERT INTO kept VALUES (2)');
    const second = await backUpByTool(context, 'b2');
    await place.server.query('INSERT INTO kept VALUES (3)');
    const [one, two] = [await readManifest(context, toolPoint(first)), await readManifest(context, toolPoint(second))];
    assert.ok(one.origin?.form === 'stream' && two.origin?.form === 'stream');
    assert.match(one.origin.foreign!.label, /^\d{8}-\d{6}F$/);
    assert.match(two.origin.foreign!.label, /^\d{8}-\d{6}F_\d{8}-\d{6}I$/, 'an increment of the first');
    assert.deepEqual([two.origin.program, two.origin.moment], ['pgbackrest', 'end']);
    assert.match(two.origin.toolVersion, /pgBackRest \d/);
    assert.match(second.unproved[0]!.why, /repository of its own/);
    assert.ok(second.storedBytes < 10_000, 'what is stored here says which one it is');
    const points = await listRecoveryPoints(context, { limit: 10 });
    assert.match(describePoints(points).join('\n'), new RegExp(`foreign: ${two.origin.foreign!.label} in the repository of pgbackrest, all of it of the program’s end`));
    assert.ok(place.said.some(({ phase, unit, done }) => /backup by pgbackrest|dump by pgbackrest/.test(phase) && unit === 'bytes' && done > 1_000_000), 'it says how far it is');

    const verified = await verifyRecoveryPoint(context, { backup: 'b2' });
    assert.deepEqual([verified.ok, verified.problems], [true, []]);

    const problemsOf = async (backup: string): Promise<string> => (await verifyRecoveryPoint(context, { backup })).problems.map(({ problem }) => problem).join();
    // One bit of one file in its repository, of which this increment has its own copy.
    const [label, wal] = [two.origin.foreign!.label, foreignOf(await readGroupIndex(context, 'b2', two.groups[0]!), 'b2').wal.stop];
    const largest = place.inRepository(`backup/main/${label}/pg_data/**/*.zst`).sort((x, y) => statSync(y).size - statSync(x).size)[0]!;
    flipMiddle(largest);
    assert.match(await problemsOf('b2'), new RegExp(`pgbackrest verify of stanza main: .*backup: ${label}, status: invalid.*checksum invalid: 1`));
    flipMiddle(largest);
    // The last of the log that it needs: pgBackRest's own verify says nothing of it.
    const [segment] = place.inRepository(`archive/main/*/*/${wal}-*`);
    renameSync(segment!, join(place.directory, 'segment'));
    assert.match(await problemsOf('b2'), new RegExp(`pgBackRest has no WAL segment ${wal} any more, which backup ${label} needs to be consistent`));
    renameSync(join(place.directory, 'segment'), segment!);
    assert.equal(await problemsOf('b2'), '');

    await restoreByTool(context, first);
    assert.deepEqual(await rowsOf(place.targetPort), [1]);
    await restoreByTool(context, second);
    assert.deepEqual(await rowsOf(place.targetPort), [1, 2], 'of the moment at which the backup ended');
    const before = await (await openProvisioner(context)).describe(context);
    // As after a kill: another attempt of the same run begins again, over what is there and serves.
    writeFileSync(join(before.directory, 'tool-restore.json'), readFileSync(join(before.directory, 'tool-restore.json'), 'utf8').replace('"done"', '"begun"'));
    await restoreByTool(context, second);
    assert.notEqual((await (await openProvisioner(context)).describe(context)).pid, before.pid);
    assert.deepEqual(await rowsOf(place.targetPort), [1, 2]);

    const { summary } = await toolEngine.promoteTarget(context, { target: toolTarget });
    assert.match(summary, new RegExp(`PostgreSQL at 127\\.0\\.0\\.1:${place.targetPort}`));
    assert.deepEqual(await rowsOf(place.targetPort), [1, 2]);
    assert.deepEqual((await place.server.query('SELECT n FROM kept ORDER BY n')).length, 3, 'the source is as it was');
  });

  test('what its own retention has removed is no point any more: verify says so, a restore ends before it touches anything; killed, it begins again', async (t) => {
    const place = await placeFor(t);
    const context = await place.open();
    const gone = await backUpByTool(context, 'b1');
    place.use({ uses: 'pgbackrest', stanza: 'main', config: place.config, type: 'full' });
    await place.pgbackrest('--type=full', 'backup');
    await place.pgbackrest('--repo1-retention-full=1', 'expire');
    const verified = await verifyRecoveryPoint(context, { backup: 'b1' });
    assert.equal(verified.ok, false);
    assert.match(verified.problems.map(({ problem }) => problem).join(), /pgBackRest has no backup \d{8}-\d{6}F in stanza main any more/);
    assert.equal(verified.restorable, null);
    await assert.rejects(restoreByTool(context, gone), { type: 'ObjectMissing' });
    // Killed in the middle of its copying; another attempt of the same backup takes it up, and is whole.
    place.said.length = 0;
    const killed = assert.rejects(backUpByTool(await place.open(), 'b2'), { type: 'ToolFailed', message: /SIGKILL/ });
    await until('it to copy', () => place.said.some(({ done, of }) => done > 0 && done < of), 60_000, 5);
    await runTool({ path: 'pkill' }, ['-KILL', '-f', `^${findTool('pgbackrest')} .*--config=${place.config} .*backup$`]);
    await killed;
    await backUpByTool(await place.open(), 'b2');
    const again = await verifyRecoveryPoint(context, { backup: 'b2' });
    assert.deepEqual([again.ok, again.problems], [true, []]);
    const broken = join(place.directory, 'nothing.conf');
    place.use({ uses: 'pgbackrest', stanza: 'main', config: broken });
    await assert.rejects(backUpByTool(await place.open(), 'b3'), { type: 'ToolFailed', message: /^pgbackrest ended with code \d+/ });
  });
});
