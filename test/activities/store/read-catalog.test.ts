import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { SliceRoom } from '../../../activities/store/believed-slices.ts';
import { listSlices, type ListSlicesOptions } from '../../../activities/store/list-slices.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import type { ObjectVersion, Store } from '../../../activities/store/store.ts';
import type { HoldfastError } from '../../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../../workflows/domain/find-recovery-point.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPosition, nextLogPosition } from '../../../workflows/domain/log-position.ts';
import { mib } from '../../../workflows/domain/units.ts';
import { at } from '../../harness/catalogs.ts';
import { usedHeapBytes } from '../../harness/heap.ts';
import { newKeys } from '../../harness/keys.ts';
import { of, scope, startFirstTimeline, writeBackup, writeGap, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

async function place(t: TestContext) {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  await startFirstTimeline(store, keys);
  return { store, keys };
}

async function slices(room: SliceRoom, options: ListSlicesOptions): Promise<string[]> {
  const found: string[] = [];
  for await (const { from, to } of listSlices(room, scope, options)) found.push(`${numberOf(from)}_${numberOf(to)}`);
  return found;
}
const numberOf = (position: string): number => Array.from({ length: 3_000 }, (_, n) => n).find((n) => at(n) === position)!;

test('the catalog holds what the bucket holds: timelines, bases, spans, gaps', async (t) => {
  const { store, keys } = await place(t);
  const { ref, manifest } = await writeBackup(store, keys, 10, { logFrom: 8 });
  await writeBackup(store, keys, 60);
  await writeSlices(store, keys, [0, 10, 20, 30]);
  await writeSlices(store, keys, [45, 50, 70]);
  await writeGap(store, keys, 30, 45);
  const catalog = await rebuildCatalog({ store, keys }, of);
  assert.deepEqual(catalog.timelines.map(({ timeline, sourceIdentity }) => [timeline, sourceIdentity]), [['t00000001', 'set-1']]);
  assert.deepEqual(catalog.bases.map(({ backup }) => backup), ['b10', 'b60']);
  const { storedBytes } = manifest.totals;
  assert.deepEqual(catalog.bases[0], {
    timeline: 't00000001', backup: 'b10', manifest: ref, logFrom: at(8), start: at(10), end: at(10), finishedAt: manifest.finishedAt,
    documents: 40, plainBytes: 8_002, storedBytes, exact: true, why: 'test',
  });
  assert.deepEqual(catalog.spans.map(({ from, to, slices: count }) => [from, to, count]), [[at(0), at(30), 3], [at(45), at(70), 2]]);
  assert.deepEqual(catalog.gaps, [{ timeline: 't00000001', from: at(30), to: at(45), why: 'the log was overwritten' }]);
  assert.deepEqual(catalog.rejected, []);
  const point = findRecoveryPoint(catalog, { targetPosition: at(25) }, { now: new Date().toISOString() });
  assert.equal(point.base.backup, 'b10');
});

test('a backup without a manifest is not one, and forged objects are named and change nothing', async (t) => {
  const { store, keys } = await place(t);
  const { manifest } = await writeBackup(store, keys, 10);
  const stranger = await newKeys();
  // Over a good manifest, at a key of its own, and one that was copied to another backup's place.
  await putSigned(store, stranger, layout.manifest(manifest), { ...manifest, end: at(99) });
  await putSigned(store, keys, layout.manifest(manifest), { ...manifest, why: 'put later' });
  await putSigned(store, stranger, layout.manifest({ ...scope, backup: 'forged' }), { ...manifest, backup: 'forged' });
  await putSigned(store, keys, layout.manifest({ ...scope, backup: 'copied' }), manifest);
  await putSigned(store, keys, layout.manifest({ ...scope, backup: 'newer' }), { ...manifest, backup: 'newer', format: 2 });
  await store.put(layout.part({ ...scope, backup: 'unfinished' }, 'u', 'r', 'p'), Buffer.from('x'));
  await store.put(`${layout.slices(scope)}not-a-slice`, Buffer.from('x'));
  await putSigned(store, stranger, layout.timeline({ ...scope, timeline: 't00000002' }), { format: 1, kind: 'timeline' });
  const catalog = await rebuildCatalog({ store, keys }, of);
  assert.deepEqual(catalog.bases.map(({ backup, why, end }) => [backup, why, end]), [['b10', 'test', at(10)]]);
  assert.equal(catalog.timelines.length, 1);
  assert.deepEqual(catalog.rejected.map(({ key }) => key.split('/').slice(2).join('/')), [
    'timelines/t00000002.json',
    't00000001/backups/copied/manifest.json',
    't00000001/backups/forged/manifest.json',
    't00000001/backups/newer/manifest.json',
    't00000001/slices/not-a-slice',
  ]);
  assert.match(catalog.rejected[3]!.why, /format 2; this Holdfast reads up to 1/);
});

test('slices come in order from the one that holds the start to the one that holds the end', async (t) => {
  const { store, keys } = await place(t);
  await writeSlices(store, keys, [0, 10, 20, 30, 40]);
  assert.deepEqual(await slices({ store, keys }, { after: at(0) }), ['0_10', '10_20', '20_30', '30_40']);
  assert.deepEqual(await slices({ store, keys }, { after: at(15), limit: at(25) }), ['10_20', '20_30']);
  assert.deepEqual(await slices({ store, keys }, { after: at(10), limit: nextLogPosition(at(20)) }), ['10_20']);
  assert.deepEqual(await slices({ store, keys }, { after: at(40) }), []);
  assert.deepEqual(await slices({ store, keys }, { after: at(15), limit: nextLogPosition(at(15)) }), []);
});

test('a slice that began long before the start is found', async (t) => {
  const { store, keys } = await place(t);
  // 10,000 positions are 1,000 seconds: further back than is looked first.
  await writeSlices(store, keys, [0, 10_000, 10_010]);
  const found: string[] = [];
  for await (const slice of listSlices({ store, keys }, scope, { after: at(9_990) })) found.push(slice.key);
  assert.deepEqual(found, [layout.slice(scope, at(0), at(10_000)), layout.slice(scope, at(10_000), at(10_010))]);
});

test('of overlapping slices one cover is listed', async (t) => {
  const { store, keys } = await place(t);
  await writeSlices(store, keys, [0, 10, 20, 30, 40]);
  await writeSlices(store, keys, [10, 25]);
  assert.deepEqual(await slices({ store, keys }, { after: at(0) }), ['0_10', '10_20', '20_30', '30_40']);
  const { spans, rejected } = await rebuildCatalog({ store, keys }, of);
  assert.deepEqual(spans.map((span) => [span.from, span.to, span.slices]), [[at(0), at(40), 4]]);
  assert.deepEqual(rejected, [{ key: layout.slice(scope, at(10), at(25)), why: 'overlaps slices that reach further', spare: true }]);
});

test('a missing slice is named by both its sides, with the nearest good point; outside the range it does not matter', async (t) => {
  const { store, keys } = await place(t);
  await writeSlices(store, keys, [0, 10, 20]);
  await writeSlices(store, keys, [30, 40]);
  const broken = (from: number, to: number) => (error: HoldfastError): boolean => {
    assert.equal(error.type, 'ChainBroken');
    assert.deepEqual([error.details.from, error.details.to], [at(from), at(to)]);
    return true;
  };
  await assert.rejects(slices({ store, keys }, { after: at(5) }), (error: HoldfastError) => {
    assert.match(error.message, /chain broken between 2025-11-21T03:00:02Z\.0 and 2025-11-21T03:00:03Z\.0 \(no slice\) HINT: restore up to and including 2025-11-21T03:00:02Z\.0/);
    return broken(20, 30)(error);
  });
  await assert.rejects(slices({ store, keys }, { after: at(0), limit: at(35) }), broken(20, 30));
  await assert.rejects(slices({ store, keys }, { after: at(25), limit: at(35) }), broken(25, 30));
  await assert.rejects(slices({ store, keys }, { after: at(30), limit: at(55) }), broken(40, 55));
  assert.deepEqual(await slices({ store, keys }, { after: at(0), limit: at(20) }), ['0_10', '10_20']);
  assert.deepEqual(await slices({ store, keys }, { after: at(30) }), ['30_40']);
});

test('72 hours of one-second slices are read from a listing in flat memory and well under a minute', async (t) => {
  const { store, keys } = await place(t);
  await writeBackup(store, keys, 10);
  const count = 259_200;
  // The last one is opened.
  await writeSlices(store, keys, [(count - 1) * 10 + 1, count * 10 + 1]);
  let pulled = 0;
  async function* manySlices(startAfter = ''): AsyncGenerator<ObjectVersion> {
    const startSeconds = 1_763_694_000;
    const from = startAfter === '' ? 0 : Number(startAfter.slice(layout.slices(scope).length).slice(0, 10)) - startSeconds;
    for (let i = from; i < count; i += 1) {
      const key = layout.slice(scope, logPosition(startSeconds + i, 1), logPosition(startSeconds + 1 + i, 1));
      if (key <= startAfter) continue;
      pulled += 1;
      if (i === count - 1) yield* store.list(key);
      else yield { key, versionId: 'v', bytes: 100, isLatest: true, isDeleteMarker: false, modifiedAt: '' };
    }
  }
  const large: Store = Object.assign(Object.create(null) as Store, {
    list: (prefix: string, options: { startAfter?: string }) => (prefix === layout.slices(scope) ? manySlices(options.startAfter) : store.list(prefix, options)),
    getVersion: store.getVersion.bind(store),
  });
  let peakBytes = 0;
  const beforeBytes = usedHeapBytes();
  const before = process.cpuUsage();
  let told = 0;
  const progress = () => {
    if ((told += 1) % 10 === 0) peakBytes = Math.max(peakBytes, usedHeapBytes() - beforeBytes);
  };
  const catalog = await rebuildCatalog({ store: large, keys, progress }, of);
  // Processor time: what else this machine does at the moment says nothing of the catalog.
  const { user, system } = process.cpuUsage(before);
  const tookMs = Math.round((user + system) / 1000);
  // A range is read one key over its end.
  assert.ok(pulled < count * 1.01, `${pulled} keys were read for ${count}`);
  assert.deepEqual(catalog.spans.map((span) => span.slices), [count]);
  t.diagnostic(`${count} slices in ${tookMs} ms, heap at most ${(peakBytes / mib(1)).toFixed(1)} MiB above`);
  assert.ok(tookMs < 60_000);
  assert.ok(peakBytes < mib(16), `${peakBytes} bytes`);
});

test('a rebuild that is cut short is an error, never a catalog that holds less', async (t) => {
  const { store, keys } = await place(t);
  await writeSlices(store, keys, [0, 10]);
  const signal = AbortSignal.abort(new Error('shutdown'));
  await assert.rejects(rebuildCatalog({ store, keys, signal }, of), /shutdown/);
});
