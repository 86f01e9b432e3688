import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { targetPlace, withClient } from '../../../../activities/engines/postgres/connect.ts';
import { copyBeside } from '../../../../activities/engines/postgres/databases/bring-database.ts';
import { postgresEngine } from '../../../../activities/engines/postgres/index.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { requireRoom } from '../../../../activities/store/require-room.ts';
import type { RecoveryPoint } from '../../../../workflows/domain/recovery-point.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { backUpPostgres, database, pgPoint, pgRef, pgTarget, postgresPlace, validatePostgres } from '../../../harness/postgres-place.ts';
import { postgresMissing } from '../../../harness/postgres.ts';
import { mountSmallDisk, whyNoDisks } from '../../../harness/small-disk.ts';

const skip = (await postgresMissing()) || (await whyNoDisks()) || false;

test('a disk that is full, the store’s or the target’s, is said before the first byte and while it fills; with room again, all goes on behind what was done', { skip, timeout: 120_000 }, async (t) => {
  const disk = await mountSmallDisk(mib(512));
  const place = await postgresPlace(t, { target: { within: disk.directory, settings: { max_wal_size: '48MB', min_wal_size: '32MB' } } });
  // Behind the server's own hook, which finds it by a file on this disk.
  t.after(async () => await disk.unmount());
  const { source, target } = place;
  mkdirSync(join(disk.directory, 'store'));
  place.change((file) => void (file.stores = [{ name: 'main', kind: 'local', path: join(disk.directory, 'store') }]));
  for (const table of ['one', 'two']) await source.query(`CREATE TABLE ${table} (id int PRIMARY KEY, filler text NOT NULL); ALTER TABLE ${table} ALTER filler SET STORAGE plain; INSERT INTO ${table} SELECT i, repeat(md5(i::text), 40) FROM generate_series(1, 16000) AS i`, [], database);
  const context = await place.open();

  // While it is written: the store's disk is filled once the plan stands, and has room again for the next try.
  let failed: unknown;
  const summary = await backUpPostgres(place, {
    meanwhile: async (plan) => {
      disk.fill();
      failed = await postgresEngine.dumpGroup(context, { ...pgRef, plan, epoch: 1, group: plan.groups[1]!.group }).catch((error: unknown) => error);
      disk.makeRoom();
    },
  });
  assert.match(String(failed), /^StoreUnavailable: store main: its disk is full: ENOSPC.* HINT: make room on that disk/);
  // Before: by what the newest base was compressed to.
  disk.leave(summary.storedBytes / 2);
  await assert.rejects(requireRoom(context, summary.plainBytes), { type: 'StoreFull', message: /^store main: a base of ledger needs about [\d.]+ [KM]iB, and [\d.]+ [KM]iB of its disk are free HINT: make room on that disk/ });
  disk.makeRoom();
  await requireRoom(context, summary.plainBytes);

  const [point, whole] = [pgPoint(summary), { target: pgTarget, point: pgPoint(summary) }];
  await (await openProvisioner(context)).provision(context, pgTarget);
  disk.leave(mib(64 + 30));
  await assert.rejects(postgresEngine.prepareRestore(context, whole), { type: 'TargetFull', message: /^the disk of 127\.0\.0\.1:\d+ \(\S+\/data\) has [\d.]+ MiB free, and what is restored to ledger_dr needs about [45]\d\.\d MiB; 64\.0 MiB are left to the server HINT: make room there/ });
  assert.deepEqual(await target.query('SELECT FROM pg_database WHERE datname = $1', [`${database}_dr`]), [], 'nothing is made');
  disk.makeRoom();
  const { groups } = await postgresEngine.prepareRestore(context, whole);
  const filling = await place.open({ progress: ({ phase, pieces }) => (phase === 'restore' && Number(pieces) > 0 ? disk.leave(mib(80)) : undefined) });
  const restore = async (by: typeof context): Promise<void> => {
    for (const group of groups) await postgresEngine.restoreGroup(by, { ...whole, group });
  };
  await assert.rejects(restore(filling), { type: 'TargetUnavailable', message: /^the disk of 127\.0\.0\.1:\d+ \(\S+\/data\) is nearly full: [\d.]+ MiB are free, and [\d.]+ MiB are wanted before more is written HINT: make room there: it goes on/ });
  assert.deepEqual(await target.query('SELECT (SELECT count(*)::int FROM one) + (SELECT count(*)::int FROM two) AS rows', [], `${database}_dr`), [{ rows: 16_000 }], 'one table is committed');
  // Indexes as well.
  disk.leave(mib(30));
  await assert.rejects(postgresEngine.buildIndexes(context, whole), { type: 'TargetUnavailable', message: /is nearly full/ });
  disk.makeRoom();
  place.said.length = 0;
  await restore(context);
  assert.ok(place.said.some(({ adopted }) => Number(adopted) > mib(16)), 'what was committed is not sent again');
  assert.deepEqual((await postgresEngine.buildIndexes(context, whole)).failed, []);
  assert.deepEqual((await validatePostgres(context, summary)).problems, []);

  // A server that nobody here looks into says it itself; of an unlogged table, so that its log is not what fails.
  disk.fill();
  const write = withClient(context, await targetPlace(context, pgTarget), async (client) => await client.query('CREATE UNLOGGED TABLE public.more AS SELECT repeat(md5(i::text), 40) FROM generate_series(1, 20000) AS i'));
  await assert.rejects(write, { type: 'TargetUnavailable', message: /^the disk of 127\.0\.0\.1:\d+ is full: .* \(SQLSTATE 53100\) HINT: make room there/ });
  disk.makeRoom();

  // And what is brought into the living server: here the same one, by its other name.
  disk.leave(mib(70));
  place.change((file) => void (file.environments['production']!.endpoints['ledger']!.uri = `postgres://127.0.0.1:${target.port}/${database}`));
  await assert.rejects(copyBeside(await place.open(), { target: pgTarget, point: { ...point, copies: [database] } as RecoveryPoint }), { type: 'TargetFull', message: /the copy ledger\.restored-run-1 needs about/ });
});
