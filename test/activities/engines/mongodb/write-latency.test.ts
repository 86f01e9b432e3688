import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Throttle } from '../../../../activities/engines/mongodb/throttle.ts';
import { meanWriteUs, Pace, readWriteLatency } from '../../../../activities/engines/mongodb/write-latency.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { startMongod } from '../../../harness/mongod.ts';
import { until } from '../../../harness/until.ts';

const growth = 0.2;

/** Looks until `pace` is what `enough` asks for; how many those were. */
function looks(pace: Pace, takesUs: (share: number) => number, enough: () => boolean): number {
  for (let look = 1; look <= 100; look += 1) {
    pace.look(takesUs(pace.share));
    if (enough()) return look;
  }
  return assert.fail(`share ${pace.share} after 100 looks`);
}

test('a source that is written to and not hurt is soon read at full speed', () => {
  const pace = new Pace(1_000, growth);
  assert.ok(pace.share < 1, 'with rests at first');
  assert.ok(looks(pace, () => 1_190, () => pace.share === 1) <= 10);
  assert.equal(pace.restMs(10), 0);
});

test('reading is halved when two looks in a row see writes that take longer; one look alone may be noise', () => {
  const pace = new Pace(1_000, growth);
  const first = pace.share;
  pace.look(5_000);
  assert.equal(pace.share, first);
  pace.look(5_000);
  assert.equal(pace.share, first / 2);
  assert.equal(pace.restMs(10), 10 * (2 / first - 1));
  for (let look = 0; look < 100; look += 1) pace.look(look % 3 === 0 ? 5_000 : 1_000);
  assert.equal(pace.share, 1, 'noise does not make a backup crawl');
});

test('what nobody feels does not slow a backup down', () => {
  const pace = new Pace(80, growth);
  looks(pace, () => 400, () => pace.share === 1);
});

test('a source that bears a third is read at a third or so, not more for long, and not at the least', () => {
  const pace = new Pace(1_000, growth);
  const shares = Array.from({ length: 300 }, () => {
    pace.look(pace.share > 1 / 3 ? 3_000 : 1_000);
    return pace.share;
  }).slice(50);
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  assert.ok(mean > 0.2 && mean < 0.36, `share ${mean}`);
  assert.ok(shares.filter((share) => share > 0.4).length === 0, 'beyond what hurt it goes on carefully');
});

test('a source whose writes are as slow without us is not left to a backup that crawls', () => {
  const pace = new Pace(1_000, growth);
  const least = Math.min(...Array.from({ length: 10 }, () => (pace.look(9_000), pace.share)));
  assert.ok(least > 0, 'a backup goes on at any load');
  looks(pace, () => 9_000, () => pace.share === 1);
  looks(pace, () => 20_000, () => pace.share < 1);
});

test('a source that nobody writes to is read at full speed; what a write takes is learned when somebody begins', () => {
  const pace = new Pace(null, growth);
  pace.look(null);
  assert.equal(pace.share, 1);
  pace.look(500);
  const least = pace.share;
  assert.ok(least < 1, 'they are let through first');
  pace.look(100);
  assert.equal(pace.share, least, 'now it is known what they take');
  pace.look(110);
  assert.ok(pace.share > least);
  for (let look = 0; look < 10; look += 1) pace.look(null);
  assert.equal(pace.share, 1, 'they have ended');
});

test('writes are counted by the server; too few of them say nothing', async (t) => {
  const source = await startMongod(t, { replicaSet: 'rs0' });
  const client = await source.connect();
  const before = (await readWriteLatency(client))!;
  assert.equal(meanWriteUs(before, before), null);
  for (let n = 0; n < 50; n += 1) await client.db('d').collection<{ _id: number }>('c').insertOne({ _id: n });
  const after = (await readWriteLatency(client))!;
  assert.ok(after.writes - before.writes >= 50);
  assert.ok(meanWriteUs(before, after)! > 0);
  assert.equal(meanWriteUs(after, before), null, 'a server that started again');
});

test('a dump rests while the application’s writes are slower than they were, and does not when nobody writes', async (t) => {
  const source = await startMongod(t, { replicaSet: 'rs0' });
  const client = await source.connect();
  const context = { signal: new AbortController().signal, progress: () => undefined } as unknown as SourceContext;
  const limits = { connections: 4, readPreference: 'primary', pauseAboveReplicationLag: 30_000, writeLatencyGrowth: growth } as const;
  const read = async (throttle: Throttle, enough: () => boolean): Promise<void> =>
    void (await until('the throttle has seen enough', async () => (await throttle.spent(1), enough()), 30_000));

  let writing = true;
  const write = async (): Promise<void> => {
    // Half a millisecond and more: less is nothing that anybody feels.
    const text = 'x'.repeat(10_000);
    while (writing) await client.db('d').collection('c').insertMany(Array.from({ length: 200 }, () => ({ text })));
  };
  const written = write();
  // No write is as fast as this one was said to be.
  const busy = new Throttle(context, client, limits, new Pace(0.001, growth));
  const first = busy.share;
  await read(busy, () => busy.share < first);
  writing = false;
  await written;
  await read(busy, () => busy.share === 1);
});

test('only what the source itself worked counts for its rest', async (t) => {
  const source = await startMongod(t, { replicaSet: 'rs0' });
  const client = await source.connect();
  const context = { signal: new AbortController().signal, progress: () => undefined } as unknown as SourceContext;
  const limits = { connections: 4, readPreference: 'primary', pauseAboveReplicationLag: 30_000, writeLatencyGrowth: growth } as const;
  const throttle = new Throttle(context, client, limits, new Pace(1_000, growth));
  await throttle.spent(1);
  await sleep(300);
  throttle.arrived();
  const arrivedAtMs = performance.now();
  await throttle.spent(1);
  assert.ok(performance.now() - arrivedAtMs >= 290, 'as long as it read');
  throttle.arrived();
  await sleep(500);
  const doneAtMs = performance.now();
  await throttle.spent(1);
  assert.ok(performance.now() - doneAtMs < 250, 'it has rested while we worked');
});
