import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAnomalies, usual } from '../../../workflows/domain/anomalies.ts';
import { failuresInARow, successRate, type BackupHistory, type BackupRun, type TakenBackup } from '../../../workflows/domain/backup-history.ts';
import { describeCapacity, forecastCapacity, growthOf, slopePerDay } from '../../../workflows/domain/capacity.ts';
import { gib, hours, minutes } from '../../../workflows/domain/units.ts';

const dayMs = hours(24);
const beganMs = Date.parse('2026-11-01T01:00:00.000Z');
const isoOf = (ms: number): string => new Date(ms).toISOString();

const taken = (day: number, of: Partial<TakenBackup> = {}): TakenBackup => ({
  source: 'documents',
  timeline: 't00000001',
  backup: `b${day}`,
  kind: 'full',
  storedAt: isoOf(beganMs + day * dayMs),
  startedAt: isoOf(beganMs + day * dayMs - minutes(10)),
  finishedAt: isoOf(beganMs + day * dayMs),
  durationMs: minutes(10),
  documents: 1_000,
  plainBytes: gib(2),
  storedBytes: gib(1),
  why: 'nightly',
  requestedBy: 'schedule/demo/nightly',
  ...of,
});
const run = (day: number, outcome: BackupRun['outcome']): BackupRun => ({
  workflowId: `backup/demo/nightly-${day}`,
  runId: `r${day}`,
  startedAt: isoOf(beganMs + day * dayMs),
  endedAt: isoOf(beganMs + day * dayMs + minutes(10)),
  outcome,
  why: outcome === 'failed' ? 'StoreUnavailable' : null,
});
const history = (of: Partial<BackupHistory> = {}): BackupHistory => ({ system: 'demo', at: isoOf(beganMs + 9 * dayMs + hours(2)), taken: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((day) => taken(day)), runs: [], runsSince: isoOf(0), ...of });
const kindsOf = (of: BackupHistory): string[] => findAnomalies(of, ['documents']).map(({ kind, level }) => `${kind} ${level}`);
const endingIn = (of: Partial<TakenBackup>): BackupHistory => history({ taken: [...history().taken.slice(0, -1), taken(9, of)] });

test('backups as ever are not unusual, and each limit is crossed by what lies beyond it only', () => {
  assert.deepEqual(kindsOf(history()), []);
  assert.deepEqual(kindsOf(endingIn({ storedBytes: gib(1.5) })), []);
  assert.deepEqual(kindsOf(endingIn({ storedBytes: gib(1.5) + 1 })), ['size warning']);
  assert.deepEqual(kindsOf(endingIn({ storedBytes: gib(0.49) })), ['size warning']);
  assert.deepEqual(kindsOf(endingIn({ durationMs: minutes(20) })), []);
  assert.deepEqual(kindsOf(endingIn({ durationMs: minutes(20) + 1 })), ['duration warning']);
});

test('an age warns after 24 hours and is critical after 36; a source without a backup is as old as can be; other limits can be asked for', () => {
  const aged = (ms: number): BackupHistory => history({ at: isoOf(beganMs + 9 * dayMs + ms) });
  assert.deepEqual(kindsOf(aged(hours(24))), []);
  assert.deepEqual(kindsOf(aged(hours(24) + 1)), ['age warning']);
  assert.deepEqual(kindsOf(aged(hours(36) + 1)), ['age critical']);
  const [none] = findAnomalies(history({ taken: [] }), ['documents']);
  assert.equal(none!.said, 'documents has no backup');
  assert.equal(none!.level, 'critical');
  assert.equal(findAnomalies(history(), ['documents'], { warningMs: hours(1), criticalMs: hours(2) + 1 })[0]!.level, 'warning');
});

test('an import is no backup of ours, and other sources say nothing of this one', () => {
  const others = [taken(9, { kind: 'import', storedBytes: gib(9) }), taken(9, { source: 'users', storedBytes: gib(9) })];
  assert.deepEqual(kindsOf(history({ taken: [...history().taken, ...others] })), []);
  assert.deepEqual(kindsOf(history({ taken: others })), ['age critical']);
});

test('of fewer than three backups before the newest nothing is said', () => {
  const few = (count: number): BackupHistory => history({ taken: [...Array.from({ length: count }, (_, n) => taken(n)), taken(9, { storedBytes: gib(9) })] });
  assert.deepEqual(kindsOf(few(usual.atLeast - 1)), []);
  assert.deepEqual(kindsOf(few(usual.atLeast)), ['size warning']);
});

test('19 of 20 are 95 % and well, 18 are not; a cancelled run counts as neither, one of two months ago not at all', () => {
  const runs = (failed: number): BackupRun[] => Array.from({ length: 20 }, (_, n) => run(n / 3, n < failed ? 'failed' : 'done'));
  const old = { ...run(0, 'failed'), endedAt: isoOf(beganMs - 40 * dayMs) };
  assert.deepEqual(kindsOf(history({ runs: [old, ...runs(1), run(8, 'cancelled')] })), []);
  assert.deepEqual(kindsOf(history({ runs: runs(2) })), ['success warning']);
  assert.equal(successRate(history(), hours(1)).rate, null);
  // Temporal remembers less than was asked: what it counts from is said.
  assert.equal(successRate(history({ runs: runs(1), runsSince: isoOf(beganMs) }), usual.successWithinMs).since, isoOf(beganMs));
});

test('failures in a row are counted since the last that was done', () => {
  assert.equal(failuresInARow({ runs: [run(0, 'failed'), run(1, 'done'), run(2, 'failed'), run(3, 'cancelled'), run(4, 'failed')] }), 2);
  assert.equal(failuresInARow({ runs: [run(0, 'failed')] }), 1);
  assert.equal(failuresInARow({ runs: [] }), 0);
});

test('a store grows by what comes until retention takes, and then by how the sizes grow', () => {
  const flat = history().taken;
  assert.equal(Math.round(growthOf({ taken: flat }, false).bytesPerDay! / gib(1)), 1);
  assert.equal(Math.round(growthOf({ taken: flat }, true).bytesPerDay!), 0);
  const growing = flat.map((one, n) => ({ ...one, storedBytes: gib(1) + n * gib(0.1) }));
  // Ten are kept, and each is 0.1 GiB larger than the one whose place it takes a day later.
  assert.equal(Math.round(growthOf({ taken: growing }, true).bytesPerDay! / gib(0.1)), 10);
  assert.equal(growthOf({ taken: flat.slice(0, 2) }, false).bytesPerDay, null);
  assert.equal(slopePerDay([flat[0]!, flat[0]!, flat[0]!].map(({ storedAt, storedBytes }) => ({ at: storedAt, bytes: storedBytes }))), undefined);
});

test('a disk warns at 80 % and is critical at 90 %, and the days that are left are counted to its end', () => {
  const growth = growthOf(history(), false);
  const of = (used: number) => forecastCapacity({ usedBytes: gib(used), limit: { kind: 'disk', bytes: gib(100) } }, growth);
  assert.deepEqual([79.9, 80, 89.9, 90, 120].map((used) => of(used).level), ['ok', 'warning', 'warning', 'critical', 'critical']);
  assert.equal(Math.round(of(80).daysLeft!), 20);
  assert.equal(of(120).daysLeft, 0);
  assert.match(describeCapacity(of(80)), /^80\.0 GiB of 100\.0 GiB \(disk\), 80 %; grows by 1\.0 GiB a day, full in (19|20) days \(a straight line through the sum of 10 backups/);
  const free = forecastCapacity({ usedBytes: gib(80), limit: null }, growth);
  assert.deepEqual([free.level, free.daysLeft, free.usedShare], ['unknown', null, null]);
});
