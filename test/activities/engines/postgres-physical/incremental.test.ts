import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { parse, stringify } from 'yaml';
import type { JobReading, SourceContext } from '../../../../activities/context.ts';
import { postgresPhysicalEngine as engine } from '../../../../activities/engines/postgres-physical/index.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { verifyRecoveryPoint } from '../../../../activities/store/verify.ts';
import { planDisposal } from '../../../../activities/disposal/plan-disposal.ts';
import { planRecovery } from '../../../../activities/plan/plan-recovery.ts';
import { checkReadiness } from '../../../../activities/readiness/check-readiness.ts';
import { findPostgresProgram } from '../../../../activities/tool/find-postgres.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { LogWalk } from '../../../../activities/engines/postgres-physical/log-walk.ts';
import { numberOfName, parseLsn } from '../../../../activities/engines/postgres-physical/segment.ts';
import { findStoredEnd } from '../../../../activities/engines/postgres-physical/stored-end.ts';
import { giveTo } from '../../../../activities/tool/server-account.ts';
import type { BackupSummary } from '../../../../workflows/contract.ts';
import { judgeReadiness } from '../../../../workflows/domain/judge-readiness.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { openerProgram, openerPython } from '../../../harness/opener.ts';
import { backUpPhysical, findPoint, physicalMissing, physicalPlace, physicalRef, physicalTarget, restoreBase, restoreTo, type PhysicalPlace } from '../../../harness/physical-place.ts';
import { processesWith } from '../../../harness/running.ts';
import { mountSmallDisk, whyNoDisks } from '../../../harness/small-disk.ts';
import { until } from '../../../harness/until.ts';

/** Of a table that lies with the others, and of one in a tablespace of its own. */
const rowsOf = "SELECT string_agg(rows, '; ') AS rows FROM (SELECT count(*)::text || ' ' || coalesce(sum(hashtext(t::text)), 0)::text AS rows FROM things AS t UNION ALL SELECT count(*)::text || ' ' || sum(hashtext(a::text))::text FROM apart AS a) AS both_of_them";

async function onTarget({ targetDirectory, targetPort }: PhysicalPlace): Promise<string> {
  const client = new pg.Client({ host: join(targetDirectory, 'socket'), port: targetPort, user: 'postgres', database: 'postgres' });
  await client.connect();
  try {
    return (await client.query<{ rows: string }>(rowsOf)).rows[0]!.rows;
  } finally {
    await client.end();
  }
}

const onSource = async ({ source }: PhysicalPlace): Promise<string> => (await source.query<{ rows: string }>(rowsOf))[0]!.rows;

const fileOf = ({ directory }: PhysicalPlace): string => join(directory, `${physicalRef.system}.yaml`);

/** Everything of the first base but its plan, which nobody needs to restore it, is locked by the seal of what adds to it, as long as that itself is. */
async function sealLocked(place: PhysicalPlace, seal: (locking: SourceContext) => Promise<BackupSummary>): Promise<BackupSummary> {
  const before = readFileSync(fileOf(place), 'utf8');
  const { stores: [store], ...file } = parse(before) as { stores: object[] };
  writeFileSync(fileOf(place), stringify({ ...file, stores: [{ ...store, lock: { retain: '30s' } }] }));
  const locking = await place.open();
  writeFileSync(fileOf(place), before);
  const parent: { key: string; versionId: string }[] = [];
  for await (const version of locking.store.list(layout.backupFolder({ ...physicalRef, timeline: 't00000001', backup: 'i1' }))) if (!/\/plan\.json$/.test(version.key)) parent.push(version);
  const locks = async (): Promise<boolean[]> => [...new Set(await Promise.all(parent.map(async (version) => (await locking.store.lockedUntil(version)) !== null)))];
  assert.ok(parent.length >= 4, `${parent.length} objects`);
  assert.deepEqual(await locks(), [false]);
  const summary = await seal(locking);
  assert.deepEqual(await locks(), [true]);
  return summary;
}

test('incremental bases: what is not set up is refused by name, what is killed goes on, what is joined is what the source had, and a base that is missing is found before anything is touched', { skip: await physicalMissing(), timeout: 300_000 }, async (t) => {
  // Small segments: each base brings some, and what it holds beside them is to show.
  const disk = (await whyNoDisks()) === null ? await mountSmallDisk(mib(400)) : undefined;
  const place = await physicalPlace(t, { receive: true, lock: false, initdb: ['--wal-segsize=1'], targetWithin: disk?.directory });
  // Behind the hook that ends the target's server, which it finds by a file on this disk.
  t.after(async () => await disk?.unmount());
  const context = await place.open();
  const space = join(place.source.directory, 'a "space"');
  mkdirSync(space, { mode: 0o700 });
  giveTo(place.source.account, space);
  await place.source.query(`CREATE TABLESPACE aside LOCATION '${space}'`);
  await place.source.query('CREATE TABLE apart TABLESPACE aside AS SELECT n, md5(n::text) AS text FROM generate_series(1, 5000) AS n');
  await place.source.query("CREATE TABLE things AS SELECT n, repeat(md5(n::text), 20) AS text FROM generate_series(1, 40000) AS n; ALTER TABLE things ADD PRIMARY KEY (n)");

  await t.test('a server in recovery is refused as a source, by name', async () => {
    const signal = join(place.source.dataDirectory, 'standby.signal');
    await place.source.stop();
    writeFileSync(signal, '');
    giveTo(place.source.account, signal);
    await place.source.start();
    const refused = { name: 'Unsupported', message: 'the server is in recovery (a standby, or being restored): its log is another one’s HINT: name the primary in the endpoint' };
    await assert.rejects(backUpPhysical(context, 'i0'), refused);
    await assert.rejects(engine.archiveLog(context, { ...physicalRef, epoch: 0, forMs: 60_000 }), refused);
    await place.source.stop();
    rmSync(signal);
    await place.source.start();
  });

  await t.test('a server that keeps no summaries is refused, and said by the plan, readiness and the check of rights; without a base to add to a full one is taken', async () => {
    await assert.rejects(backUpPhysical(context, 'i0', { incremental: true }), { name: 'Unsupported', message: /summarize_wal = off/ });
    const said = /incremental bases, which a schedule asks for: the server has summarize_wal = off/;
    const planned = async (): Promise<string[]> => [
      ...(await planRecovery({ system: physicalRef.system }, context)).findings.filter(({ message }) => said.test(message)).map(({ effect, hint }) => `${effect}: ${hint}`),
      ...judgeReadiness((await checkReadiness({ system: physicalRef.system }, context)).facts).problems.filter(({ what }) => said.test(what)).map(({ kind, makes, hint }) => `${kind}, ${makes}: ${hint}`),
    ];
    assert.deepEqual(await planned(), [], 'no schedule asks for them');
    const before = readFileSync(fileOf(place), 'utf8');
    writeFileSync(fileOf(place), stringify({ ...parse(before), schedules: { often: { does: 'backup', every: '6h', with: { incremental: true } } } }));
    const asking = await place.open();
    assert.match((await engine.checkRights(asking, 'backup')).missing.join(), said);
    assert.deepEqual(await planned(), ['warns', 'tool, at risk'].map((how) => `${how}: ALTER SYSTEM SET summarize_wal = on; SELECT pg_reload_conf(); then take a full base`));
    await place.source.configure({ summarize_wal: true });
    assert.deepEqual([(await engine.checkRights(asking, 'backup')).missing, await planned()], [[], []]);
    writeFileSync(fileOf(place), before);
    const summary = await backUpPhysical(context, 'i1', { incremental: true });
    assert.match(summary.instead!, /no good base on this timeline/);
  });

  await t.test('pg_basebackup --incremental is killed: begins again; what comes is what changed', async () => {
    await place.source.query('UPDATE apart SET text = text || text WHERE n = 7; UPDATE things SET text = md5(text) WHERE n % 100 = 0; DELETE FROM things WHERE n BETWEEN 20000 AND 21000');
    const plan = await engine.planDump(context, { ...physicalRef, backup: 'i2', epoch: 0, why: 'test', requestedBy: 'test', incremental: true });
    const slow = { ...context, source: { ...context.source, limits: { ...context.source.limits, bytesPerSecond: 2 ** 20 } } };
    const first = engine.dumpGroup(slow, { ...physicalRef, plan, epoch: 0, group: 'cluster' });
    first.catch(() => undefined);
    const { pid, argv } = await until('pg_basebackup', () => processesWith('PGPORT', 'holdfast i2').find((one) => one.argv[0]?.endsWith('pg_basebackup')), 20_000);
    const list = argv.find((one) => one.startsWith('--incremental='))!.slice('--incremental='.length);
    assert.ok(existsSync(list));
    await until('some of it to pass', async () => (await place.source.query('SELECT FROM pg_stat_progress_basebackup WHERE backup_streamed > 0')).length > 0, 20_000, 50);
    process.kill(pid, 'SIGKILL');
    await assert.rejects(first, { name: 'ToolFailed' });
    assert.ok(!existsSync(list), 'the list of the parent’s files is gone');
    const group = await engine.dumpGroup(context, { ...physicalRef, plan, epoch: 0, group: 'cluster' });
    const stays = async (): Promise<string> => (await planDisposal(context, { point: 'i1', evenTheLast: true })).refused.join();
    assert.equal(await stays(), 'backup i2, which is not sealed yet, adds to it');
    const summary = await sealLocked(place, async (locking) => await engine.sealBackup(locking, { ...physicalRef, plan, epoch: 0, groups: [group] }));
    assert.deepEqual([summary.addsTo, summary.instead], ['i1', undefined]);
    assert.equal(await stays(), 'base i2 adds to it: dispose of that one first');
    const full = (await findPoint(context, { point: 'i1' })).base;
    assert.ok(summary.plainBytes < full.plainBytes / 2, `${summary.plainBytes} of ${full.plainBytes} bytes`);
    await place.source.query("INSERT INTO things SELECT n, 'new' FROM generate_series(50001, 50500) AS n; CREATE TABLE more AS SELECT 1 AS one");
    assert.equal((await backUpPhysical(context, 'i3', { incremental: true })).addsTo, 'i2');
  });

  await t.test('a disk without room for all that is joined is refused before anything is touched; one that fills is said, and with room again what is checked stays', async () => {
    if (!disk) return t.diagnostic('no disk can be mounted here');
    const point = await findPoint(context, {});
    const full = (await findPoint(context, { point: 'i1' })).base.plainBytes;
    await (await openProvisioner(context)).provision(context, physicalTarget());
    const prepare = async (): Promise<unknown> => await engine.prepareRestore(context, { target: physicalTarget(), point });
    disk.leave(mib(64) + 2 * full);
    await assert.rejects(prepare(), { name: 'TargetFull', message: /^the disk of 127\.0\.0\.1:\d+ \(\S+\/dr\) has [\d.]+ MiB free, and the base i3 needs about [\d.]+ MiB; 64\.0 MiB are left to the server HINT: make room there/ });
    assert.ok(!existsSync(join(place.targetDirectory, 'data')));
    disk.makeRoom();
    await prepare();
    // While the first is checked.
    const filling = { ...context, progress: ({ phase }: JobReading) => (String(phase).startsWith('check every file') ? disk.leave(mib(30)) : undefined) };
    const restore = async (by: SourceContext): Promise<unknown> => await engine.restoreGroup(by, { target: physicalTarget(), point, group: (await engine.prepareRestore(context, { target: physicalTarget(), point })).groups[0]! });
    await assert.rejects(restore(filling), { name: 'TargetUnavailable', message: /^the disk of 127\.0\.0\.1:\d+ \(\S+\/dr\) is nearly full: [\d.]+ MiB are free, and [\d.]+ MiB are wanted before more is written HINT: make room there: bases that are checked stay/ });
    disk.makeRoom();
    const { links } = JSON.parse(readFileSync(join(place.targetDirectory, 'base.json'), 'utf8')) as { links: string[] };
    assert.deepEqual(links, ['i1']);
  });

  await t.test('pg_combinebackup is killed: what was unpacked and checked stays, and is joined again', async () => {
    const real = (await findPostgresProgram('pg_combinebackup', 17, 'same')).path;
    const killer = join(place.directory, 'pg_combinebackup');
    const output = join(place.targetDirectory, 'data');
    // The real one, killed with its shell as soon as it has written something.
    writeFileSync(killer, `#!/bin/sh\n[ "$1" = --version ] && exec ${real} --version\n${real} "$@" &\nuntil [ -e ${output}/PG_VERSION ] || ! kill -0 $!; do :; done\nkill -9 $! $$\n`);
    chmodSync(killer, 0o755);
    process.env['HOLDFAST_PG_COMBINEBACKUP'] = killer;
    const point = await findPoint(context, {});
    assert.equal(point.base.backup, 'i3');
    await assert.rejects(restoreBase(context, point, physicalTarget()), { name: 'ToolFailed' });
    delete process.env['HOLDFAST_PG_COMBINEBACKUP'];
    assert.deepEqual(readdirSync(join(place.targetDirectory, 'joined')).filter((name) => !name.includes('.')).sort(), ['i1', 'i2', 'i3']);
    place.said.length = 0;
    const { replayed } = await restoreTo(context, {}, physicalTarget());
    assert.ok(place.said.every(({ phase }) => !String(phase).startsWith('unpack')), 'nothing was unpacked twice');
    assert.equal(await onTarget(place), await onSource(place), JSON.stringify(replayed));
    assert.ok(!existsSync(join(place.targetDirectory, 'joined')));
    const [oid] = readdirSync(join(place.targetDirectory, 'data', 'pg_tblspc'));
    assert.equal(readlinkSync(join(place.targetDirectory, 'data', 'pg_tblspc', oid!)), join(place.targetDirectory, 'tablespaces', oid!), 'the copy keeps off the source’s own');
    await (await openProvisioner(context)).remove(context, physicalTarget(), { discard: true });
  });

  await t.test('without Holdfast each comes out as its own tar, and they are joined by hand', async () => {
    const python = await openerPython();
    if ('missing' in python) return t.diagnostic(python.missing);
    const out = join(place.directory, 'opened');
    const env = { AWS_ACCESS_KEY_ID: place.store.accessKeyId, AWS_SECRET_ACCESS_KEY: place.store.secretAccessKey, AWS_DEFAULT_REGION: place.store.region };
    await runTool({ path: python.path }, [openerProgram, '--bucket', 'physical', '--endpoint', place.store.endpoint, '--system', 'physical', '--source', 'main', '--out', out, '--key-file', join(place.directory, 'aes'), '--public-key', join(place.directory, 'public')], { env });
    const oid = /main\.1\.tablespace-(\d+)\.tar/.exec(readdirSync(out).join())![1]!;
    for (const n of [1, 2, 3]) {
      await runTool({ path: '/bin/sh' }, ['-ec', `cd ${out}; mkdir -m 700 ${n} ${n}.space; tar -xf main.${n}.tar -C ${n}; tar -xf main.${n}.tablespace-${oid}.tar -C ${n}.space; rm -rf ${n}/pg_tblspc/${oid}; ln -s ${out}/${n}.space ${n}/pg_tblspc/${oid}; cp main.${n}.backup_manifest ${n}/backup_manifest`]);
    }
    await runTool({ path: (await findPostgresProgram('pg_combinebackup', 17, 'same')).path }, ['--no-sync', '-T', `${join(out, '3.space')}=${join(out, 'space')}`, '-o', join(out, 'data'), ...[1, 2, 3].map((n) => join(out, String(n)))]);
    await runTool({ path: (await findPostgresProgram('pg_verifybackup', 17, 'same')).path }, [join(out, 'data')]);
  });

  const received = new AbortController();
  const archive = place.open(received.signal).then(async (own) => await engine.archiveLog(own, { ...physicalRef, epoch: 0, forMs: 3_600_000 })).catch((error: unknown) => {
    if (!received.signal.aborted) throw error;
  });
  t.after(() => received.abort(new Error('over')));

  await t.test('summaries that the server has let go: a full base instead, which says so', async () => {
    await until('the log to be received', async () => (await findStoredEnd(context, { ...physicalRef, timeline: 't00000001' })) !== undefined, 30_000, 200);
    const summaries = join(place.source.dataDirectory, 'pg_wal', 'summaries');
    const [{ lsn }] = await place.source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn') as [{ lsn: string }];
    await place.source.query('INSERT INTO more VALUES (2); CHECKPOINT');
    await until('that to be summarized', async () => (await place.source.query<{ done: boolean }>('SELECT summarized_lsn > $1 AS done FROM pg_get_wal_summarizer_state()', [lsn]))[0]!.done, 30_000, 100);
    for (const name of readdirSync(summaries)) rmSync(join(summaries, name));
    const summary = await backUpPhysical(context, 'i4', { incremental: true });
    assert.equal(summary.addsTo, undefined);
    assert.match(summary.instead!, /the server has (let go|no summary)/);
  });

  await t.test('a tablespace that the log makes is found in it, in whatever order its segments come', async () => {
    const paths = Array.from({ length: 6 }, (_, n) => join(place.source.directory, `later-${n}`));
    for (const path of paths) {
      mkdirSync(path, { mode: 0o700 });
      giveTo(place.source.account, path);
      await place.source.query(`CREATE TABLESPACE "${path.slice(-7)}" LOCATION '${path}'`);
      await place.source.query("INSERT INTO apart SELECT n, repeat(md5(n::text), 50) FROM generate_series(1, 700) AS n");
    }
    const [{ segment: current }] = await place.source.query<{ segment: string }>('SELECT pg_walfile_name(pg_switch_wal() + 1) AS segment') as [{ segment: string }];
    const wal = join(place.source.dataDirectory, 'pg_wal');
    const names = readdirSync(wal).filter((name) => /^[0-9A-F]{24}$/.test(name) && name < current).sort().reverse();
    assert.ok(names.length > 3);
    const walk = new LogWalk();
    const made = names.flatMap((name) => walk.add(readFileSync(join(wal, name)), numberOfName(name, 2 ** 20)));
    for (const path of paths) assert.ok(made.some((one) => one.path === path), `${path} of ${JSON.stringify(made)}`);
  });

  await t.test('where the path of such a tablespace is taken on this machine, its replay is refused, and the one that is there stays as it is', async () => {
    const spaces = readdirSync(place.source.directory).filter((name) => name.startsWith('later-')).map((name) => join(place.source.directory, name));
    const look = (): string[] => spaces.flatMap((path) => readdirSync(path).map((name) => `${path}/${name} ${statSync(join(path, name)).ino} ${statSync(join(path, name)).mtimeMs}`));
    const before = look();
    assert.equal(before.length, 6);
    const [{ lsn }] = await place.source.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn') as [{ lsn: string }];
    await until('the log to be in the store', async () => ((await findStoredEnd(context, { ...physicalRef, timeline: 't00000001' }))?.lsn ?? 0n) >= parseLsn(lsn), 60_000, 200);
    received.abort(new Error('done'));
    await archive;
    await assert.rejects(restoreTo(context, {}, physicalTarget('run-3')), { name: 'TargetNotEmpty', message: /the log makes a tablespace in \S+later-\d, and there is one of some server on this machine.*HINT: recover on another machine, to a moment before it/ });
    assert.deepEqual(look(), before);
    await (await openProvisioner(context)).remove(context, physicalTarget('run-3'), { discard: true });
  });

  await t.test('a base that is missing is found by verify and before a restore touches anything', async () => {
    const point = await findPoint(context, { point: 'i3' });
    const parent = layout.manifest({ ...physicalRef, timeline: 't00000001', backup: 'i2' });
    for await (const version of context.store.list(parent)) {
      await until('its lock to be over', async () => (await context.store.lockedUntil(version)) === null, 40_000, 250);
      await context.store.deleteVersion(version);
    }
    await assert.rejects(findPoint(context, { point: 'i3' }), /base i3 is not believed: it adds to base i2, which is not there/);
    const { ok, problems } = await verifyRecoveryPoint(context, {});
    assert.ok(!ok && problems.some(({ problem }) => problem === 'it adds to base i2, which is not there'), JSON.stringify(problems));
    await (await openProvisioner(context)).provision(context, physicalTarget('run-2'));
    await assert.rejects(engine.prepareRestore(context, { target: physicalTarget('run-2'), point }), { name: 'ObjectMissing' });
    assert.ok(!existsSync(join(place.targetDirectory, 'data')));
  });
});
