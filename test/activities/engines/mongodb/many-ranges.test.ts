import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BSON } from 'mongodb';
import type { SourceContext } from '../../../../activities/context.ts';
import { InFlight } from '../../../../activities/engines/base/in-flight.ts';
import { planRef, putPlan } from '../../../../activities/engines/base/plan.ts';
import { putIndex } from '../../../../activities/engines/base/put-index.ts';
import { sealBase } from '../../../../activities/engines/base/seal-base.ts';
import { StoredProgress } from '../../../../activities/engines/base/stored-progress.ts';
import { listBegunRanges } from '../../../../activities/engines/mongodb/adopt-parts.ts';
import { PartCutter } from '../../../../activities/engines/mongodb/cut-parts.ts';
import { encodeDetail, planSchema, sealBounds, type Plan } from '../../../../activities/engines/mongodb/plan.ts';
import { RangeWriter, type RangeJob } from '../../../../activities/engines/mongodb/range-writer.ts';
import { sealBackup } from '../../../../activities/engines/mongodb/seal-backup.ts';
import { claimEpoch } from '../../../../activities/store/epoch.ts';
import { openLocalStore } from '../../../../activities/store/local.ts';
import type { Store } from '../../../../activities/store/store.ts';
import { verifyRecoveryPoint } from '../../../../activities/store/verify.ts';
import { createBackupKey } from '../../../../activities/stream/backup-key.ts';
import { kib } from '../../../../workflows/domain/units.ts';
import { at } from '../../../harness/catalogs.ts';
import { newKeys } from '../../../harness/keys.ts';
import { contextOf, of, scope, startedAt, startFirstTimeline } from '../../../harness/stored-source.ts';
import { tempDir } from '../../../harness/temp-dir.ts';

const collections = 500;
const groups = 2;

/** A store that counts what it is asked, and how much of it at once. */
function counting(store: Store): { store: Store; asked: { lists: number; putsAtOnce: number } } {
  const asked = { lists: 0, putsAtOnce: 0 };
  let putting = 0;
  const put: Store['put'] = async (...of) => {
    putting += 1;
    asked.putsAtOnce = Math.max(asked.putsAtOnce, putting);
    return await store.put(...of).finally(() => (putting -= 1));
  };
  const list: Store['list'] = (...of) => {
    asked.lists += 1;
    return store.list(...of);
  };
  return { store: new Proxy(store, { get: (target, name) => (name === 'put' ? put : name === 'list' ? list : Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)) as unknown }), asked };
}

const unitId = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

async function planOf(context: SourceContext) {
  const place = { ...scope, backup: 'b1' };
  const { key, manifestKey } = await createBackupKey(context.store, context.keys, place);
  const detail = encodeDetail({ options: {}, idIndex: { v: 2, key: { _id: 1 }, name: '_id_' }, indexes: [{ v: 2, key: { n: 1 }, name: 'n_1' }] });
  const ids = Array.from({ length: collections }, (_, n) => unitId(n));
  const plan: Plan = {
    format: 1, kind: 'plan', ...place, epoch: 1, why: 'test', requestedBy: 'tester', startedAt, versions: {}, logFrom: at(10), readAt: at(10), changing: [], key: manifestKey,
    units: ids.map((id, n) => ({ id, name: `customers${n % 10}.customer ${n}`, kind: 'collection', capped: false, fuzzy: null, estimatedBytes: 100, detail })),
    groups: Array.from({ length: groups }, (_, group) => ({ group: `g${group}`, estimatedBytes: 100, ranges: ids.filter((_id, n) => n % groups === group).map((unit) => ({ unit, range: 'r0000', estimatedBytes: 100 })) })),
    bounds: await sealBounds(key, place, new Map()),
  };
  return { plan, key, ref: planRef(await putPlan(context, planSchema, plan)) };
}

test('many tiny collections: what earlier attempts left is listed once a group, their parts go side by side, and the whole is sealed and verified', { timeout: 300_000 }, async (t) => {
  const keys = await newKeys();
  const { store, asked } = counting(await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }));
  const plain = contextOf(store, keys);
  const context = { ...plain, system: { ...plain.system, stores: [] } } as SourceContext;
  await startFirstTimeline(store, keys);
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  const { plan, key, ref } = await planOf(context);
  const parts = { store, key, scope: plan, signal: context.signal };
  const units = new Map(plan.units.map((unit) => [unit.id, unit]));
  const dump = async (group: Plan['groups'][number], stopAfter = Infinity) => {
    const uploads = new InFlight(2);
    let adopted = 0;
    const progress = new StoredProgress(group.estimatedBytes, (reading) => (adopted = reading.adopted ?? 0));
    const job: RangeJob = { parts, uploads, cutter: new PartCutter(), ranges: group.ranges.length, begun: await listBegunRanges(parts), progress };
    const written: RangeWriter[] = [];
    for (const { unit, range } of group.ranges.slice(0, stopAfter)) {
      const writer = new RangeWriter(job, units.get(unit)!, range, null);
      await writer.adopt(undefined);
      if (!writer.last) {
        await writer.write([0, 1, 2].map((_id) => Buffer.from(BSON.serialize({ _id, unit }))));
        await writer.flush();
      }
      written.push(writer);
    }
    await uploads.settle();
    return { written, adopted };
  };
  // An attempt that ended half-way leaves parts and no index.
  await dump(plan.groups[0]!, 100);
  const listsBefore = asked.lists;
  const dumped = [];
  for (const group of plan.groups) {
    const { written, adopted } = await dump(group);
    assert.equal(adopted > 0, group.group === 'g0', 'only what was begun is adopted');
    dumped.push(await putIndex(context, plan, group.group, written));
  }
  assert.equal(asked.lists - listsBefore, groups + 100, 'one listing a group, and one for each range that was begun');
  assert.ok(asked.putsAtOnce > 2 && asked.putsAtOnce <= 9, `${asked.putsAtOnce} puts at once`);

  const summary = await sealBackup(context, { ...of, plan: ref, epoch: 1, groups: dumped });
  assert.deepEqual([summary.units, summary.documents, summary.parts, summary.unproved], [collections, collections * 3, collections, []]);
  assert.ok(summary.manifest.bytes < collections * kib(1), `the manifest has ${summary.manifest.bytes} bytes`);
  assert.ok(JSON.stringify(ref).length + JSON.stringify(dumped).length < kib(16), 'what the workflow keeps does not grow with the collections');
  const { ok, parts: read, problems } = await verifyRecoveryPoint(context, {}, { verifySlice: () => Promise.reject(new Error('no log here')) });
  assert.deepEqual([ok, read, problems], [true, collections, []]);
});

test('a summary names no more collections without a proof than a history can hold, and says how many there are', async (t) => {
  const keys = await newKeys();
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const plain = contextOf(store, keys);
  const context = { ...plain, system: { ...plain.system, stores: [] } } as SourceContext;
  await startFirstTimeline(store, keys);
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  const { plan, ref } = await planOf(context);
  const groupsOf = await Promise.all(plan.groups.map(async ({ group, ranges }) => await putIndex(context, plan, group, ranges.map(({ unit, range }) => ({
    parts: [],
    summary: () => ({ unit, range: `${range}f`, documents: 0, plainBytes: 0, hashSum: null, fuzzy: 'it was altered while the dump was planned', gone: true }),
  })))));
  const { unproved } = await sealBase(context, { ...of, plan: ref, epoch: 1, groups: groupsOf }, {
    plan,
    engine: 'mongodb',
    rangesOf: (range) => [`${range}f`],
    describe: () => Promise.resolve({ units: plan.units.map(({ id, name, kind, detail }) => ({ id, name, kind, documents: 0, plainBytes: 0, hashSum: null, fuzzy: 'altered', detail })), start: at(10), end: at(12), origin: undefined }),
  });
  assert.equal(unproved.length, 201);
  assert.equal(unproved.at(-1)!.name, `and ${collections - 200} more`);
});
