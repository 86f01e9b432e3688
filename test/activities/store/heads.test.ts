import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { findNewestHead, HeadWriter } from '../../../activities/store/heads.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { findSigned, putSigned } from '../../../activities/store/signed-object.ts';
import type { Store } from '../../../activities/store/store.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPosition, type LogPosition } from '../../../workflows/domain/log-position.ts';
import { headSchema } from '../../../workflows/domain/source-records.ts';
import { seconds } from '../../../workflows/domain/units.ts';
import { collect } from '../../conformance/store.ts';
import { altered } from '../../harness/altered-store.ts';
import { at } from '../../harness/catalogs.ts';
import { newKeys } from '../../harness/keys.ts';
import { contextOf, of, scope, startFirstTimeline, writeHead, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

async function place(t: TestContext) {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const keys = await newKeys();
  const believe = async (key: string) => (await findSigned(store, keys, headSchema, key)).found;
  const newest = async (): Promise<LogPosition | undefined> => (await findNewestHead({ store }, scope, believe))?.to;
  const heads = async (): Promise<string[]> => (await collect(store, layout.heads(scope))).map(({ key }) => key);
  return { store, keys, newest, heads };
}

test('a head is put behind the first slice, then once a minute, and at the end; each once', async (t) => {
  const { store, keys, heads } = await place(t);
  let nowMs = 1_000;
  const writer = new HeadWriter(contextOf(store, keys), scope, () => nowMs);
  for (let n = 1; n <= 20; n += 1) {
    await writer.follow({ from: at(n - 1), to: at(n) });
    nowMs += seconds(10);
  }
  assert.deepEqual(await heads(), [1, 7, 13, 19].map((n) => layout.head(scope, at(n))));
  await writer.end();
  await writer.end();
  await new HeadWriter(contextOf(store, keys), scope).follow({ from: at(19), to: at(20) });
  assert.deepEqual(await heads(), [1, 7, 13, 19, 20].map((n) => layout.head(scope, at(n))));
});

test('a store that does not take a head costs the head and not the log; any other refusal is told', async (t) => {
  const { store, keys, heads } = await place(t);
  let refuses: 'StoreUnavailable' | 'NotPermitted' | undefined = 'StoreUnavailable';
  const moody: Store = altered(store, {
    put: async (...args: Parameters<Store['put']>) => {
      if (refuses) throw new HoldfastError(refuses, 'not now');
      return await store.put(...args);
    },
  });
  const writer = new HeadWriter(contextOf(moody, keys), scope);
  await writer.follow({ from: at(0), to: at(1) });
  refuses = 'NotPermitted';
  await assert.rejects(writer.follow({ from: at(1), to: at(2) }), { name: 'NotPermitted' });
  refuses = undefined;
  await writer.follow({ from: at(2), to: at(3) });
  assert.deepEqual(await heads(), [layout.head(scope, at(3))], 'the next slice has one, without waiting for its minute');
});

test('the newest head is found, whether it is seconds or days old, and beside what is forged or no head', async (t) => {
  const { store, keys, newest } = await place(t);
  const ago = (secondsAgo: number): LogPosition => logPosition(Math.floor(Date.now() / 1000) - secondsAgo, 1);
  assert.equal(await newest(), undefined);
  for (const secondsAgo of [500_000, 3_000, 10]) {
    const head = ago(secondsAgo);
    await new HeadWriter(contextOf(store, keys), scope).follow({ from: at(0), to: head });
    assert.equal(await newest(), head);
  }
  const last = await newest();
  await store.put(`${layout.heads(scope)}notes.txt`, Buffer.from('x'));
  await putSigned(store, await newKeys(), layout.head(scope, ago(5)), { format: 1, kind: 'head' });
  assert.equal(await newest(), last);
});

test('a bucket filled with forged heads is not read through: the furthest of them stands for all', async (t) => {
  const { store, keys } = await place(t);
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [0, 10]);
  await writeHead(store, keys, 0, 10);
  for (let n = 0; n < 130; n += 1) await store.put(layout.head(scope, at(20 + n)), Buffer.from('forged'));
  const { rejected, spans } = await rebuildCatalog({ store, keys }, of);
  assert.equal(rejected.length, 100);
  assert.ok(rejected.some(({ key }) => key === layout.head(scope, at(149))));
  assert.equal(spans.at(-1)!.to, at(10));
});

test('what is archived while the catalog is read seems lost to nobody', async (t) => {
  const { store, keys } = await place(t);
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [0, 10]);
  await writeHead(store, keys, 0, 10);
  let archived = false;
  const busy: Store = altered(store, {
    async *list(prefix: string, options?: Parameters<Store['list']>[1]) {
      yield* store.list(prefix, options);
      if (archived || prefix !== layout.slices(scope)) return;
      archived = true;
      await writeSlices(store, keys, [10, 20]);
      await writeHead(store, keys, 10, 20);
    },
  });
  assert.deepEqual((await rebuildCatalog({ store: busy, keys }, of)).rejected, []);
  assert.ok(archived);
});

test('a log that was cut otherwise after its end was lost is whole again', async (t) => {
  const { store, keys } = await place(t);
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [0, 10, 20, 30]);
  await writeHead(store, keys, 20, 30);
  for (const { key, versionId } of (await collect(store, layout.slices(scope))).slice(1)) await store.deleteVersion({ key, versionId });
  assert.deepEqual((await rebuildCatalog({ store, keys }, of)).rejected.map(({ key }) => key), [layout.slice(scope, at(20), at(30))]);
  await writeSlices(store, keys, [10, 35]);
  assert.deepEqual((await rebuildCatalog({ store, keys }, of)).rejected, []);
});
