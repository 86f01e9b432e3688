import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
import { backUp, enginePlace } from '../../../harness/engine-place.ts';
import { Random, processSeed } from './random.ts';
import { RandomWriter } from './random-writer.ts';
import { archivedUpTo, pointAt, positionNow, readState, recover, someEntryBetween, startArchive, withSlices } from './replay-place.ts';

/** As many as `npm test` has time for, of a seed that it prints; HOLDFAST_ORACLE_RUNS says how many else. */
const runs = Number(process.env['HOLDFAST_ORACLE_RUNS'] ?? 6);

test('restore and replay give what the source held at exactly that position, under random writes, commands and transactions', async (t) => {
  const seed = processSeed();
  t.diagnostic(`HOLDFAST_SEED=${seed}`);
  const random = new Random(seed);
  const place = await enginePlace(t);
  const context = withSlices(place.context, 100, 64 * 1024);
  const client = await place.source.connect();
  const writer = new RandomWriter(client, random);
  await writer.burst(300);
  const archive = startArchive(context);
  t.after(() => archive.stop());
  const totals = { entries: 0, operations: 0, collections: 0, fuzzy: 0, discarded: 0 };

  for (let run = 0; run < runs; run += 1) {
    const where = `seed ${seed}, run ${run}`;
    // Each run has a base of its own, taken while the writers write.
    const [summary] = await Promise.all([backUp(context, `b${run}`), writer.burst(100 + random.below(200))]);
    await writer.burst(random.below(300));
    // A burst may write nothing, and then no data would lie behind the base.
    await client.db('marks').collection('marks').insertOne({ run });
    const position = await positionNow(client);
    const held = await readState(client, context, position);
    // What comes behind the limit must leave no trace.
    await writer.burst(20 + random.below(100));
    await archivedUpTo(context, position);

    const point = await pointAt(context, position);
    assert.equal(point.base.backup, `b${run}`, where);
    // Anywhere on the way, in the middle of transactions and renames: only the fold can say what must be there.
    const between = await someEntryBetween(client, point.base.end, position, random.next());
    const { replay, validation } = await recover(place, point, context, between ? [between] : []).catch((error: unknown) => {
      throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
    });
    const target = await place.connectTarget();
    const found = await readState(target, context);
    await target.close();
    assert.deepEqual(validation.problems, [], where);
    for (const [uuid, { ns, count, hashSum, options, indexes, capped }] of held) {
      const on = found.get(uuid);
      assert.ok(on, `${where}: ${ns} is missing`);
      assert.deepEqual({ ns: on.ns, indexes: on.indexes, options: on.options }, { ns, indexes, options }, where);
      if (!capped) assert.deepEqual({ count: on.count, hashSum: on.hashSum }, { count, hashSum }, `${where}: ${ns}`);
    }
    assert.deepEqual([...found.values()].filter(({ ns }) => ![...held.values()].some((one) => one.ns === ns)), [], `${where}: more than the source held`);
    assert.ok(replay.appliedTo === null || replay.appliedTo <= position, where);
    totals.entries += replay.entries;
    totals.operations += replay.operations;
    totals.collections += held.size;
    totals.fuzzy += summary.unproved.length;
    totals.discarded += replay.discardedTransactions;
    await (await openProvisioner(context)).remove(context, place.target);
  }
  t.diagnostic(`${runs} runs: ${JSON.stringify(totals)}; ${JSON.stringify(Object.fromEntries([...writer.done].sort()))}`);
});
