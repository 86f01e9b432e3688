import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heartbeats } from '../../activities/heartbeat.ts';
import { hours } from '../../workflows/domain/units.ts';

test('a heartbeat has the job’s own details beside the progress, and says anew how it looks now', () => {
  let now = 0;
  const heartbeats = new Heartbeats(() => now);
  assert.equal(heartbeats.newest(), undefined);
  const first = heartbeats.take({ phase: 'restore', done: 600, of: 1000, unit: 'bytes', adopted: 500, group: 'g1' });
  assert.deepEqual(first, { phase: 'restore', done: 600, of: 1000, unit: 'bytes', group: 'g1', percent: 60, perSecond: null, leftMs: null, log: null });
  now = 4_000;
  assert.equal(heartbeats.take({ phase: 'restore', done: 700, of: 1000, unit: 'bytes', adopted: 500 }).leftMs, 12_000);
  now = 8_000;
  assert.equal(heartbeats.newest()?.leftMs, 24_000, 'it stands still, and that shows');
});

test('a wall clock that leaps makes up no rate', (t) => {
  let leapsMs = 0;
  t.mock.method(Date, 'now', () => (leapsMs += hours(6)));
  const heartbeats = new Heartbeats();
  heartbeats.take({ phase: 'restore', done: 0, of: 1000, unit: 'bytes' });
  assert.equal(heartbeats.take({ phase: 'restore', done: 500, of: 1000, unit: 'bytes' }).leftMs, null);
});
