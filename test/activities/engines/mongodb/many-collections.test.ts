import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MongoClient } from 'mongodb';
import { mib } from '../../../../workflows/domain/units.ts';
import { buildIndexes } from '../../../../activities/engines/mongodb/build-indexes.ts';
import { dumpGroup } from '../../../../activities/engines/mongodb/dump-group.ts';
import { planDump } from '../../../../activities/engines/mongodb/plan-dump.ts';
import { prepareRestore } from '../../../../activities/engines/mongodb/prepare-restore.ts';
import { restoreGroup } from '../../../../activities/engines/mongodb/restore-group.ts';
import { sealBackup } from '../../../../activities/engines/mongodb/seal-backup.ts';
import { validateTarget } from '../../../../activities/engines/mongodb/validate-target.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { backupInput, enginePlace, pointOf, ref } from '../../../harness/engine-place.ts';
import { isWhole } from '../../../harness/sample.ts';

const collections = isWhole ? 5_000 : 250;

/** A few documents and an index each, over ten databases, as applications that keep a database or a collection a customer. */
async function fill(client: MongoClient): Promise<void> {
  const one = async (n: number): Promise<void> => {
    const collection = client.db(`customers${n % 10}`).collection<{ _id: number }>(`customer ${n}`);
    await collection.createIndex({ n: 1 });
    await collection.insertMany([0, 1, 2].map((_id) => ({ _id, n, text: 'x'.repeat(100) })));
  };
  for (let n = 0; n < collections; n += 20) await Promise.all(Array.from({ length: Math.min(20, collections - n) }, (_, at) => one(n + at)));
}

test('a system of many small collections is backed up, restored and proved, in bounded memory', { timeout: isWhole ? 1_800_000 : 600_000 }, async (t) => {
  const place = await enginePlace(t, { mongod: { cacheGb: 1 } });
  const { context, target } = place;
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const startedAtMs = performance.now();
    const result = await work();
    t.diagnostic(`${what}: ${Math.round(performance.now() - startedAtMs)} ms`);
    return result;
  };
  await timed('fill', async () => await fill(await place.source.connect()));
  const plan = await timed('plan', async () => await planDump(context, backupInput('b1')));
  const groups = await timed('dump', async () => {
    const dumped = [];
    for (const { group } of plan.groups) dumped.push(await dumpGroup(context, { ...ref, plan, epoch: 1, group }));
    return dumped;
  });
  const summary = await timed('seal', async () => await sealBackup(context, { ...ref, plan, epoch: 1, groups }));
  assert.equal(summary.documents, collections * 3);
  t.diagnostic(`${collections} collections in ${summary.parts} objects of ${plan.groups.length} groups`);
  const point = pointOf(summary);
  await (await openProvisioner(context)).provision(context, target);
  const prepared = await timed('prepare', async () => await prepareRestore(context, { target, point }));
  await timed('restore', async () => {
    for (const group of prepared.groups) await restoreGroup(context, { target, point, group });
  });
  const built = await timed('build indexes', async () => await buildIndexes(context, { target, point }));
  assert.deepEqual(built, { indexes: collections, failed: [] });
  const proved = await timed('prove', async () => await validateTarget(context, { target, point, limit: point.limit, validator: 'equality' }));
  assert.deepEqual([proved.problems, proved.collectionCount], [[], summary.units]);
  const rss = process.resourceUsage().maxRSS * 1024;
  t.diagnostic(`${Math.round(rss / mib(1))} MiB, the test's own included`);
  assert.ok(rss < mib(512));
});
