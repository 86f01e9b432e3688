import assert from 'node:assert/strict';
import { test } from 'node:test';
import { layout } from '../../workflows/domain/layout.ts';
import { mib } from '../../workflows/domain/units.ts';
import { at } from '../harness/catalogs.ts';
import { scope } from '../harness/stored-source.ts';
import { judge } from './judge.ts';
import { slicesTwice, type PhaseLine } from './phases.ts';
import { runScale } from './run-scale.ts';

test('the scale run goes through on a few MiB: kills in backup, archive, restore and replay cost what was in flight, and the target is proved', { timeout: 500_000 }, async (t) => {
  const { lines, proved, collections, entries } = await runScale(t, { bytes: mib(12), collections: 8, entries: 3_000, say: (line) => t.diagnostic(line) });
  assert.deepEqual([proved.ok, proved.problems], [true, []]);
  assert.ok(collections >= 11 && entries > 2_000, `${collections} collections, ${entries} entries`);
  for (const phase of ['backup', 'archive', 'restore', 'replay']) {
    const { killed } = lines.find((line) => line.phase === phase)!;
    assert.ok(killed && killed.parts > 0 && killed.partsTwice <= killed.allowed, `${phase}: ${JSON.stringify(killed)}`);
  }
  const held = lines.filter(({ processes }) => processes > 0);
  assert.ok(held.length >= 6 && held.every(({ peakRssBytes }) => peakRssBytes > mib(20) && peakRssBytes < mib(512)), JSON.stringify(held));
});

test('a run is broken where memory, a forecast or a kill went beyond its bound, and says where', () => {
  const line: PhaseLine = { phase: 'restore', tookMs: 90_000, bytes: 1, entries: 0, peakRssBytes: mib(300), processes: 2, forecast: { made: 9, atTenth: 1, median: 1.1, worst: 1.4 }, killed: { atPercent: 90, processes: 2, of: 'parts', parts: 50, partsTwice: 6, allowed: 6 }, load: 1 };
  const proved = { ok: true, claim: '', problems: [], collectionCount: 1 };
  assert.deepEqual(judge({ lines: [line], proved }), []);
  const broken = (changes: Partial<PhaseLine>): string => judge({ lines: [{ ...line, ...changes }], proved }).join();
  assert.match(broken({ peakRssBytes: mib(512) }), /restore: a process held 512 MiB/);
  assert.match(broken({ killed: { ...line.killed!, partsTwice: 7 } }), /restore: 7 of 50 parts were done twice/);
  assert.match(broken({ killed: { ...line.killed!, parts: 0, partsTwice: 0 } }), /restore: none of its parts were seen at the store’s door/);
  assert.match(broken({ forecast: null }), /restore: nobody was told the time left, of 90 s/);
  assert.equal(broken({ forecast: null, tookMs: 5_000 }), '');
  assert.match(broken({ killed: null }), /restore: nothing was killed in it/);
  assert.match(broken({ forecast: { ...line.forecast!, median: 0.7 } }), /restore: the time was forecast at 70 % of what it took, by the median/);
  assert.match(broken({ forecast: { ...line.forecast!, atTenth: 1.3 } }), /restore: the time was forecast at 130 % of what it took, after a tenth/);
  assert.equal(broken({ forecast: { ...line.forecast!, median: 0.7 }, tookMs: 5_000 }), '');
  assert.match(judge({ lines: [], proved: { ...proved, ok: false, problems: ['d.c: is missing'] } }).join(), /not equal: d\.c: is missing/);
});

test('a log that begins anew behind a kill is counted: slices that are got twice by their names, those that are put again by where they begin', () => {
  const slices = (...positions: number[]): string[] => positions.slice(1).map((to, i) => layout.slice(scope, at(positions[i]!), at(to)));
  const before = slices(1, 2, 3, 4, 5, 6, 7);
  assert.deepEqual([slicesTwice('GET', [...before, ...slices(7, 8)]), slicesTwice('GET', [...before, ...slices(3, 4, 5, 6, 7, 8)])], [0, 4]);
  assert.deepEqual([slicesTwice('PUT', [...before, ...slices(7, 8, 9)]), slicesTwice('PUT', [...before, ...slices(1, 3, 5, 8, 9)])], [0, 3]);
});
