import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { dumpGroup } from '../../../../activities/engines/mongodb/dump-group.ts';
import { planDump } from '../../../../activities/engines/mongodb/plan-dump.ts';
import { readManifest } from '../../../../activities/engines/base/read-base.ts';
import { sealBackup } from '../../../../activities/engines/mongodb/seal-backup.ts';
import { readArchiveStatus } from '../../../../activities/engines/mongodb/archive/read-archive-status.ts';
import { findArchiveEnd } from '../../../../activities/store/find-archive-end.ts';
import { backupInput, enginePlace, pointOf, ref } from '../../../harness/engine-place.ts';
import { addSecondary } from '../../../harness/secondary.ts';
import { archivedUpTo, positionNow, startArchive, withSlices } from './replay-place.ts';

test('a fuzzy read from a secondary that lags waits for the plan’s instant: no write and no collection is lost', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  const capped = async (name: string, documents: number): Promise<void> => {
    await source.db('d').createCollection(name, { capped: true, size: 1_000_000 }).catch(() => undefined);
    await source.db('d').collection(name).insertMany(Array.from({ length: documents }, (_, n) => ({ n })));
  };
  await capped('known', 10);
  const secondary = await addSecondary(t, place.source);
  await secondary.lag();
  await capped('known', 20);
  await capped('unknown', 5);

  const plan = await planDump(place.context, backupInput('b1'));
  let over = false;
  const dump = dumpGroup(place.context, { ...ref, plan, epoch: 1, group: plan.groups[0]!.group }).finally(() => (over = true));
  const waits = async (): Promise<boolean> => {
    const pipeline = [{ $currentOp: { allUsers: true } }, { $match: { appName: 'holdfast', 'command.find': { $exists: true } } }];
    return (await secondary.client.db('admin').aggregate(pipeline, { readPreference: 'secondaryPreferred' }).toArray()).length > 0;
  };
  while (!over && !(await waits())) await sleep(25);
  await secondary.goOn();
  const summary = await sealBackup(place.context, { ...ref, plan, epoch: 1, groups: [await dump] });
  const { units } = await readManifest(place.context, pointOf(summary));
  assert.deepEqual(units.map(({ name, documents }) => ({ name, documents })), [{ name: 'd.known', documents: 30 }, { name: 'd.unknown', documents: 5 }]);
});

test('the archive and its status go by the primary, whatever a secondary that lags has', { timeout: 120_000 }, async (t) => {
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 16 * 1024);
  const source = await place.source.connect();
  const write = async (): Promise<void> => void (await source.db('d').collection('c').insertOne({ at: new Date() }));
  const status = async () => await readArchiveStatus(context, await findArchiveEnd(context.store, context.keys, ref));
  await write();
  const secondary = await addSecondary(t, place.source);
  const first = startArchive(context);
  await archivedUpTo(context, await positionNow(source));
  await first.stop();

  await secondary.lag();
  await write();
  const written = await positionNow(source);
  await write();
  const behind = await status();
  assert.ok(behind.rpoMs !== null && behind.rpoMs > 0, `what only the primary has counts: ${JSON.stringify(behind)}`);

  const second = startArchive(context);
  await archivedUpTo(context, written);
  const third = await status();
  await second.stop();
  assert.ok(third.sourceAt! >= written);
  await secondary.goOn();
});
