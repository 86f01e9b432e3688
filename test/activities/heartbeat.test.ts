import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shapeHeartbeats } from '../../activities/heartbeat.ts';

test('time left is by the speed of this attempt and phase, not by what an earlier attempt had done', () => {
  let now = 0;
  const shape = shapeHeartbeats(() => now);
  assert.deepEqual(shape({ phase: 'restore', done: 600, of: 1000, unit: 'bytes' }), { phase: 'restore', done: 600, of: 1000, unit: 'bytes', percent: 60, etaMs: null });
  now = 4_000;
  assert.equal(shape({ phase: 'restore', done: 700, of: 1000, unit: 'bytes' }).etaMs, 12_000);
  assert.equal(shape({ phase: 'verify', done: 1, of: 1000, unit: 'bytes' }).etaMs, null, 'another phase has another speed');
});

test('nothing is promised while the whole is not known', () => {
  const { percent, etaMs } = shapeHeartbeats()({ phase: 'tail', done: 5, of: 0, unit: 'entries' });
  assert.deepEqual([percent, etaMs], [null, null]);
});
