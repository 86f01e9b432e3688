import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Throttle } from '../../../../activities/engines/mongodb/throttle.ts';
import { meanWriteUs, Pace, readWriteLatency } from '../../../../activities/engines/mongodb/write-latency.ts';
import type { SourceContext } from '../../../../activities/context.ts';
import { startMongod } from '../../../harness/mongod.ts';
import { until } from '../../../harness/until.ts';

const growth = 0.2;

test('reading is halved while writes take longer than a fifth more, and grows again while they do not', () => {
  const pace = new Pace(100, growth);
  const first = pace.share;
  assert.ok(first < 1, 'a source that is written to is read slowly at first');
  pace.look(121);
  assert.equal(pace.share, first / 2);
  for (let look = 0; look < 50; look += 1) pace.look(1_000);
  const least = pace.share;
  assert.ok(least > 0, 'a backup goes on at any load');
  pace.look(119);
  assert.ok(pace.share > least);
  for (let look = 0; look < 50; look += 1) pace.look(119);
  assert.equal(pace.share, 1);
  assert.equal(pace.restMs(10), 0);
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
    for (let n = 0; writing; n += 1) await client.db('d').collection<{ _id: number }>('c').insertOne({ _id: n });
  };
  const written = write();
  // No write is as fast as this one was said to be.
  const busy = new Throttle(context, client, limits, 0.001);
  const first = busy.share;
  await read(busy, () => busy.share < first);
  writing = false;
  await written;
  await read(busy, () => busy.share === 1);
});
