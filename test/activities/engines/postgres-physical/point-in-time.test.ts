import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import pg from 'pg';
import { parse, stringify } from 'yaml';
import type { JobReading, SourceContext } from '../../../../activities/context.ts';
import { fetchSegment } from '../../../../activities/engines/postgres-physical/fetch-segment.ts';
import { postgresPhysicalEngine as engine } from '../../../../activities/engines/postgres-physical/index.ts';
import { pushSegment } from '../../../../activities/engines/postgres-physical/push-segment.ts';
import { numberOfName, segmentName } from '../../../../activities/engines/postgres-physical/segment.ts';
import { planRecovery } from '../../../../activities/plan/plan-recovery.ts';
import { checkReadiness } from '../../../../activities/readiness/check-readiness.ts';
import { openFence } from '../../../../activities/traffic/fence.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { findSliceEnd } from '../../../../activities/store/find-resume-position.ts';
import { findPostgresProgram } from '../../../../activities/tool/find-postgres.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { stopByPidFile } from '../../../../activities/tool/start-server.ts';
import { judgeReadiness } from '../../../../workflows/domain/judge-readiness.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { limitOfTargetTime, nextLogPosition } from '../../../../workflows/domain/log-position.ts';
import type { SystemFile } from '../../../../workflows/domain/system.ts';
import { altered } from '../../../harness/altered-store.ts';
import { newSecrets } from '../../../harness/keys.ts';
import { backUpPhysical, physicalMissing, physicalPlace, physicalRef, physicalTarget, restoreTo, type PhysicalPlace } from '../../../harness/physical-place.ts';
import { openerProgram, openerPython } from '../../../harness/opener.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { until } from '../../../harness/until.ts';

const scope = { ...physicalRef, timeline: 't00000001' };

const now = async (place: PhysicalPlace): Promise<Date> => (await place.source.query<{ at: Date }>('SELECT clock_timestamp() AS at'))[0]!.at;

/** How many rows of pgbench the source has that were committed before this moment, by its own book of commits. */
async function committedBefore({ source }: PhysicalPlace, at: string): Promise<number> {
  const [row] = await source.query<{ rows: string }>('SELECT count(*) AS rows FROM pgbench_history WHERE pg_xact_commit_timestamp(xmin) < $1', [at]);
  return Number(row!.rows);
}

async function onTarget<Row extends pg.QueryResultRow>({ targetPort }: PhysicalPlace, sql: string, host = '127.0.0.1'): Promise<Row[]> {
  const client = new pg.Client({ host, port: targetPort, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

const rowsOf = async (place: PhysicalPlace): Promise<number> => Number((await onTarget<{ rows: string }>(place, 'SELECT count(*) AS rows FROM pgbench_history', join(place.targetDirectory, 'socket')))[0]!.rows);

/** The archive holds everything up to this moment. */
const archivedBeyond = async (context: SourceContext, limit: string): Promise<void> => void (await until(`the archive to reach ${limit}`, async () => ((await findSliceEnd(context, scope)) ?? '') >= limit, 60_000, 250));

/** What the copy holds is asked while it waits at the end of its log, in any of its databases. */
async function answersInSql(context: SourceContext, { point }: Awaited<ReturnType<typeof restoreTo>>, rows: number): Promise<void> {
  const ask = async (statement: string, of: { equals: string | number | boolean; database?: string }): Promise<string[]> => {
    context.system.validators = [{ id: 'asked', uses: 'sql', source: physicalRef.source, statement, within: 10_000, effect: 'gate', ...of }];
    const { ok, problems } = await engine.validateTarget(context, { target: physicalTarget(), point, limit: point.limit, validator: 'asked' });
    assert.equal(ok, problems.length === 0);
    return problems;
  };
  const count = 'SELECT count(*) FROM pgbench_history';
  assert.deepEqual(await ask(count, { equals: rows }), []);
  assert.deepEqual(await ask(count, { equals: rows + 1 }), [`it answers with ${rows}, expected ${rows + 1}`]);
  assert.deepEqual(await ask("SELECT current_setting('holdfast.moment')::timestamptz > pg_last_xact_replay_timestamp() - interval '1 second'", { equals: true }), []);
  assert.deepEqual(await ask('SELECT current_database()', { equals: 'template1', database: 'template1' }), []);
  assert.match(String(await ask('DELETE FROM pgbench_history RETURNING 1', { equals: 1 })), /the server refuses the question/);
  await assert.rejects(ask(count, { equals: 0, database: 'nowhere' }), { name: 'NotPermitted', message: /cannot ask database nowhere of the restored server as holdfast/ });
  context.system.validators = [{ id: 'asked', uses: 'equality', effect: 'gate' }];
  await assert.rejects(engine.validateTarget(context, { target: physicalTarget(), point, limit: point.limit, validator: 'asked' }), { name: 'Unsupported' });
}

// All are asked before the first test begins: one that is over meanwhile would end the file.
const [missing17, missing15, missing14] = [await physicalMissing(17), await physicalMissing(15), await physicalMissing(14)];

for (const [version, skip] of [[17, missing17], [15, missing15]] as const) {
  test(`PostgreSQL ${version}: a base and its pushed WAL are restored to a second and to the latest under load, with every row committed before, and no other`, { skip, timeout: 480_000 }, async (t) => {
    const place = await physicalPlace(t, { version, leastRights: true });
    const context = await place.open();
    if (version < 17) await assert.rejects(backUpPhysical(context, 'b0', { incremental: true }), { name: 'Unsupported', message: /the server is PostgreSQL 15: incremental bases begin with 17/ });
    await place.source.pgbench(['-i', '-q', '-s', '1']);
    // What a question in SQL reads.
    await place.source.query('GRANT SELECT ON pgbench_history TO holdfast');
    const load = place.source.pgbench(['-c', '2', '-T', '8', '-R', '150', '-n']);
    const summary = await backUpPhysical(context, 'b1');
    assert.equal(summary.unproved.length, 0);
    await load;
    const targetTime = new Date((await now(place)).getTime() + 2_000).toISOString();
    await place.source.pgbench(['-c', '2', '-T', '5', '-R', '150', '-n']);
    const [last] = await place.source.query<{ segment: string }>('SELECT pg_walfile_name(pg_switch_wal()) AS segment');
    await until(`segment ${last!.segment} to be archived`, async () => (await place.source.query<{ archived: boolean }>('SELECT last_archived_wal >= $1 AS archived FROM pg_stat_archiver', [last!.segment]))[0]!.archived, 180_000, 250);
    await archivedBeyond(context, limitOfTargetTime(targetTime));

    const limitAt = new Date(Math.floor(Date.parse(targetTime) / 1000) * 1000 + 1000).toISOString();
    const first = await restoreTo(context, { targetTime }, physicalTarget());
    const wanted = await committedBefore(place, limitAt);
    assert.ok(wanted > 0 && wanted < (await committedBefore(place, 'infinity')), `${wanted} rows before the target`);
    assert.equal(await rowsOf(place), wanted, 'every row of the seconds up to the target, and none after');
    assert.ok(first.replayed.appliedToAt! < limitAt && first.replayed.appliedToAt! > summary.endAt, `${first.replayed.appliedToAt} is the last commit before ${limitAt}`);
    assert.ok(first.replayed.slices > 0 && first.replayed.appliedTo !== null);
    await answersInSql(context, first, wanted);
    // A second try finds it done, and says the same.
    assert.deepEqual(await engine.replayLog(context, { target: physicalTarget(), point: first.point, limit: first.point.limit }), first.replayed);
    await (await openProvisioner(context)).remove(context, physicalTarget(), { discard: true });

    const latest = await restoreTo(context, {}, physicalTarget('run-2'));
    const reached = latest.replayed.appliedToAt!;
    const all = await rowsOf(place);
    assert.ok(all >= (await committedBefore(place, reached)), `${all} rows, and those committed before ${reached}`);
    assert.equal(all, await committedBefore(place, 'infinity'), 'pgbench had ended before the last segment');
    // What comes out is compared byte by byte, whatever wrote it.
    if (version === 17) {
      await fetchesByHand(place);
      await opensWithoutUs(t, place);
    }
    await takesOver(t, place, context, latest);
  });
}

/** The system file with what is changed of it, as a worker opens it. */
async function changed(place: PhysicalPlace, change: (file: SystemFile) => void): Promise<SourceContext> {
  const path = join(place.directory, `${physicalRef.system}.yaml`);
  const file = parse(readFileSync(path, 'utf8')) as SystemFile;
  change(file);
  writeFileSync(path, stringify(file));
  return await place.open();
}

test('PostgreSQL 14 as Debian has it, by its own server and the nearest newer programs where its own are not here: restored to a second, and promoted; a configuration beside the data is missed in time, and taken from where people keep it', { skip: missing14, timeout: 240_000 }, async (t) => {
  const directory = tempDir(t);
  const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  await runTool({ path: '/usr/bin/openssl' }, ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate]);
  const place = await physicalPlace(t, { version: 14, configuredOutside: true, tls: { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') } });
  const { source, targetDirectory } = place;
  await source.query("CREATE ROLE holdfast LOGIN SUPERUSER PASSWORD 'right'; CREATE TABLE kept (id int)");
  writeFileSync(join(place.directory, 'password'), 'right');
  const context = await changed(place, ({ environments }) => void Object.assign(environments['dr']!.endpoints['main']!, { credentials: { username: 'holdfast', password: 'file:password' }, tls: { caFile: certificate } }));
  const summary = await backUpPhysical(context, 'b1');
  assert.equal(summary.unproved.length, 0);
  const [postgresConf, hba] = ['postgresql.conf', 'pg_hba.conf'].map((name) => join(source.configDirectory, name)) as [string, string];
  const outside = `${postgresConf} and ${hba} lie outside the data directory of the server, so no base holds them`;
  assert.ok(place.logged.some((message) => message.startsWith(`base of physical/main: ${outside} HINT: keep a copy on the machine of the standby`)), place.logged.join('; '));
  const warned = async (by: SourceContext): Promise<string[]> => [
    ...(await planRecovery({ system: physicalRef.system }, by)).findings.map(({ effect, message }) => `${effect}: ${message}`),
    ...judgeReadiness((await checkReadiness({ system: physicalRef.system }, by)).facts).problems.map(({ makes, what }) => `${makes}: ${what}`),
  ].filter((line) => line.includes('lie outside'));
  assert.deepEqual(await warned(context), [`warns: physical/main: ${outside}`, `at risk: physical/main: ${outside}`]);
  await source.query('INSERT INTO kept VALUES (1)');
  const targetTime = (await now(place)).toISOString();
  await until('the second to be over', async () => Math.floor((await now(place)).getTime() / 1000) > Math.floor(Date.parse(targetTime) / 1000), 5_000, 50);
  // Nothing is committed behind that second, so nothing tells the server that it is over: it is promoted from the end of its log.
  await source.query('CHECKPOINT');
  await source.query('SELECT pg_switch_wal()');
  await archivedBeyond(context, limitOfTargetTime(targetTime));

  const home = join(place.directory, 'etc');
  const keeps = async (): Promise<SourceContext> => await changed(place, ({ standby }) => void Object.assign(standby.provision['main']!, { configuration: home }));
  const keeping = await keeps();
  await assert.rejects(restoreTo(keeping, { targetTime }, physicalTarget()), { name: 'BadSystemFile', message: /etc, which standby\.provision names as its configuration, holds no postgresql\.conf on this machine/ });
  assert.ok(!existsSync(join(targetDirectory, 'data')));
  const { point, replayed } = await restoreTo(context, { targetTime }, physicalTarget());
  const newer = (await findPostgresProgram('pg_verifybackup', 14)).major;
  if (newer > 14) assert.ok(place.logged.some((message) => message.startsWith(`the files of backup b1 are checked by pg_verifybackup ${newer}.`) && message.endsWith('which does not read the WAL of PostgreSQL 14: that is left to the server that replays it')), place.logged.join('; '));
  assert.deepEqual(await onTarget(place, 'SELECT id FROM kept', join(targetDirectory, 'socket')), [{ id: 1 }]);

  const promote = async (by: SourceContext): Promise<string> => {
    const { summary: said, sourceIdentity } = await engine.promoteTarget(by, { target: physicalTarget() });
    assert.match(sourceIdentity, /^\d+\/2$/);
    return said;
  };
  assert.match(await promote(context), /takes writes, as \d+\/2; it archives nothing: archive_mode is off; its base holds no postgresql\.conf and no pg_hba\.conf, so nobody comes in but from this machine; without TLS, and it archives nothing\. Put the source’s into \S+\/dr, stop the server, and promote it again$/);
  // What people put there names the source's own data, and lets nobody in.
  const put = (into: string, access: string): void => {
    for (const name of ['postgresql.conf', 'harness.conf']) copyFileSync(join(source.configDirectory, name), join(into, name));
    writeFileSync(join(into, 'pg_hba.conf'), access);
    for (const name of ['postgresql.conf', 'harness.conf', 'pg_hba.conf']) chmodSync(join(into, name), 0o644);
  };
  const stop = async (): Promise<unknown> => await stopByPidFile(join(targetDirectory, 'server.pid'), 'SIGINT');
  await stop();
  put(targetDirectory, 'local all all reject\nhost all all 127.0.0.1/32 reject\n');
  assert.match(await promote(context), /has been promoted, as \d+\/2; it pushes its log as its source did; nobody saw it take writes, as it refuses holdfast, by its socket: pg_hba\.conf rejects connection [^;]+; at 127\.0\.0\.1:\d+: pg_hba\.conf rejects connection [^;]+$/);
  mkdirSync(home);
  await stop();
  put(home, 'local all all peer\nhostssl all all 127.0.0.1/32 scram-sha-256\n');
  assert.match(await promote(keeping), /takes writes, as \d+\/2; it pushes its log as its source did$/);
  assert.deepEqual(await warned(keeping), []);
  const { timeline } = await engine.startTimeline(keeping, { ...physicalRef, epoch: 0, run: 'run-1', parent: { timeline: point.timeline, limit: point.limit }, environment: 'dr' });
  assert.equal(timeline, 't00000002');
  const proof = await engine.proveArchive(keeping, { ...physicalRef, run: 'run-1', withinMs: 60_000 });
  assert.ok(proof.proved && proof.position > replayed.appliedTo!, 'by TLS, as the endpoint asks');
  assert.deepEqual(await source.query('SELECT id FROM kept'), [{ id: 1 }], 'the copy keeps off the source’s own data');
});

/** Each segment as the server had it, the next ones before they are asked for, and nothing behind the end. */
async function fetchesByHand(place: PhysicalPlace): Promise<void> {
  const wal = join(place.source.dataDirectory, 'pg_wal');
  const names = readdirSync(join(wal, 'archive_status')).filter((name) => /^[0-9A-F]{24}\.done$/.test(name)).map((name) => name.slice(0, 24)).sort();
  assert.ok(names.length >= 2);
  mkdirSync(join(place.directory, 'hand', 'pg_wal'), { recursive: true });
  const to = join(place.directory, 'hand', 'pg_wal', 'RECOVERYXLOG');
  const fetch = async (name: string, ...options: string[]) => await runTool({ path: process.execPath }, [join(import.meta.dirname, '../../../../scripts/holdfast.ts'), 'wal-fetch', name, to, ...options]);
  for (const name of names.slice(-2)) {
    await fetch(name);
    assert.ok(readFileSync(to).equals(readFileSync(join(wal, name))), name);
  }
  const after = segmentName({ timeline: 1, number: numberOfName(names.at(-1)!, 2 ** 24) + 50, bytes: 2 ** 24 });
  await assert.rejects(fetch(after), /ended with code 1\b/);
  process.env['HOLDFAST_SYSTEM'] = 'nowhere';
  await assert.rejects(fetch(names[0]!), /ended with code 126\b/, 'what is no end of the log is not told as one');
  process.env['HOLDFAST_SYSTEM'] = physicalRef.system;

  const otherKey = join(place.directory, 'other-key');
  mkdirSync(otherKey);
  for (const name of [`${physicalRef.system}.yaml`, 'private', 'public', 'access', 'secret']) copyFileSync(join(place.directory, name), join(otherKey, name));
  writeFileSync(join(otherKey, 'aes'), newSecrets()['${AES}']!);
  process.env['HOLDFAST_SYSTEMS'] = otherKey;
  await assert.rejects(fetch(names[0]!), /ended with code 126\b[^]*\bkey\b/);
  process.env['HOLDFAST_SYSTEMS'] = place.directory;
  const opened = await place.open();
  const damaged = altered(opened.store, { getVersion: async (version, options) => {
    const bytes = Buffer.from(await opened.store.getVersion(version, options));
    return version.key.startsWith(layout.slices(scope)) ? bytes.fill(0, bytes.length - 40) : bytes;
  } });
  await assert.rejects(fetchSegment({ ...opened, store: damaged }, { file: names[0]!, to }), { name: 'Tampered' });

  await place.store.stop();
  await assert.rejects(fetch(names[0]!, '--wait', '0s'), /ended with code 126\b[^]*\bstore main\b/);
  rmSync(to);
  const waiting = fetch(names[0]!);
  await place.store.start();
  await waiting;
  assert.ok(readFileSync(to).equals(readFileSync(join(wal, names[0]!))), 'an outage that passes is waited for');
}

/** By the SDK of others alone: the base as the tar that the server sent, the log as the segments that it wrote. */
async function opensWithoutUs(t: TestContext, place: PhysicalPlace): Promise<void> {
  const python = await openerPython();
  if ('missing' in python) return t.diagnostic(python.missing);
  const out = join(place.directory, 'opened');
  const env = { AWS_ACCESS_KEY_ID: place.store.accessKeyId, AWS_SECRET_ACCESS_KEY: place.store.secretAccessKey, AWS_DEFAULT_REGION: place.store.region };
  const { stdout } = await runTool({ path: python.path }, [openerProgram, '--bucket', 'physical', '--endpoint', place.store.endpoint, '--system', 'physical', '--source', 'main', '--out', out, '--key-file', join(place.directory, 'aes'), '--public-key', join(place.directory, 'public')], { env });
  assert.match(stdout, /main\.tar {2}\d+ bytes of PostgreSQL/);
  const listed = (await runTool({ path: '/bin/tar' }, ['-tf', join(out, 'main.tar')])).stdout;
  assert.match(listed, /^PG_VERSION$/m);
  assert.match(listed, /^backup_manifest$/m);
  const wal = join(place.source.dataDirectory, 'pg_wal');
  const opened = readdirSync(join(out, 'wal'));
  assert.ok(opened.length > 0);
  for (const name of opened.filter((one) => existsSync(join(wal, one)))) assert.ok(readFileSync(join(out, 'wal', name)).equals(readFileSync(join(wal, name))), name);
}

/** A row that no segment of the store has yet is there once the fenced server's log was drained, on a copy that lets people in. */
async function drains(place: PhysicalPlace, context: SourceContext, { point, target }: { point: Awaited<ReturnType<typeof restoreTo>>['point']; target: ReturnType<typeof physicalTarget> }): Promise<void> {
  await place.source.query('INSERT INTO pgbench_history (tid, bid, aid, delta) VALUES (7, 777, 7, 7)');
  const fenced = await (await openFence(context)).fence(context, 'run-2');
  assert.deepEqual([fenced.outcome, fenced.logReachable], ['proved', true], fenced.evidence.join('; '));
  await assert.rejects(place.source.query('SELECT 1'), /not currently accepting connections/);
  const said: JobReading[] = [];
  const drained = await engine.drainLog({ ...context, progress: (reading) => void said.push(reading) }, { ...scope, epoch: 0 });
  assert.ok(drained.drained, drained.note);
  assert.ok(said.length > 0 && said.every(({ unit, done, of }) => unit === 'bytes' && done < of), JSON.stringify(said));
  await place.source.query('REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM holdfast', [], 'template1');
  const refused = await engine.drainLog(context, { ...scope, epoch: 0 });
  assert.deepEqual([refused.drained, /permission denied for function pg_switch_wal/.test(refused.note)], [false, true], refused.note);
  await engine.replayLog(context, { target, point, limit: nextLogPosition(drained.to!) });
}

/** The copy is promoted, its log begins another timeline that it pushes itself, and the old server's is refused from then on. */
async function takesOver(t: TestContext, place: PhysicalPlace, context: SourceContext, { point, replayed }: Awaited<ReturnType<typeof restoreTo>>): Promise<void> {
  const target = physicalTarget('run-2');
  await drains(place, context, { point, target });
  const { sourceIdentity } = await engine.promoteTarget(context, { target });
  assert.match(sourceIdentity, /^\d+\/2$/);
  assert.deepEqual(await engine.promoteTarget(context, { target }), await engine.promoteTarget(context, { target }));
  assert.equal((await onTarget(place, 'SELECT FROM pgbench_history WHERE bid = 777')).length, 1, 'what was drained is there');
  await onTarget(place, 'INSERT INTO pgbench_history (tid, bid, aid, delta) VALUES (1, 1, 1, 1)');
  await t.test('what it pushes is a timeline of its own, and the old server’s is refused', async () => {
    const { timeline } = await engine.startTimeline(context, { ...physicalRef, epoch: 0, run: 'run-2', parent: { timeline: point.timeline, limit: point.limit }, environment: 'dr' });
    assert.equal(timeline, 't00000002');
    const proof = await engine.proveArchive(context, { ...physicalRef, run: 'run-2', withinMs: 60_000 });
    assert.ok(proof.proved && proof.position > replayed.appliedTo!);
    const wal = join(place.source.dataDirectory, 'pg_wal');
    const old = readdirSync(wal).filter((name) => /^[0-9A-F]{24}$/.test(name)).sort()[0]!;
    await assert.rejects(pushSegment(context, join(wal, old)), /BadInput|is the log of PostgreSQL timeline 1/);
  });
}
