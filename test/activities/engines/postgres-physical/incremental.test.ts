import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import type { SourceContext } from '../../../../activities/context.ts';
import { postgresPhysicalEngine as engine } from '../../../../activities/engines/postgres-physical/index.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { verifyRecoveryPoint } from '../../../../activities/store/verify.ts';
import { findPostgresProgram } from '../../../../activities/tool/find-postgres.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { openerProgram, openerPython } from '../../../harness/opener.ts';
import { backUpPhysical, findPoint, physicalMissing, physicalPlace, physicalRef, physicalTarget, restoreBase, restoreTo, type PhysicalPlace } from '../../../harness/physical-place.ts';
import { processesWith } from '../../../harness/running.ts';
import { until } from '../../../harness/until.ts';

const rowsOf = "SELECT count(*)::text || ' ' || coalesce(sum(hashtext(t::text)), 0)::text AS rows FROM things AS t";

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

test('incremental bases: what is not set up is refused by name, what is killed goes on, what is joined is what the source had, and a base that is missing is found before anything is touched', { skip: await physicalMissing(), timeout: 300_000 }, async (t) => {
  // Small segments: each base brings some, and what it holds beside them is to show.
  const place = await physicalPlace(t, { receive: true, lock: false, initdb: ['--wal-segsize=1'] });
  const context = await place.open();
  await place.source.query("CREATE TABLE things AS SELECT n, repeat(md5(n::text), 20) AS text FROM generate_series(1, 40000) AS n; ALTER TABLE things ADD PRIMARY KEY (n)");

  await t.test('a server that keeps no summaries is refused, and said by the check of rights; without a base to add to a full one is taken', async () => {
    await assert.rejects(backUpPhysical(context, 'b0', { incremental: true }), { name: 'Unsupported', message: /summarize_wal = off/ });
    const schedules = { often: { does: 'backup', with: { incremental: true } } };
    const asking = { ...context, system: { ...context.system, schedules } } as unknown as SourceContext;
    assert.match((await engine.checkRights(asking, 'backup')).missing.join(), /incremental bases, which a schedule asks for: the server has summarize_wal = off/);
    await place.source.configure({ summarize_wal: true });
    assert.deepEqual((await engine.checkRights(asking, 'backup')).missing, []);
    const summary = await backUpPhysical(context, 'b1', { incremental: true });
    assert.match(summary.instead!, /no good base on this timeline/);
  });

  await t.test('pg_basebackup --incremental is killed: begins again; what comes is what changed', async () => {
    await place.source.query('UPDATE things SET text = md5(text) WHERE n % 100 = 0; DELETE FROM things WHERE n BETWEEN 20000 AND 21000');
    const plan = await engine.planDump(context, { ...physicalRef, backup: 'b2', epoch: 0, why: 'test', requestedBy: 'test', incremental: true });
    const slow = { ...context, source: { ...context.source, limits: { ...context.source.limits, bytesPerSecond: 2 ** 20 } } };
    const first = engine.dumpGroup(slow, { ...physicalRef, plan, epoch: 0, group: 'cluster' });
    first.catch(() => undefined);
    const { pid, argv } = await until('pg_basebackup', () => processesWith('PGPORT', String(place.source.port)).find((one) => one.argv[0]?.endsWith('pg_basebackup')), 20_000);
    const list = argv.find((one) => one.startsWith('--incremental='))!.slice('--incremental='.length);
    assert.ok(existsSync(list));
    await until('some of it to pass', () => place.said.some(({ phase, done }) => String(phase).startsWith('incremental base by') && done >= 0), 20_000);
    process.kill(pid, 'SIGKILL');
    await assert.rejects(first, { name: 'ToolFailed' });
    assert.ok(!existsSync(list), 'the list of the parent’s files is gone');
    const group = await engine.dumpGroup(context, { ...physicalRef, plan, epoch: 0, group: 'cluster' });
    const summary = await engine.sealBackup(context, { ...physicalRef, plan, epoch: 0, groups: [group] });
    assert.deepEqual([summary.addsTo, summary.instead], ['b1', undefined]);
    const full = (await findPoint(context, { point: 'b1' })).base;
    assert.ok(summary.plainBytes < full.plainBytes / 2, `${summary.plainBytes} of ${full.plainBytes} bytes`);
    await place.source.query("INSERT INTO things SELECT n, 'new' FROM generate_series(50001, 50500) AS n; CREATE TABLE more AS SELECT 1 AS one");
    assert.equal((await backUpPhysical(context, 'b3', { incremental: true })).addsTo, 'b2');
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
    assert.equal(point.base.backup, 'b3');
    await assert.rejects(restoreBase(context, point, physicalTarget()), { name: 'ToolFailed' });
    delete process.env['HOLDFAST_PG_COMBINEBACKUP'];
    assert.deepEqual(readdirSync(join(place.targetDirectory, 'joined')).sort(), ['b1', 'b2', 'b3']);
    place.said.length = 0;
    const { replayed } = await restoreTo(context, {}, physicalTarget());
    assert.ok(place.said.every(({ phase }) => !String(phase).startsWith('unpack')), 'nothing was unpacked twice');
    assert.equal(await onTarget(place), await onSource(place), JSON.stringify(replayed));
    assert.ok(!existsSync(join(place.targetDirectory, 'joined')));
    await openProvisioner(context).remove(context, physicalTarget(), { discard: true });
  });

  await t.test('without Holdfast each comes out as its own tar, and they are joined by hand', async () => {
    const python = await openerPython();
    if ('missing' in python) return t.diagnostic(python.missing);
    const out = join(place.directory, 'opened');
    const env = { AWS_ACCESS_KEY_ID: place.store.accessKeyId, AWS_SECRET_ACCESS_KEY: place.store.secretAccessKey, AWS_DEFAULT_REGION: place.store.region };
    await runTool({ path: python.path }, [openerProgram, '--bucket', 'physical', '--endpoint', place.store.endpoint, '--system', 'physical', '--source', 'main', '--out', out, '--key-file', join(place.directory, 'aes'), '--public-key', join(place.directory, 'public')], { env });
    for (const n of [1, 2, 3]) await runTool({ path: '/bin/sh' }, ['-c', `mkdir -m 700 ${out}/${n} && tar -xf ${out}/main.${n}.tar -C ${out}/${n}`]);
    await runTool({ path: (await findPostgresProgram('pg_combinebackup', 17, 'same')).path }, ['--no-sync', '-o', join(out, 'data'), ...[1, 2, 3].map((n) => join(out, String(n)))]);
    await runTool({ path: (await findPostgresProgram('pg_verifybackup', 17, 'same')).path }, [join(out, 'data')]);
  });

  await t.test('summaries that the server has let go: a full base instead, which says so', async () => {
    const summaries = join(place.source.dataDirectory, 'pg_wal', 'summaries');
    const [{ lsn }] = await place.source.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn') as [{ lsn: string }];
    await place.source.query('INSERT INTO more VALUES (2); CHECKPOINT');
    await until('that to be summarized', async () => (await place.source.query<{ done: boolean }>('SELECT summarized_lsn > $1 AS done FROM pg_get_wal_summarizer_state()', [lsn]))[0]!.done, 30_000, 100);
    for (const name of readdirSync(summaries)) rmSync(join(summaries, name));
    const summary = await backUpPhysical(context, 'b4', { incremental: true });
    assert.equal(summary.addsTo, undefined);
    assert.match(summary.instead!, /the server has (let go|no summary)/);
  });

  await t.test('a base that is missing is found by verify and before a restore touches anything', async () => {
    const point = await findPoint(context, { point: 'b3' });
    const parent = layout.manifest({ ...physicalRef, timeline: 't00000001', backup: 'b2' });
    for await (const version of context.store.list(parent)) await context.store.deleteVersion(version);
    await assert.rejects(findPoint(context, { point: 'b3' }), /base b3 is not believed: it adds to base b2, which is not there/);
    const { ok, problems } = await verifyRecoveryPoint(context, {});
    assert.ok(!ok && problems.some(({ problem }) => problem === 'it adds to base b2, which is not there'), JSON.stringify(problems));
    await openProvisioner(context).provision(context, physicalTarget('run-2'));
    await assert.rejects(engine.prepareRestore(context, { target: physicalTarget('run-2'), point }), { name: 'ObjectMissing' });
    assert.ok(!existsSync(join(place.targetDirectory, 'data')));
  });
});
