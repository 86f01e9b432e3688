import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { postgresPhysicalEngine as engine } from '../../../../activities/engines/postgres-physical/index.ts';
import { formatLsn, numberAt, numberOfSlice, parseLsn } from '../../../../activities/engines/postgres-physical/segment.ts';
import { findStoredEnd } from '../../../../activities/engines/postgres-physical/stored-end.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { rebuildCatalog } from '../../../../activities/store/read-catalog.ts';
import { readSliceNames } from '../../../../activities/store/slice-names.ts';
import type { ReplayResult } from '../../../../workflows/contract.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { logPositionAt, parseLogPosition } from '../../../../workflows/domain/log-position.ts';
import type { RecoveryTarget } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { startTool } from '../../../../activities/tool/run-tool.ts';
import { startWriter } from '../../../harness/postgres-writer.ts';
import { backUpPhysical, findPoint, physicalMissing, physicalPlace, physicalRef, physicalTarget, restoreTo } from '../../../harness/physical-place.ts';
import { until } from '../../../harness/until.ts';

const scope = { ...physicalRef, timeline: 't00000001' };

test('a log that is received: while rows are written the receiving process, the server and the store are killed, the slot keeps what is not stored, and the latest has every commit without a segment being finished', { skip: await physicalMissing(), timeout: 240_000 }, async (t) => {
  const place = await physicalPlace(t, { receive: true, leastRights: true });
  const { source } = place;
  const context = await place.open();
  await source.pgbench(['-i', '-q', '-s', '1']);

  /** A round of the archive, again and again, as its workflow does. */
  const rounds = (signal: AbortSignal) => (async () => {
    const own = await place.open(signal);
    while (!signal.aborted) {
      await engine.archiveLog(own, { ...physicalRef, epoch: 0, forMs: 3_600_000 }).catch((error: unknown) => {
        if (!signal.aborted && !(error instanceof HoldfastError && error.retryable)) throw error;
      });
    }
  })();
  const storedTo = async (): Promise<bigint> => (await findStoredEnd(context, scope))?.lsn ?? 0n;
  const flushed = async (): Promise<bigint> => parseLsn((await source.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn'))[0]!.lsn);

  const writer = await startWriter(t, source);
  const first = startTool('node', [join(import.meta.dirname, 'receive-rounds.ts')]);
  const ended = assert.rejects(first.done, { name: 'ToolFailed' });
  await until('the archive to begin', async () => (await storedTo()) > 0n, 30_000, 200);
  const load = source.pgbench(['-c', '2', '-T', '4', '-R', '200', '-n']);
  const { end: endOfBase } = await backUpPhysical(context, 'b1');
  // What is received of the segment that is written now counts those before it, and may be stored in the base's last second: it has to lie behind the base even so.
  assert.ok(parseLogPosition(endOfBase).ordinal < numberAt(await flushed(), 16 * 1024 * 1024) - 1, endOfBase);
  process.kill(first.pid, 'SIGKILL');
  await ended;
  await writer.more(50);
  const second = new AbortController();
  const again = rounds(second.signal);
  await load;
  await source.kill();
  await assert.rejects(backUpPhysical(context, 'away'), (error: unknown) => error instanceof HoldfastError && error.type === 'SourceUnavailable' && error.retryable && error.message.includes(`127.0.0.1:${source.port}`));
  await source.start();
  await writer.more(50);
  const known = writer.acknowledged.at(-1)!.id;
  const [moment] = await source.query<{ lsn: string; at: Date }>('SELECT pg_current_wal_flush_lsn()::text AS lsn, clock_timestamp() AS at') as [{ lsn: string; at: Date }];
  const begun = writer.acknowledged.at(-1)!.id + 1;
  await place.store.stop();
  await source.pgbench(['-c', '2', '-t', '100', '-n']);
  await writer.more(50);
  await place.store.start();
  await writer.more(50);
  await writer.stop();
  const end = await flushed();
  await until(`the store to hold the log up to ${formatLsn(end)}`, async () => (await storedTo()) >= end, 60_000, 200);
  const slotAt = async (): Promise<bigint> => parseLsn((await source.query<{ lsn: string }>('SELECT restart_lsn::text AS lsn FROM pg_replication_slots'))[0]!.lsn);
  await until('the server to be told that it may let go of that', async () => (await slotAt()) >= end, 20_000, 200);
  await until('an idle server to be archived to its end, in the middle of a segment', async () => {
    const archived = (await findStoredEnd(context, scope))!;
    return (await engine.readArchiveStatus(context, { timeline: scope.timeline, archivedTo: archived.position, archivedToAt: null })).rpoMs === 0;
  }, 30_000, 500);
  assert.ok((await slotAt()) <= (await storedTo()), 'and of nothing else');
  second.abort(new Error('done'));
  await again.catch(() => undefined);
  assert.equal((await rebuildCatalog(context, physicalRef)).spans.length, 1);

  /** What a point brings: the writer's rows in order, and how many of pgbench. */
  const restored = async (wanted: RecoveryTarget, run: string): Promise<{ replayed: ReplayResult; ids: number[]; rows: string }> => {
    const { replayed } = await restoreTo(context, wanted, physicalTarget(run));
    const client = new pg.Client({ host: join(place.targetDirectory, 'socket'), port: place.targetPort, user: 'postgres', database: 'postgres' });
    await client.connect();
    const { rows: [row] } = await client.query<{ rows: string }>('SELECT count(*) AS rows FROM pgbench_history');
    const ids = (await client.query<{ id: number }>('SELECT id FROM acknowledged ORDER BY id')).rows.map(({ id }) => id);
    await client.end();
    return { replayed, ids, rows: row!.rows };
  };
  await t.test('a place in a segment that came in pieces, and a second, are restored to, and nothing behind them', async () => {
    const remove = async (run: string): Promise<unknown> => await (await openProvisioner(context)).remove(context, physicalTarget(run), { discard: true });
    let pieces = 0;
    for await (const slice of readSliceNames(context.store, scope)) if (!('unreadable' in slice) && numberOfSlice(slice).number === numberAt(parseLsn(moment.lsn), 16 * 1024 * 1024)) pieces += 1;
    assert.ok(pieces > 1, `${pieces} pieces of the segment that ${moment.lsn} lies in`);
    const { ids } = await restored({ point: `lsn:${moment.lsn}` }, 'run-1');
    assert.deepEqual(writer.acknowledged.filter(({ id }) => id <= known && !ids.includes(id)), []);
    assert.ok(ids.at(-1)! <= begun, `${ids.at(-1)}: what was begun behind ${moment.lsn} begins with ${begun + 1}`);
    await remove('run-1');

    const limitAt = new Date(Math.floor(moment.at.getTime() / 1000) * 1000 + 1000);
    const second = await restored({ targetTime: moment.at.toISOString() }, 'run-2');
    assert.deepEqual(second.ids, (await source.query<{ id: number }>('SELECT id FROM acknowledged WHERE pg_xact_commit_timestamp(xmin) < $1 ORDER BY id', [limitAt])).map(({ id }) => id));
    assert.ok(second.ids.at(-1)! >= known && second.ids.at(-1)! < writer.acknowledged.at(-1)!.id && second.replayed.appliedToAt! < limitAt.toISOString(), `${second.ids.at(-1)}, at ${second.replayed.appliedToAt}`);
    await remove('run-2');
  });

  const { replayed, ids, rows } = await restored({}, 'run-3');
  const there = new Set(ids);
  assert.deepEqual(writer.acknowledged.filter(({ id }) => !there.has(id)), [], 'acknowledged, and lost');
  const [all] = await source.query<{ rows: string; last: Date }>('SELECT count(*) AS rows, max(pg_xact_commit_timestamp(xmin)) AS last FROM pgbench_history');
  assert.equal(rows, all!.rows);
  assert.ok(replayed.appliedToAt! >= all!.last.toISOString(), `the end that was reached, ${replayed.appliedToAt}, is the last commit there was or one of the server's own behind it`);

  await t.test('who archives what is received has to be let stream, and who archives what is pushed is not', async () => {
    const { wal } = context.source;
    const streams = (by: 'push' | 'receive'): boolean => engine.grants('archive', { ...context.source, wal: { ...wal, by } }, context.system).commands.includes('ALTER ROLE holdfast REPLICATION');
    assert.deepEqual([streams('receive'), streams('push')], [true, false]);
  });

  await t.test('a right that the user lacks is named for the role that needs it, that of the one database where a fenced server answers too', async () => {
    const missing = async (): Promise<string[]> => (await Promise.all((['backup', 'archive', 'restore', 'read'] as const).map(async (role) => (await engine.checkRights(context, role)).missing.map((right) => `${role} ${right}`)))).flat();
    assert.deepEqual(await missing(), []);
    await source.query('REVOKE EXECUTE ON FUNCTION pg_switch_wal() FROM holdfast', [], 'template1');
    assert.deepEqual(await missing(), ['restore drain: GRANT EXECUTE ON FUNCTION pg_switch_wal() TO holdfast -- in database template1']);
  });

  await t.test('a base ends where it holds all that it holds, and not where it has fetched the log for that: what is logged meanwhile is behind it', async () => {
    const slow = { ...context, source: { ...context.source, limits: { ...context.source.limits, bytesPerSecond: mib(16) } } };
    const phase = async (): Promise<{ phase: string; at: Date } | undefined> => (await source.query<{ phase: string; at: Date }>('SELECT phase, clock_timestamp() AS at FROM pg_stat_progress_basebackup'))[0];
    const taken = backUpPhysical(slow, 'slow');
    await until('files to come', async () => (await phase())?.phase === 'streaming database files', 30_000, 50);
    await source.query("SELECT count(pg_logical_emit_message(false, 'fill', repeat('x', 1048576))) FROM generate_series(1, 64)");
    const from = await until('log to come', async () => await phase().then((now) => (now?.phase === 'transferring wal files' ? now.at.getTime() : undefined)), 30_000, 50);
    let to = from;
    for (let now = await phase(); now; now = await phase()) to = now.at.getTime();
    assert.ok(to - from > 2_500, `log came for ${to - from} ms`);
    const { end } = await taken;
    assert.ok(Date.parse(logPositionAt(end)) < from + 1_000, `${end} of ${new Date(from).toISOString()}`);
  });

  await t.test('what the slot did not keep is a gap, told once; a base behind it closes it', async () => {
    await until('nobody to use the slot', async () => (await source.query('SELECT FROM pg_replication_slots WHERE NOT active')).length === 1, 30_000, 200);
    await source.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots');
    await source.pgbench(['-c', '1', '-t', '10', '-n']);
    await source.query('SELECT pg_switch_wal()');
    await source.query('CHECKPOINT');
    const round = await engine.archiveLog(context, { ...physicalRef, epoch: 0, forMs: 60_000 });
    assert.equal(round.why, 'gap');
    assert.equal((await engine.archiveLog(context, { ...physicalRef, epoch: 0, forMs: 3_000 })).why, 'handover');
    await assert.rejects(findPoint(context, {}), (error: unknown) => error instanceof HoldfastError && error.type === 'ChainBroken');
    await backUpPhysical(context, 'b2');
    assert.equal((await findPoint(context, {})).base.backup, 'b2');
  });
});
