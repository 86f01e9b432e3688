import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listByTime } from '../../../activities/store/list-by-time.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import type { ObjectVersion, ReadOptions, Store } from '../../../activities/store/store.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPosition } from '../../../workflows/domain/log-position.ts';
import { collect } from '../../conformance/store.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { scope } from '../../harness/stored-source.ts';

const prefix = layout.slices(scope);
const versionOf = (key: string, versionId = 'v'): ObjectVersion => ({ key, versionId, bytes: 1, isLatest: true, isDeleteMarker: false, modifiedAt: '' });
const sliceAt = (seconds: number, ordinal = 1): ObjectVersion => versionOf(layout.slice(scope, logPosition(seconds, ordinal), logPosition(seconds, ordinal + 1)));

/** A listing of these versions; counts how many are read and how many listings are open at a time. */
function listing(versions: ObjectVersion[]) {
  const seen = { read: 0, open: 0, openAtMost: 0 };
  async function* list(_: string, { startAfter = '', signal }: ReadOptions & { startAfter?: string } = {}): AsyncGenerator<ObjectVersion> {
    seen.openAtMost = Math.max(seen.openAtMost, (seen.open += 1));
    try {
      let low = 0;
      for (let high = versions.length; low < high; ) {
        const middle = (low + high) >> 1;
        if (versions[middle]!.key <= startAfter) low = middle + 1;
        else high = middle;
      }
      for (const version of versions.slice(low)) {
        signal?.throwIfAborted();
        seen.read += 1;
        if (seen.read % 1_000 === 0) await new Promise(setImmediate);
        yield version;
      }
    } finally {
      seen.open -= 1;
    }
  }
  return { store: Object.assign(Object.create(null) as Store, { list }), seen };
}

async function read(store: Store, options: Parameters<typeof listByTime>[2] = {}): Promise<ObjectVersion[]> {
  const found: ObjectVersion[] = [];
  for await (const version of listByTime(store, prefix, options)) found.push(version);
  return found;
}

test('ranges read side by side give what one listing gives: dense, sparse, and keys that are no slices', async () => {
  const start = 1_763_694_000;
  const versions = [
    ...Array.from({ length: 3_000 }, (_, i) => sliceAt(start + i * 5)),
    // A burst: far more in a range than the beginning promised.
    ...Array.from({ length: 50_000 }, (_, i) => sliceAt(start + 15_000 + Math.floor(i / 100), 1 + (i % 100))),
    ...Array.from({ length: 2_000 }, (_, i) => sliceAt(start + 100_000 + i * 3_600)),
    versionOf(`${prefix}not-a-slice`),
  ].sort((a, b) => (a.key < b.key ? -1 : 1));
  const { store, seen } = listing(versions);
  assert.deepEqual(await read(store), versions);
  assert.ok(seen.openAtMost > 1, 'nothing was read side by side');
  assert.deepEqual(await read(store, { startAfter: versions[4_000]!.key }), versions.slice(4_001));
});

test('all versions of a key stay together where a listing is cut', async () => {
  const versions = Array.from({ length: 12_000 }, (_, i) => sliceAt(1_763_694_000 + Math.floor(i / 3))).map((one, i) => ({ ...one, versionId: `v${i % 3}` }));
  assert.deepEqual(await read(listing(versions).store), versions);
});

test('who stops asking leaves no listing open, and a range that fails is an error', async () => {
  const versions = Array.from({ length: 40_000 }, (_, i) => sliceAt(1_763_694_000 + i));
  const { store, seen } = listing(versions);
  let taken = 0;
  for await (const version of listByTime(store, prefix)) if ((taken += version.bytes) > 5_000) break;
  assert.equal(seen.open, 0);
  const failing: Store = Object.assign(Object.create(null) as Store, {
    async *list(of: string, options: { startAfter?: string }) {
      if (options.startAfter !== undefined && options.startAfter > versions[20_000]!.key) throw new Error('no answer');
      yield* store.list(of, options);
    },
  });
  await assert.rejects(read(failing), /no answer/);
  assert.equal(seen.open, 0);
});

test('on S3: the same versions as one listing, in comparable time', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  const store = openS3Store({ name: 's3', endpoint: server.endpoint, region: server.region, bucket: 'bucket', prefix: 'p', pathStyle: true, credentials: server });
  t.after(() => store.close());
  const keys = Array.from({ length: 2_600 }, (_, i) => sliceAt(1_763_694_000 + i).key);
  const queue = [...keys];
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let key = queue.pop(); key !== undefined; key = queue.pop()) await store.put(key, Buffer.from('x'));
  }));
  const timed = async <T>(act: () => Promise<T>): Promise<{ value: T; tookMs: number }> => {
    const startedMs = Date.now();
    return { value: await act(), tookMs: Date.now() - startedMs };
  };
  const plain = await timed(() => collect(store, prefix));
  const ranged = await timed(() => read(store));
  assert.deepEqual(ranged.value, plain.value);
  assert.deepEqual(ranged.value.map(({ key }) => key), keys);
  t.diagnostic(`${keys.length} keys: one listing ${plain.tookMs} ms, by time ${ranged.tookMs} ms`);
  assert.ok(ranged.tookMs < plain.tookMs * 3, `one listing ${plain.tookMs} ms, by time ${ranged.tookMs} ms`);
});
