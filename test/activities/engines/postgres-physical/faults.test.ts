import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { postgresPhysicalEngine as engine } from '../../../../activities/engines/postgres-physical/index.ts';
import { pushSegment, sealSegment } from '../../../../activities/engines/postgres-physical/push-segment.ts';
import { numberOfName, segmentName } from '../../../../activities/engines/postgres-physical/segment.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { rebuildCatalog } from '../../../../activities/store/read-catalog.ts';
import type { Store } from '../../../../activities/store/store.ts';
import { runTool } from '../../../../activities/tool/run-tool.ts';
import { readPidFile } from '../../../../activities/tool/start-server.ts';
import { nextLogPosition } from '../../../../workflows/domain/log-position.ts';
import { freePort } from '../../../harness/free-port.ts';
import { backUpPhysical, findPoint, physicalMissing, physicalPlace, physicalRef, physicalTarget, restoreBase, restoreTo, type PhysicalPlace } from '../../../harness/physical-place.ts';
import { startPostgres, type Postgres, type PostgresSettings } from '../../../harness/postgres.ts';
import { processesWith } from '../../../harness/running.ts';
import { startWriter, type PostgresWriter } from '../../../harness/postgres-writer.ts';
import { until } from '../../../harness/until.ts';
import pg from 'pg';

const type = (wanted: string) => (error: unknown) => error instanceof HoldfastError && error.type === wanted;

const spansOf = async (context: SourceContext) => (await rebuildCatalog(context, physicalRef)).spans;

/** Writes a row and has its segment finished. */
async function write({ source }: PhysicalPlace, id: number): Promise<void> {
  await source.query('INSERT INTO kept VALUES ($1)', [id]);
  await source.query('SELECT pg_switch_wal()');
}

const archiver = async ({ source }: PhysicalPlace) => (await source.query<{ failed: string; last: string | null }>('SELECT failed_count AS failed, last_archived_wal AS last FROM pg_stat_archiver'))[0]!;

/** What pushes, or fetches, for the servers of a place. */
function killResidents({ directory }: PhysicalPlace): void {
  const residents = processesWith('HOLDFAST_SYSTEMS', directory).filter(({ argv }) => argv.some((argument) => argument.endsWith('wal/resident.ts')));
  assert.ok(residents.length > 0);
  for (const { pid } of residents) process.kill(pid, 'SIGKILL');
}

/** Everything that the server has finished is pushed. */
async function pushed(place: PhysicalPlace): Promise<void> {
  await until('every finished segment to be pushed', () => readdirSync(join(place.source.dataDirectory, 'pg_wal', 'archive_status')).every((name) => !name.endsWith('.ready')), 90_000, 200);
}

test('whatever is killed in mid-base, mid-push, mid-recovery: it goes on, nothing that was acknowledged is lost, a hole is found before anything is restored', { skip: await physicalMissing(), timeout: 300_000 }, async (t) => {
  const place = await physicalPlace(t, { settings: { archive_timeout: 0 } });
  const context = await place.open();
  await place.source.query('CREATE TABLE kept (id int)');
  let lsn = '';
  let behindGap = '';
  let writer: PostgresWriter;
  /** how many rows had been acknowledged before each of the faults that it writes through */
  const phases: number[] = [];
  const onTarget = async <Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> => {
    const client = new pg.Client({ host: join(place.targetDirectory, 'socket'), port: place.targetPort, user: 'postgres', database: 'postgres' });
    await client.connect();
    const { rows } = await client.query<Row>(sql);
    await client.end();
    return rows;
  };
  const keptOnTarget = async (): Promise<number[]> => (await onTarget<{ id: number }>('SELECT id FROM kept ORDER BY id')).map(({ id }) => id);

  await t.test('pg_basebackup killed: begins again, whole, and says so', async () => {
    const plan = await engine.planDump(context, { ...physicalRef, backup: 'b1', epoch: 0, why: 'test', requestedBy: 'test' });
    const slow = { ...context, source: { ...context.source, limits: { ...context.source.limits, bytesPerSecond: 8 * 2 ** 20 } } };
    const first = engine.dumpGroup(slow, { ...physicalRef, plan, epoch: 0, group: 'cluster' });
    first.catch(() => undefined);
    const { pid } = await until('pg_basebackup', () => processesWith('PGPORT', String(place.source.port)).find(({ argv }) => argv[0]?.endsWith('pg_basebackup')), 20_000);
    await until('some of it to pass', () => place.said.some(({ phase, done }) => String(phase).startsWith('base by') && done > 0), 20_000);
    process.kill(pid, 'SIGKILL');
    await assert.rejects(first, type('ToolFailed'));
    const group = await engine.dumpGroup(context, { ...physicalRef, plan, epoch: 0, group: 'cluster' });
    assert.ok(place.logged.some((message) => /^base of physical\/main by pg_basebackup starts again from the beginning/.test(message)), place.logged.join('; '));
    await engine.sealBackup(context, { ...physicalRef, plan, epoch: 0, groups: [group] });
  });

  await t.test('the same segment again is fine; other bytes, another server’s and half a segment are errors', async () => {
    await write(place, 1);
    await pushed(place);
    const wal = join(place.source.dataDirectory, 'pg_wal');
    const name = (await archiver(place)).last!;
    const before = await spansOf(context);
    assert.equal((await pushSegment(context, join(wal, name))).state, 'known');
    assert.deepEqual(await spansOf(context), before, 'nothing was stored twice');
    mkdirSync(join(place.directory, 'other'));
    const copy = join(place.directory, 'other', name);
    const altered = readFileSync(join(wal, name));
    altered[altered.length - 1]! ^= 1;
    writeFileSync(copy, altered);
    await assert.rejects(pushSegment(context, copy), type('AlreadyExists'));
    altered.writeBigUInt64LE(42n, 24);
    writeFileSync(copy, altered);
    await assert.rejects(pushSegment(context, copy), /this is the log of cluster 42/);
    writeFileSync(copy, altered.subarray(0, 2 ** 20));
    await assert.rejects(pushSegment(context, copy), /it has 1048576 bytes of 16777216/);
    assert.equal((await pushSegment(context, join(wal, `${name}.00000028.backup`))).state, 'not-kept');
    writeFileSync(join(wal, '00000002.history'), '1\t0/5000000\tno recovery target specified\n');
    await assert.rejects(pushSegment(context, join(wal, '00000002.history')), /is the log of PostgreSQL timeline 2 .* it was promoted/);
    rmSync(join(wal, '00000002.history'));
  });

  await t.test('a segment that was sealed before it was asked for is stored as it is, and sealed anew where the file or what lies before it is different by then', async () => {
    // Nobody else pushes meanwhile.
    await place.source.configure({ archive_command: 'false' });
    const bytes = 16 * 2 ** 20;
    const last = numberOfName((await archiver(place)).last!, bytes);
    const behind = (by: number): string => join(place.source.dataDirectory, 'pg_wal', segmentName({ timeline: 1, number: last + by, bytes }));
    for (let by = 1; by <= 3; by += 1) await place.source.query(`CREATE TABLE sealed_${by} (); SELECT pg_switch_wal()`);
    const puts: Uint8Array[] = [];
    const put: Store['put'] = async (key, body, options) => (puts.push(body), await context.store.put(key, body, options));
    const store = new Proxy(context.store, { get: (of, name: keyof Store) => (name === 'put' ? put : (of[name] as () => unknown).bind(of)) });
    const watched = { ...context, store };
    const early = (await sealSegment(watched, behind(2)))!;
    const first = (await sealSegment(watched, behind(1)))!;
    assert.notEqual(puts.at(-1), first.sealed, 'to seal it stores nothing of it');
    assert.equal((await pushSegment(watched, behind(1), first)).state, 'stored');
    assert.equal(puts.at(-1), first.sealed);
    assert.equal((await pushSegment(watched, behind(2), early)).state, 'stored');
    assert.notEqual(puts.at(-1), early.sealed, 'it was sealed behind another one');
    const third = (await sealSegment(watched, behind(3)))!;
    utimesSync(behind(3), new Date(), new Date());
    assert.equal((await pushSegment(watched, behind(3), third)).state, 'stored');
    assert.notEqual(puts.at(-1), third.sealed, 'the file was touched since');
    assert.equal((await pushSegment(watched, behind(3), third)).state, 'known');
    assert.equal((await spansOf(context)).length, 1);
    await place.source.configure({ archive_command: place.archiveCommand });
  });

  await t.test('while rows are written, what pushes them killed, then the store, then the server: every segment comes, in one span', async () => {
    writer = await startWriter(t, place.source);
    phases.push(writer.acknowledged.length);
    await writer.more(50);
    await place.source.query('SELECT pg_switch_wal()');
    killResidents(place);
    await writer.more(50);
    await pushed(place);
    phases.push(writer.acknowledged.length);
    await place.store.stop();
    await writer.more(50);
    const { failed } = await archiver(place);
    for (let id = 2; id <= 4; id += 1) await write(place, id);
    lsn = (await place.source.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!.lsn;
    await write(place, 5);
    await place.source.query("SELECT pg_create_restore_point('before the sixth')");
    await write(place, 6);
    await until('a push to be refused', async () => Number((await archiver(place)).failed) > Number(failed), 60_000, 200);
    phases.push(writer.acknowledged.length);
    await place.source.kill();
    await place.source.start();
    await writer.more(50);
    phases.push(writer.acknowledged.length);
    await place.store.start();
    for (let id = 7; id <= 9; id += 1) await write(place, id);
    await pushed(place);
    assert.equal((await spansOf(context)).length, 1);
    // Beyond the last segment that is finished: what a server that is lost now would take with it.
    await writer.more(50);
    await writer.stop();
  });

  await t.test('job and server killed in mid-recovery: both go on, and every row is there that was acknowledged before what was reached', async () => {
    const point = await findPoint(context, {});
    assert.ok(point.log.slices >= 9);
    await restoreBase(context, point, physicalTarget());
    const aborter = new AbortController();
    const job = { target: physicalTarget(), point, limit: point.limit };
    const doomed = engine.replayLog({ ...context, signal: aborter.signal, progress: ({ done }) => void (done >= 2 && aborter.abort(new Error('killed'))) }, job);
    await assert.rejects(doomed, /killed/);
    const server = readPidFile(join(place.targetDirectory, 'server.pid'))!;
    process.kill(-server.pid, 'SIGKILL');
    // Its children outlive it for a moment, and a server that is started meanwhile is refused: as Temporal does, it is tried again.
    const replayed = await until('the recovery to go on', async () => await engine.replayLog(context, job), 60_000, 500);
    assert.equal(replayed.appliedTo, point.reaches);
    assert.deepEqual(await keptOnTarget(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const there = new Set((await onTarget<{ id: number }>('SELECT id FROM acknowledged')).map(({ id }) => id));
    const before = writer.acknowledged.filter(({ atMs }) => atMs < Date.parse(replayed.appliedToAt!));
    assert.deepEqual(before.filter(({ id }) => !there.has(id)), [], `acknowledged before ${replayed.appliedToAt}, and lost`);
    assert.ok(before.length >= phases.at(-1)! && phases.every((count, index) => count >= (phases[index - 1] ?? -1) + 1), `${before.length} rows, those of every phase among them: ${phases.join(', ')}`);
    assert.ok(there.size < writer.acknowledged.length, 'the last ones were in no segment yet');
    const spool = join(place.targetDirectory, 'wal');
    assert.equal(statSync(spool).mode & 0o777, 0o700);
    assert.deepEqual(readdirSync(spool).filter((name) => !name.startsWith('wanted.')), [], 'nothing of the log is left beside the data');
  });

  await t.test('a place in the log and a named point are stopped at; a name that the log does not hold is told', async () => {
    await (await openProvisioner(context)).remove(context, physicalTarget(), { discard: true });
    await restoreTo(context, { point: 'named:before the sixth' }, physicalTarget('run-2'));
    assert.deepEqual(await keptOnTarget(), [1, 2, 3, 4, 5]);
    await (await openProvisioner(context)).remove(context, physicalTarget('run-2'), { discard: true });
    await restoreTo(context, { point: `lsn:${lsn}` }, physicalTarget('run-3'));
    assert.deepEqual(await keptOnTarget(), [1, 2, 3, 4]);
    await (await openProvisioner(context)).remove(context, physicalTarget('run-3'), { discard: true });
    await assert.rejects(restoreTo(context, { point: 'named:nobody made it' }, physicalTarget('run-4')), /the log ends, and a restore point "nobody made it" is not in it/);
    await assert.rejects(findPoint(context, { point: 'lsn:FF/0' }), type('NoRecoveryPoint'));
  });

  await t.test('segments that were never pushed are a gap: found before a restore begins, and closed by a base', async () => {
    await place.source.configure({ archive_command: '/bin/true' });
    await write(place, 10);
    await pushed(place);
    const lost = join(place.directory, 'other', (await archiver(place)).last!);
    copyFileSync(join(place.source.dataDirectory, 'pg_wal', basename(lost)), lost);
    await place.source.configure({ archive_command: place.archiveCommand });
    behindGap = (await place.source.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!.lsn;
    await write(place, 11);
    await pushed(place);
    const round = await engine.archiveLog(context, { ...physicalRef, epoch: 0, forMs: 60_000 });
    assert.equal(round.why, 'gap');
    assert.match(round.gap!.why, /1 WAL segments? between/);
    await assert.rejects(findPoint(context, {}), type('ChainBroken'));
    assert.equal((await engine.archiveLog(context, { ...physicalRef, epoch: 0, forMs: 1 })).why, 'handover', 'a gap is told once');
    const beforeBase = (await place.source.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn'))[0]!.lsn;
    await backUpPhysical(context, 'b2');
    await write(place, 12);
    await pushed(place);
    assert.equal((await findPoint(context, {})).base.backup, 'b2');
    const status = await engine.readArchiveStatus(context, { timeline: 't00000001', archivedTo: round.archivedTo, archivedToAt: null });
    assert.ok(status.sourceReachable && status.rpoMs !== null);
    assert.equal((await rebuildCatalog(context, physicalRef)).gaps.length, 1);
    assert.equal((await pushSegment(context, lost)).state, 'stored');
    assert.equal((await pushSegment(context, lost)).state, 'known');
    const { spans, gaps } = await rebuildCatalog(context, physicalRef);
    assert.deepEqual([spans.length, gaps], [1, []], 'what fills a gap is taken: nothing is lost any more');
    assert.equal((await findPoint(context, { point: `lsn:${behindGap}` })).base.backup, 'b1', 'from the base before it, through what filled it');
    assert.equal((await findPoint(context, { point: `lsn:${beforeBase}` })).base.backup, 'b1', 'the second base ends in the same segment, behind it');
    const [first, oldest] = [join(place.directory, 'other', segmentName({ timeline: 1, number: 0, bytes: 2 ** 24 })), readFileSync(lost)];
    oldest.writeBigUInt64LE(0n, 8);
    writeFileSync(first, oldest);
    await assert.rejects(pushSegment(context, first), /begins behind WAL segment 0.*rename pg_wal\/archive_status\/0{7}10{16}\.ready to 0{7}10{16}\.done/);
  });

  await t.test('restored by hand with restore_command = wal-fetch: server and resident killed half-way, it goes on to the end; whoever comes later follows its timeline, and takes the next number', async (t) => {
    await (await openProvisioner(context)).remove(context, physicalTarget('run-4'), { discard: true });
    await restoreBase(context, await findPoint(context, { point: `lsn:${behindGap}` }), physicalTarget('run-5'));
    /** A server of a copy of that base, which nobody but itself recovers. */
    const byHand = async (name: string, port: number, settings: PostgresSettings): Promise<Postgres> => {
      const dataDirectory = join(place.directory, name);
      await runTool({ path: '/bin/cp' }, ['-a', join(place.targetDirectory, 'data'), dataDirectory]);
      renameSync(join(dataDirectory, 'standby.signal'), join(dataDirectory, 'recovery.signal'));
      const server = await startPostgres(t, { dataDirectory, port, start: false, settings: { ...settings, restore_command: place.archiveCommand.replace('wal-push %p', 'wal-fetch %f %p') } });
      await server.start();
      return server;
    };
    const rowsOf = async ({ query }: Postgres): Promise<number[]> => (await query<{ id: number }>('SELECT id FROM kept ORDER BY id')).map(({ id }) => id);
    /** Once it takes writes: on which timeline. */
    const promoted = async ({ query }: Postgres): Promise<string> =>
      await until('the recovery to end', async () => (await query<{ file: string }>("SELECT CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS file"))[0]!.file, 60_000, 100);

    const hand = await byHand('hand', place.targetPort, { recovery_target_lsn: lsn, recovery_target_action: 'pause' });
    await until('it to be half-way', async () => (await hand.query<{ state: string }>('SELECT pg_get_wal_replay_pause_state() AS state'))[0]!.state === 'paused', 60_000, 100);
    assert.deepEqual(await rowsOf(hand), [1, 2, 3, 4]);
    const spool = join(hand.dataDirectory, 'holdfast-wal');
    assert.equal(statSync(spool).mode & 0o777, 0o700);
    killResidents(place);
    await hand.kill();
    await hand.configure({ recovery_target_lsn: '' });
    await hand.start();
    assert.equal(await promoted(hand), '00000002');
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
    assert.deepEqual(await rowsOf(hand), all, 'to the end, through what filled the gap');

    const wal = join(hand.dataDirectory, 'pg_wal');
    const history = join(wal, '00000002.history');
    const limit = nextLogPosition((await spansOf(context))[0]!.to);
    await assert.rejects(pushSegment(context, history), /it was promoted/, 'nobody has begun that timeline');
    await engine.startTimeline(context, { ...physicalRef, epoch: 0, run: 'run-5', parent: { timeline: 't00000001', limit }, environment: 'dr' });
    assert.equal((await pushSegment(context, history)).state, 'known', 'its server had told it');
    await write({ ...place, source: hand }, 13);
    await pushed({ ...place, source: hand });

    // Another copy that nobody told of it has the same number, and its log would go on where this one's ends.
    const twin = join(place.directory, 'twin');
    for (const part of ['pg_wal', 'global']) mkdirSync(join(twin, part), { recursive: true });
    copyFileSync(join(hand.dataDirectory, 'global', 'pg_control'), join(twin, 'global', 'pg_control'));
    const last = (await archiver({ ...place, source: hand })).last!;
    const number = numberOfName(last, 2 ** 24) + 1;
    const ahead = join(twin, 'pg_wal', segmentName({ timeline: 2, number, bytes: 2 ** 24 }));
    const next = readFileSync(join(wal, last));
    next.writeBigUInt64LE(BigInt(number) * 2n ** 24n, 8);
    writeFileSync(ahead, next);
    writeFileSync(join(twin, 'pg_wal', '00000002.history'), readFileSync(history, 'utf8').replace(/\t[^\t]+\t/, '\t0/6000000\t'));
    for (const path of [join(twin, 'pg_wal', '00000002.history'), ahead]) await assert.rejects(pushSegment(context, path), (error: unknown) => type('AlreadyExists')(error) && /two servers were promoted to one number/.test(String(error)));

    const later = await byHand('later', await freePort(), { archive_mode: false });
    assert.equal(await promoted(later), '00000003');
    assert.deepEqual(await rowsOf(later), [...all, 13]);
    assert.match(readFileSync(join(later.dataDirectory, 'pg_wal', '00000003.history'), 'utf8'), /^1\t.*\n\n?2\t/, 'it knows of both');
  });
});
