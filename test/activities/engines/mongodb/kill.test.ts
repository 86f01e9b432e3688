import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { MongoClient } from 'mongodb';
import type { GroupRef } from '../../../../workflows/contract.ts';
import { layout } from '../../../../workflows/domain/layout.ts';
import { mib } from '../../../../workflows/domain/units.ts';
import { planDump } from '../../../../activities/engines/mongodb/plan-dump.ts';
import { prepareRestore } from '../../../../activities/engines/mongodb/prepare-restore.ts';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { restoreGroup } from '../../../../activities/engines/mongodb/restore-group.ts';
import { sealBackup } from '../../../../activities/engines/mongodb/seal-backup.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { backupInput, enginePlace, pointOf, ref, startJob, type EnginePlace } from '../../../harness/engine-place.ts';

const documents = 280_000;
/** As many as dump or restore have in their hands at once. */
const inFlight = 3;
const memoryBytes = mib(512);

/** About 200 MiB that do not compress, in one collection: several groups of several parts. */
async function fill(client: MongoClient): Promise<void> {
  const collection = client.db('d').collection<{ _id: number }>('large');
  for (let at = 0; at < documents; at += 10_000) {
    const batch = Array.from({ length: 10_000 }, (_, i) => ({ _id: at + i, owner: `person ${(at + i) % 1000}`, n: i / 3, filler: randomBytes(690) }));
    await collection.insertMany(batch, { ordered: false });
  }
  await collection.createIndex({ owner: 1 });
}

async function partKeys(place: EnginePlace, backup: { timeline: string; backup: string }): Promise<string[]> {
  const keys: string[] = [];
  const prefix = layout.parts({ ...ref, ...backup }, '', '').replace(/\/+$/, '/');
  for await (const { key } of place.context.store.list(prefix)) keys.push(key);
  return keys;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

const mebibytesPerSecond = (bytes: number, ms: number): string => `${Math.round(bytes / 1024 / 1024 / (ms / 1000))} MiB/s`;

async function readPlainly(client: MongoClient): Promise<number> {
  const startedAtMs = Date.now();
  let read = 0;
  for await (const document of client.db('d').collection('large').find({}, { batchSize: 1_000 })) read += document ? 1 : 0;
  assert.equal(read, documents);
  return Date.now() - startedAtMs;
}

test('dump and restore killed in the middle go on: done twice is only what was in flight, in bounded memory', { timeout: 300_000 }, async (t) => {
  const place = await enginePlace(t);
  const source = await place.source.connect();
  await fill(source);
  const plan = await planDump(place.context, backupInput('b1'));
  assert.ok(plan.groups.length >= 3, `a large collection is split: ${plan.groups.length} groups`);

  const results: GroupRef[] = [];
  let dumpMs = 0;
  for (const [at, { group }] of plan.groups.entries()) {
    const order = { ...ref, plan, epoch: 1, group };
    if (at === 0) {
      const before = (await partKeys(place, plan)).length;
      const job = startJob(place, 'dumpGroup', order);
      const killed = assert.rejects(job.done);
      await until(async () => (await partKeys(place, plan)).length >= before + 2);
      process.kill(-job.pid, 'SIGKILL');
      await killed;
      assert.ok((await partKeys(place, plan)).length >= 2);
    }
    const { result, maxRssBytes, tookMs } = await startJob(place, 'dumpGroup', order).done;
    if (at > 0) dumpMs += tookMs;
    assert.ok(maxRssBytes < memoryBytes, `dump took ${maxRssBytes} bytes`);
    t.diagnostic(`dump of ${group}: ${Math.round(maxRssBytes / mib(1))} MiB of memory`);
    results.push(result as GroupRef);
  }
  const summary = await sealBackup(place.context, { ...ref, plan, epoch: 1, groups: results });
  assert.equal(summary.documents, documents);
  assert.deepEqual(summary.unproved, []);
  const written = (await partKeys(place, plan)).length;
  assert.ok(written - summary.parts <= inFlight, `${written} parts written, ${summary.parts} used`);
  const dumped = results.slice(1).reduce((sum, { plainBytes }) => sum + plainBytes, 0);
  const plainMs = await readPlainly(source);
  t.diagnostic(`dump ${mebibytesPerSecond(dumped, dumpMs)}; plain driver read ${mebibytesPerSecond(summary.plainBytes, plainMs)}; stored ${Math.round((100 * summary.storedBytes) / summary.plainBytes)}%`);

  const point = pointOf(summary);
  const { target } = place;
  await (await openProvisioner(place.context)).provision(place.context, target);
  const { groups } = await prepareRestore(place.context, { target, point });
  const client = await place.connectTarget();
  const records = client.db('holdfast_control').collection<{ _id: string; state: string }>('restored');
  let restoreMs = 0;
  for (const [at, group] of groups.entries()) {
    const order = { target, point, group };
    if (at === 0) {
      const job = startJob(place, 'restoreGroup', order);
      const killed = assert.rejects(job.done);
      await until(async () => (await records.countDocuments({ state: 'done' })) >= 1);
      process.kill(-job.pid, 'SIGKILL');
      await killed;
      const begun = await records.countDocuments({ state: 'begun' });
      assert.ok(begun <= inFlight, `${begun} parts were begun and not finished`);
    }
    const { result, maxRssBytes, tookMs } = await startJob(place, 'restoreGroup', order).done;
    if (at > 0) restoreMs += tookMs;
    assert.ok(maxRssBytes < memoryBytes, `restore took ${maxRssBytes} bytes`);
    t.diagnostic(`restore of ${group.group}: ${Math.round(maxRssBytes / mib(1))} MiB of memory`);
    assert.equal((result as { plainBytes: number }).plainBytes, group.plainBytes);
  }
  t.diagnostic(`restore ${mebibytesPerSecond(dumped, restoreMs)}`);
  // A second run of a finished group touches nothing.
  await restoreGroup(place.context, { target, point, group: groups[0]! });
  const startedAtMs = Date.now();
  assert.deepEqual(await buildIndexes(place.context, { target, point }), { indexes: 1, failed: [] });
  t.diagnostic(`indexes ${Date.now() - startedAtMs} ms`);
  assert.deepEqual(await buildIndexes(place.context, { target, point }), { indexes: 0, failed: [] });
  const hashOf = async (server: MongoClient): Promise<unknown> => (await server.db('d').command({ dbHash: 1 }))['md5'];
  assert.equal(await hashOf(client), await hashOf(source));
});
