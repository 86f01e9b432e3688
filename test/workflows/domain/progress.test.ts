import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeProgress, describeShare } from '../../../workflows/domain/describe-progress.ts';
import { Meter, sumProgress, WorkMeter, type Reading } from '../../../workflows/domain/progress.ts';
import { mib } from '../../../workflows/domain/units.ts';

const reading = (done: number, of: number, more: Partial<Reading> = {}): Reading => ({ phase: 'restore', done, of, unit: 'bytes', ...more });

test('percent at once, rate and time left once the work has moved for two seconds', () => {
  const meter = new Meter();
  assert.deepEqual(meter.take(reading(600, 1000), 0), { phase: 'restore', done: 600, of: 1000, unit: 'bytes', percent: 60, perSecond: null, leftMs: null, log: null });
  const { perSecond, leftMs } = meter.take(reading(700, 1000), 4_000);
  assert.deepEqual([perSecond, leftMs], [25, 12_000]);
});

test('what an earlier attempt left counts as done, and not as speed', () => {
  const meter = new Meter();
  meter.take(reading(0, 1000), 0);
  meter.take(reading(800, 1000, { adopted: 800 }), 3_000);
  assert.equal(meter.read(3_000)?.leftMs, null);
  assert.equal(meter.take(reading(840, 1000, { adopted: 800 }), 4_000).leftMs, 16_000);
});

test('the rate is that of the last minute, and falls to nothing while the work stands still', () => {
  const meter = new Meter();
  let done = 0;
  let nowMs = 0;
  for (; nowMs < 120_000; nowMs += 1_000) meter.take(reading((done += 10), 1_000_000), nowMs);
  for (; nowMs <= 180_000; nowMs += 1_000) meter.take(reading((done += 100), 1_000_000), nowMs);
  assert.ok(Math.abs(meter.read(180_000)!.perSecond! - 100) < 3, String(meter.read(180_000)!.perSecond));
  assert.ok(meter.read(600_000)!.perSecond! < 15);
});

test('a clock that is set back: what lies ahead of it is dropped, and no rate is made up of it', () => {
  const sixHours = 6 * 3_600_000;
  const meter = new Meter();
  // Many samples: with few the first one always counts.
  for (let second = 0; second < 30; second += 1) meter.take(reading(second * 10, 10_000, { whole: { before: 0, part: 1, of: 2 } }), sixHours + second * 1_000);
  const read = meter.read(1_000)!;
  assert.deepEqual([read.perSecond, read.leftMs, read.whole!.leftMs], [null, null, null]);
  assert.equal(meter.take(reading(300, 10_000), 2_000).perSecond, null);
  assert.equal(meter.take(reading(340, 10_000), 6_000).perSecond, 10, 'from there on it is measured anew');
  const pieces = new WorkMeter(sixHours);
  for (let second = 1; second <= 30; second += 1) pieces.add(10, sixHours + second * 1_000);
  pieces.add(10, 1_000);
  assert.equal(sumProgress([], pieces.work(1_000), 2_000)!.perSecond, null);
  pieces.add(40, 5_000);
  assert.equal(sumProgress([], pieces.work(1_000), 5_000)!.perSecond, 10);
});

test('another phase begins anew: it has another speed', () => {
  const meter = new Meter();
  meter.take(reading(0, 100), 0);
  meter.take(reading(50, 100), 10_000);
  assert.deepEqual([meter.take({ ...reading(1, 100), phase: 'verify' }, 11_000).perSecond], [null]);
});

test('nothing is promised while the whole is not known, and the words say so', () => {
  const meter = new Meter();
  meter.take({ phase: 'tail', done: 5, of: 0, unit: 'entries' }, 0);
  const progress = meter.take({ phase: 'tail', done: 505, of: 0, unit: 'entries' }, 5_000);
  assert.deepEqual([progress.percent, progress.leftMs, progress.perSecond], [null, null, 100]);
  assert.deepEqual(describeProgress(progress), ['505 entries so far', '100/s']);
  assert.deepEqual(describeProgress(new Meter().take(reading(mib(1), mib(4)), 0)), ['25.0%', '1.0 MiB of 4.0 MiB', 'time left not known yet']);
});

test('replay tells its log in seconds too, and lives by them where the bytes of the whole are not known', () => {
  const known = new Meter();
  known.take(reading(0, mib(100), { logSeconds: 0, logSecondsOf: 3_600 }), 0);
  const progress = known.take(reading(mib(50), mib(100), { logSeconds: 1_200, logSecondsOf: 3_600 }), 10_000);
  assert.deepEqual(describeProgress(progress), ['50.0%', '50.0 MiB of 100.0 MiB', '20m00s of 1h00m of log', '5.0 MiB/s', '10s left']);
  assert.equal(progress.log?.leftSeconds, 2_400);
  const tail = new Meter();
  tail.take(reading(0, 0, { logSeconds: 100, logSecondsOf: 200 }), 0);
  const drained = tail.take(reading(10, 0, { logSeconds: 150, logSecondsOf: 200 }), 5_000);
  assert.deepEqual([drained.percent, drained.leftMs], [75, 5_000]);
});

test('pieces side by side: at first what is under way counts towards the rate, later as much was under way before', () => {
  const meter = new WorkMeter(0);
  const underWay = (done: number) => [new Meter().take(reading(done, 100), 0)];
  assert.deepEqual([sumProgress(underWay(50), meter.work(1000), 5_000)?.perSecond, sumProgress([], meter.work(1000), 1_000)?.perSecond], [10, null]);
  for (let second = 10; second <= 100; second += 10) meter.add(100, second * 1_000);
  const { done, percent, perSecond, leftMs } = sumProgress(underWay(50), meter.work(2_000), 100_000)!;
  assert.deepEqual([done, percent, perSecond, leftMs], [1_050, 52.5, 10, 95_000]);
});

test('a piece that is larger than expected makes the whole larger, and all of it is never said to be done before it is', () => {
  const underWay = [new Meter().take(reading(120, 200), 0)];
  const { done, of, percent } = sumProgress(underWay, new WorkMeter(0).work(100), 5_000)!;
  assert.deepEqual([done, of, percent], [120, 200, 60]);
});

test('a piece that is overdue slows the rate down', () => {
  const meter = new WorkMeter(0);
  for (let second = 10; second <= 100; second += 10) meter.add(100, second * 1_000);
  assert.ok(sumProgress([], meter.work(2_000), 200_000)!.perSecond! < 5);
});

test('thousands of small pieces behind large ones: the time left goes by what each costs, not by their few bytes', () => {
  const mib = 1024 * 1024;
  const meter = new WorkMeter(0);
  // 300 MiB in 4 pieces, then 5,000 collections of 2 kB: at 20 MiB/s, and as much time for each piece as for 192 KiB.
  meter.expect(5_004);
  const ofBytes = 300 * mib + 5_000 * 2_000;
  for (let piece = 1; piece <= 4; piece += 1) meter.add(75 * mib, piece * 3_750, 1);
  const { percent, leftMs } = sumProgress([], meter.work(ofBytes), 15_000)!;
  assert.ok(percent! > 20 && percent! < 30, `${percent} %`);
  assert.ok(leftMs! > 40_000 && leftMs! < 55_000, `${leftMs} ms`);
  const group = new Meter().take(reading(1_000_000, 2_000_000, { pieces: 500 }), 0);
  const later = sumProgress([group], meter.work(ofBytes), 20_000)!;
  assert.ok(later.leftMs! < leftMs! - 3_000 && later.percent! > percent! + 5, `${later.leftMs} ms, ${later.percent} %`);
  assert.equal(sumProgress([], meter.work(ofBytes), 15_000)!.perSecond, 20 * mib, 'what is shown as the rate is bytes');
});

test('the start does not count for the rate: a tenth that began slowly says what the rest takes', () => {
  const meter = new Meter();
  const doneAt = (second: number): number => (second <= 5 ? second : 5 + (second - 5) * 10);
  for (let second = 0; second <= 20; second += 1) meter.take(reading(doneAt(second), 1_000), second * 1_000);
  assert.deepEqual([meter.read(20_000)!.perSecond, meter.read(20_000)!.leftMs], [10, 84_500]);
});

test('nor does it for pieces side by side, as soon as enough of them are behind it', () => {
  const meter = new WorkMeter(0);
  for (let second = 1; second <= 10; second += 1) meter.add(50, second * 1_000);
  for (let second = 11; second <= 30; second += 1) meter.add(100, second * 1_000);
  assert.equal(sumProgress([], meter.work(10_000), 30_000)!.perSecond, 100);
});

test('of work that quickens, the tenth that was slow says what the quicker rest takes', () => {
  // The cost of the unit at x of the work is 1.3 - 0.6 x of the mean: all of it takes 1000 s.
  const spentMs = (x: number): number => (1.3 * x - 0.3 * x * x) * 1_000_000;
  const meter = new Meter();
  for (let done = 0; done <= 100; done += 1) meter.take(reading(done, 1000, { quickens: 0.3 }), spentMs(done / 1000));
  const nowMs = spentMs(0.1);
  const forecastMs = nowMs + meter.read(nowMs)!.leftMs!;
  assert.ok(Math.abs(forecastMs / 1_000_000 - 1) < 0.03, String(forecastMs));
  assert.equal(meter.take(reading(1000, 1000, { quickens: 0.3 }), 1_000_000).leftMs, 0);
});

test('work in phases that count different things is one whole too: each phase by its own rate, those behind it by the pace so far', () => {
  const meter = new Meter();
  const log = { before: 0, part: 100, of: 400 };
  const base = { before: 100, part: 200, of: 400 };
  meter.take(reading(0, 10, { phase: 'log', whole: log }), 0);
  const first = meter.take(reading(5, 10, { phase: 'log', whole: log }), 10_000);
  assert.deepEqual([first.percent, first.whole], [50, { percent: 12.5, leftMs: 10_000 + 60_000 }]);
  const second = meter.take(reading(0, 7, { phase: 'base', whole: base }), 20_000);
  assert.deepEqual([second.percent, second.leftMs, second.whole], [0, null, { percent: 25, leftMs: 60_000 }]);
  assert.deepEqual(describeProgress(second).at(-1), '25.0% of all, 1m00s left');
  assert.equal(sumProgress([second], undefined, 20_000)!.whole!.percent, 25);
  const last = new Meter();
  last.take(reading(0, 10, { whole: { before: 300, part: 100, of: 400 } }), 0);
  assert.deepEqual(last.take(reading(5, 10, { whole: { before: 300, part: 100, of: 400 } }), 10_000).whole, { percent: 87.5, leftMs: 10_000 });
});

test('before the first piece is under way what prepares it is shown, and that all of the bytes are still ahead', () => {
  const preparing = new Meter().take({ phase: 'create collections', done: 1_000, of: 5_000, unit: 'objects' }, 0);
  const shown = sumProgress([preparing], new WorkMeter(0).work(1_000), 5_000)!;
  assert.deepEqual([shown.phase, shown.percent, shown.unit, shown.whole], ['create collections', 20, 'objects', { percent: 0, leftMs: null }]);
  const restoring = new Meter().take(reading(10, 1_000), 0);
  assert.equal(sumProgress([preparing, restoring], new WorkMeter(0).work(1_000), 5_000)!.percent, 1);
});

test('of a whole run its forecast says how far it is', () => {
  assert.equal(describeShare(240_000, 600_000), '40% of it has passed, 6m00s left');
  assert.equal(describeShare(700_000, 600_000), 'its time has passed');
});

test('activities of one step: those that count the same are added, the slowest says the time left, and one unknown makes it unknown', () => {
  const progress = { phase: 'replay', done: 10, of: 100, unit: 'bytes', percent: 10, perSecond: 5, leftMs: 18_000, log: null } as const;
  const sum = sumProgress([progress, { ...progress, leftMs: 30_000 }, { ...progress, unit: 'objects' }], undefined, 0)!;
  assert.deepEqual([sum.done, sum.of, sum.perSecond, sum.leftMs], [20, 200, 10, 30_000]);
  assert.equal(sumProgress([progress, { ...progress, leftMs: null }], undefined, 0)?.leftMs, null);
  assert.equal(sumProgress([], undefined, 0), undefined);
});
