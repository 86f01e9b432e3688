import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LagMeter } from '../../../../activities/engines/mongodb/archive/lag-meter.ts';
import { describeArchiving } from '../../../../workflows/domain/describe-archiving.ts';
import { logPosition } from '../../../../workflows/domain/log-position.ts';
import { mib } from '../../../../workflows/domain/units.ts';

test('an archive that is behind says when it will have caught up, by how fast it comes nearer, and nothing while it does not', () => {
  const meter = new LagMeter();
  assert.equal(meter.take(600_000, 0), null);
  // 10 s of log nearer each second that passes.
  for (let second = 1; second < 20; second += 1) meter.take(600_000 - second * 10_000, second * 1_000);
  assert.equal(meter.take(400_000, 20_000), 40_000);
  assert.equal(meter.take(0, 60_000), 0);
  const losing = new LagMeter();
  for (let second = 0; second < 20; second += 1) losing.take(5_000 + second * 500, second * 1_000);
  assert.equal(losing.take(15_000, 20_000), null);
});

test('only the last minute says how fast it catches up', () => {
  const meter = new LagMeter();
  for (let second = 0; second < 300; second += 1) meter.take(900_000, second * 1_000);
  for (let second = 300; second <= 380; second += 1) meter.take(900_000 - (second - 300) * 1_000, second * 1_000);
  const left = meter.take(819_000, 381_000)!;
  assert.ok(Math.abs(left - 819_000) < 20_000, String(left));
});

test('its words: rate, amount and how far behind, without a percent of what has no end', () => {
  const heartbeat = { phase: 'archiving', timeline: 't00000001', archivedTo: logPosition(1, 1), archivedToAt: '', lagMs: 0, caughtUpInMs: 0, slices: 12, bytes: mib(3), entries: 40_000, perSecond: 2_000.4 };
  assert.deepEqual(describeArchiving(heartbeat), ['archiving', '40,000 entries, 3.0 MiB in 12 slices', '2,000 entries/s', 'keeps up']);
  assert.deepEqual(describeArchiving({ ...heartbeat, lagMs: 720_000, caughtUpInMs: 180_000 }).slice(-2), ['12m00s of log behind', 'caught up in 3m00s']);
  assert.equal(describeArchiving({ ...heartbeat, lagMs: 720_000, caughtUpInMs: null }).at(-1), 'not catching up');
  assert.deepEqual(describeArchiving({ ...heartbeat, phase: 'waiting for the store', lagMs: 900 }).slice(-2), ['2,000 entries/s', '900ms of log behind']);
});
