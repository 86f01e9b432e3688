import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeLate, judgeFire, type FireSeen } from '../../../../workflows/domain/schedules/judge-fire.ts';
import { compileWhen } from '../../../../workflows/domain/schedules/when.ts';
import { hours, minutes } from '../../../../workflows/domain/units.ts';

const times = compileWhen({ at: ['01:00'], zone: 'UTC', jitter: minutes(10) });
const due = Date.parse('2026-11-22T01:00:00.000Z');
const seen = (of: Partial<FireSeen> = {}): FireSeen => ({ paused: false, changedMs: due - hours(100), lastDueMs: due - hours(24), running: false, lastEndMs: null, ...of });
const stateAt = (ms: number, of: Partial<FireSeen> | null = {}): string => judgeFire({ id: 'demo/nightly', times }, of && seen(of), ms).state;

test('a schedule is late once its moment, its jitter and five minutes are over and nothing was started for it', () => {
  assert.equal(stateAt(due + minutes(14)), 'on time');
  assert.equal(stateAt(due + minutes(15)), 'late');
  assert.equal(stateAt(due + minutes(15), { lastDueMs: due + minutes(3) }), 'on time');
  assert.equal(stateAt(due + minutes(15), { lastDueMs: null }), 'late');
});

test('nothing is expected of one that is paused, was made since, or met the start before it still running', () => {
  assert.equal(stateAt(due + hours(1), { paused: true }), 'paused');
  assert.equal(stateAt(due + hours(1), { changedMs: due + 1 }), 'on time');
  assert.equal(stateAt(due + hours(1), { running: true }), 'on time');
  assert.equal(stateAt(due + hours(1), { lastEndMs: due + 1 }), 'on time');
  assert.equal(stateAt(due + hours(1), { lastEndMs: due - 1 }), 'late');
});

test('one that the file has and the server does not is missing, and people are told which and since when', () => {
  const now = due + hours(1);
  assert.equal(stateAt(now, null), 'missing');
  const fires = [judgeFire({ id: 'demo/nightly', times }, null, now), judgeFire({ id: 'demo/weekly', times }, seen(), now), judgeFire({ id: 'demo/other', times }, seen({ paused: true }), now)];
  assert.deepEqual(describeLate(fires), ['demo/nightly is not on the server: holdfast apply', 'demo/weekly should have started something at 2026-11-22T01:00Z, and last did at 2026-11-21T01:00Z']);
});
