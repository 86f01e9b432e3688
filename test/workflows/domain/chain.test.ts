import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverSlices, spanBuilder, type SliceRange } from '../../../workflows/domain/chain.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPosition } from '../../../workflows/domain/log-position.ts';
import type { CatalogSpan } from '../../../workflows/domain/recovery-point.ts';
import { at, randomOf } from '../../harness/catalogs.ts';
import { usedHeapBytes } from '../../harness/heap.ts';

const scope = { system: 's', source: 'd', timeline: 't00000001' };
const slice = (from: number, to: number): SliceRange & { bytes: number } => ({ key: `${from}_${to}`, from: at(from), to: at(to), bytes: 1 });

function cover(ranges: [number, number][]): { chosen: string[]; rejected: string[] } {
  const sorted = ranges.map(([from, to]) => slice(from, to)).sort((a, b) => (a.from + a.to < b.from + b.to ? -1 : 1));
  const walker = coverSlices<SliceRange>();
  const events = [...sorted.flatMap((one) => walker.add(one)), ...walker.end()];
  return {
    chosen: events.flatMap((event) => ('chosen' in event ? [event.chosen.key] : [])),
    rejected: events.flatMap((event) => ('rejected' in event ? [event.rejected.key] : [])),
  };
}

test('slices that touch are all chosen, in order', () => {
  assert.deepEqual(cover([[0, 10], [10, 20], [20, 35]]), { chosen: ['0_10', '10_20', '20_35'], rejected: [] });
});

test('a hole begins a new span and rejects nothing', () => {
  assert.deepEqual(cover([[0, 10], [15, 20]]), { chosen: ['0_10', '15_20'], rejected: [] });
});

test('of two archivers at once the way that goes on is chosen, though the other slice was longer', () => {
  assert.deepEqual(cover([[0, 10], [10, 20], [10, 25], [20, 30], [30, 40]]), { chosen: ['0_10', '10_20', '20_30', '30_40'], rejected: ['10_25'] });
});

test('two ways that meet again: each stretch once', () => {
  const { chosen, rejected } = cover([[0, 10], [10, 20], [10, 22], [20, 30], [22, 30], [30, 40]]);
  assert.deepEqual(chosen, ['0_10', '10_20', '20_30', '30_40']);
  assert.deepEqual(rejected.sort(), ['10_22', '22_30']);
});

test('a longer slice that ends the chain is chosen when nothing follows the shorter one', () => {
  assert.deepEqual(cover([[0, 10], [10, 20], [10, 25], [40, 50]]), { chosen: ['0_10', '10_25', '40_50'], rejected: ['10_20'] });
});

test('a slice that begins inside another and touches none is rejected', () => {
  assert.deepEqual(cover([[0, 10], [5, 15], [10, 20]]), { chosen: ['0_10', '10_20'], rejected: ['5_15'] });
});

test('a slice that ends before it begins is rejected', () => {
  assert.deepEqual(cover([[0, 10], [7, 7]]), { chosen: ['0_10'], rejected: ['7_7'] });
});

test('whatever archivers leave, chosen slices never overlap and reach as far as any way of touching slices', () => {
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = randomOf(seed);
    const names = new Set<string>();
    // Archivers, each going on from an end that another one reached, now and then after a hole.
    const ends = [0];
    for (let writer = 0; writer < 1 + random() * 4; writer += 1) {
      let from = ends[Math.floor(random() * ends.length)]! + (random() < 0.2 ? 500 + Math.floor(random() * 50) : 0);
      for (let i = 0; i < random() * 12; i += 1) {
        const to = from + 1 + Math.floor(random() * 9);
        names.add(`${from}_${to}`);
        ends.push(to);
        from = to;
      }
    }
    const ranges = [...names].map((name) => name.split('_').map(Number) as [number, number]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    if (ranges.length === 0) continue;
    const { chosen, rejected } = cover(ranges);
    assert.deepEqual([...chosen, ...rejected].sort(), [...names].sort(), `seed ${seed}: each slice is chosen or rejected once`);
    const picked = chosen.map((name) => name.split('_').map(Number) as [number, number]);
    picked.forEach(([from], i) => assert.ok(i === 0 || from >= picked[i - 1]![1], `seed ${seed}: overlap at ${from}`));
    // By brute force: everything that touches back to the very first slice.
    const reachable = new Set([ranges[0]![0]]);
    for (const [from, to] of ranges) if (reachable.has(from)) reachable.add(to);
    let reached = picked[0]![0];
    for (const [from, to] of picked) if (from === reached) reached = to;
    assert.equal(reached, Math.max(...reachable), `seed ${seed}`);
  }
});

test('72 hours of one-second slices become one span in flat memory', (t) => {
  const slices = 259_200;
  const walker = coverSlices<SliceRange & { bytes: number }>();
  const spans = spanBuilder(scope.timeline);
  const closed: CatalogSpan[] = [];
  const beforeBytes = usedHeapBytes();
  let peakBytes = 0;
  const startedMs = Date.now();
  for (let i = 0; i < slices; i += 1) {
    const [from, to] = [logPosition(1_795_000_000 + i, 1), logPosition(1_795_000_001 + i, 1)];
    for (const event of walker.add({ key: layout.slice(scope, from, to), from, to, bytes: 10 })) {
      if ('chosen' in event) closed.push(...[spans.add(event.chosen) ?? []].flat());
    }
    if (i % 10_000 === 0) peakBytes = Math.max(peakBytes, usedHeapBytes() - beforeBytes);
  }
  for (const event of walker.end()) if ('chosen' in event) spans.add(event.chosen);
  assert.deepEqual(closed, []);
  assert.deepEqual({ ...spans.end()! }, {
    timeline: scope.timeline, from: logPosition(1_795_000_000, 1), to: logPosition(1_795_259_200, 1), slices, storedBytes: slices * 10,
  });
  t.diagnostic(`${slices} slices in ${Date.now() - startedMs} ms, heap grew ${(peakBytes / 1024 / 1024).toFixed(1)} MiB at most`);
  // Kept, the slices would be over 60 MiB.
  assert.ok(peakBytes < 8 * 1024 * 1024, `${peakBytes} bytes`);
});
