import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../../workflows/domain/recovery-point.ts';
import { compareSeen, type Compared, type Listed, type SeenSource } from '../../../workflows/domain/seen-store.ts';
import { catalog } from '../stub-activities.ts';

const at = '2026-11-21T03:10:00.000Z';
const whole: Catalog = { ...catalog, bases: catalog.bases.slice(0, 3) };
const [first, ...rest] = whole.bases;
const timeline = first!.timeline;
const span = whole.spans[0]!;
const listed = (change: Partial<Listed> = {}): Listed => ({ folders: new Map(whole.bases.map(({ backup }) => [backup, { objects: 9, bytes: 900 }])), deleteMarkers: 0, overwrites: 0, examples: { deleteMarkers: [], overwrites: [] }, ...change });
const look = (seen: SeenSource | null, now: Catalog, of: Listed = listed(), { retired = [] as string[], accept = false } = {}): Compared => compareSeen(seen, now, of, { at, retired: new Set(retired), accept });
const { seen } = look(null, whole);

test('a store in which all that was seen is still there has lost nothing, and what is new is seen', () => {
  const grown: Catalog = { ...whole, spans: [{ ...span, to: '1999999999-0000000001' }] };
  const second = look(seen, grown);
  assert.deepEqual(second.lost, []);
  assert.deepEqual(second.seen.spans, [{ timeline, from: span.from, to: '1999999999-0000000001' }]);
});

test('an emptied store: every base and the log are named, and stay named until they are there again', () => {
  const empty: Catalog = { ...whole, bases: [], spans: [] };
  const emptied = look(seen, empty, listed({ folders: new Map() }));
  assert.equal(emptied.lost.length, 4);
  assert.match(emptied.lost.join('\n'), new RegExp(`base ${first!.backup} was there[^]*the log of ${timeline} was whole from .* nothing is left of it`));
  const still = look(emptied.seen, empty, listed({ folders: new Map() }));
  assert.deepEqual(still.lost, emptied.lost);
  assert.deepEqual(look(still.seen, whole).lost, []);
});

test('a base that retention was let to take is no loss, and neither is log that it says it took', () => {
  const fewer: Catalog = { ...whole, bases: rest, spans: [{ ...span, from: rest[0]!.logFrom }], expired: [{ timeline, before: rest[0]!.logFrom }] };
  assert.match(look(seen, fewer).lost.join(), new RegExp(`base ${first!.backup}`));
  assert.deepEqual(look(seen, fewer, listed(), { retired: [first!.backup] }).lost, []);
});

test('a hole in the log, a lost end, objects of a base that are fewer, and another manifest in its place are each found', () => {
  const mid = rest[0]!.logFrom;
  const hole: Catalog = { ...whole, spans: [{ ...span, to: mid }, { ...span, from: rest[1]!.logFrom }] };
  assert.match(look(seen, hole).lost.join(), /was whole from .*, and is not: left are/);
  assert.match(look(seen, { ...whole, spans: [{ ...span, to: mid }] }).lost.join(), /and is not: left are/);
  const fewer = listed({ folders: new Map(whole.bases.map(({ backup }, n) => [backup, n === 1 ? { objects: 7, bytes: 700 } : { objects: 9, bytes: 900 }])) });
  assert.match(look(seen, whole, fewer).lost.join(), new RegExp(`base ${rest[0]!.backup}: 2 of its 9 objects \\(200 bytes\\) are gone`));
  const other: Catalog = { ...whole, bases: [{ ...first!, manifest: { ...first!.manifest, versionId: 'another' } }, ...rest] };
  assert.match(look(seen, other).lost.join(), /another manifest stands in the place/);
});

test('delete markers and second versions are somebody else’s, also at the first look, until a person accepts them', () => {
  const strays = listed({ deleteMarkers: 3, overwrites: 1, examples: { deleteMarkers: ['a', 'b'], overwrites: ['c'] } });
  const found = look(null, whole, strays);
  assert.match(found.lost.join('\n'), /3 delete markers, which Holdfast never writes: a, b\n1 objects that are written once were written again: c/);
  const accepted = look(found.seen, { ...whole, bases: rest }, strays, { accept: true });
  assert.deepEqual(accepted.lost, []);
  assert.deepEqual(look(accepted.seen, { ...whole, bases: rest }, strays).lost, []);
  assert.match(look(accepted.seen, { ...whole, bases: rest }, { ...strays, deleteMarkers: 4 }).lost.join(), /^1 delete markers/);
});
