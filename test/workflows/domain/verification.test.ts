import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSample, nextShares, rotationAfter, type SampleDone } from '../../../workflows/domain/verification.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { randomOf } from '../../harness/catalogs.ts';

const beginMs = Date.parse('2026-11-22T03:00:00.000Z');
const at = (hour: number): string => new Date(beginMs + hours(hour)).toISOString();
const week = { shares: 28, withinMs: hours(7 * 24) };

test('every six hours a twenty-eighth: after a week each was read once, and no sample read two', () => {
  const done: SampleDone[] = [];
  for (let n = 0; n < 56; n += 1) done.push({ at: at(n * 6), read: nextShares(done, week, at(n * 6)) });
  assert.ok(done.every(({ read }) => read.length === 1));
  assert.deepEqual(done.slice(0, 28).map(({ read }) => read[0]), Array.from({ length: 28 }, (_, n) => n));
  assert.deepEqual(rotationAfter(done.slice(0, 5), week), { unread: 23, wholeSince: null, wholeBy: at(7 * 24) });
  assert.deepEqual(rotationAfter(done, week), { unread: 0, wholeSince: at(28 * 6), wholeBy: null });
});

test('what an outage left out is read by the first sample after it', () => {
  const done: SampleDone[] = Array.from({ length: 28 }, (_, n) => ({ at: at(n * 6), read: [n] }));
  assert.deepEqual(nextShares(done, week, at(28 * 6 + 24)), [0, 1, 2, 3]);
  // None has been read for a week; those that never were are late from the first sample on.
  assert.equal(nextShares(done, week, at(1_000)).length, 28);
  assert.equal(nextShares(done.slice(0, 3), week, at(1_000)).length, 28);
  assert.deepEqual(nextShares([], week, at(0)), [0]);
});

test('whatever is skipped or late: behind each sample nothing is older than the period, and every share has its turn', () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = randomOf(seed);
    const shares = 2 + Math.floor(random() * 30);
    const rotation = { shares, withinMs: hours(24 * (1 + Math.floor(random() * 10))) };
    const done: SampleDone[] = [];
    const last = new Map<number, string>();
    let hour = 0;
    for (let n = 0; n < 80; n += 1) {
      hour += random() < 0.1 ? random() * 300 : random() * 12;
      const read = nextShares(done, rotation, at(hour));
      assert.ok(read.length > 0 && new Set(read).size === read.length && read.every((share) => share >= 0 && share < shares));
      done.push({ at: at(hour), read });
      for (const share of read) last.set(share, at(hour));
      for (let share = 0; share < shares; share += 1) {
        const since = last.get(share) ?? done[0]!.at;
        assert.ok(Date.parse(at(hour)) - Date.parse(since) <= rotation.withinMs, `HOLDFAST_SEED=${seed}: share ${share} was read at ${since}, and it is ${at(hour)}`);
      }
      const { unread, wholeSince, wholeBy } = rotationAfter(done, rotation);
      assert.equal(unread, shares - last.size);
      assert.equal(wholeSince, unread === 0 ? [...last.values()].sort()[0] : null);
      assert.equal(wholeBy === null, unread === 0);
    }
  }
});

test('a sample is told in words', () => {
  assert.equal(describeSample({ of: 28, read: [4], unread: 23, wholeSince: null, wholeBy: at(1) }), `share 5 of 28; 23 not read yet, all by ${at(1)}`);
  assert.equal(describeSample({ of: 28, read: [0, 1], unread: 0, wholeSince: at(0), wholeBy: null }), `shares 1, 2 of 28; all that is kept was read since ${at(0)}`);
});
