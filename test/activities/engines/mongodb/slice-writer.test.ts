import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { SliceWriter } from '../../../../activities/engines/mongodb/archive/slice-writer.ts';
import { parseEntry } from '../../../../activities/engines/mongodb/oplog/oplog-entry.ts';
import { checkSlice, SliceObjects } from '../../../../activities/engines/mongodb/oplog/slice-object.ts';
import { openLocalStore } from '../../../../activities/store/local.ts';
import { readSliceNames, type StoredSlice } from '../../../../activities/store/slice-names.ts';
import type { Store } from '../../../../activities/store/store.ts';
import { at } from '../../../harness/catalogs.ts';
import { newKeys } from '../../../harness/keys.ts';
import { contextOf, entryAt, scope } from '../../../harness/stored-source.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { until } from '../../../harness/until.ts';

/** A store whose slices are put when they are let through, or fail as `fail` says after they were stored. */
function slowStore(store: Store) {
  const waiting: (() => void)[] = [];
  const state = { free: false, loseAnswers: 0 };
  const put: Store['put'] = async (key, body, options) => {
    if (!key.includes('/slices/')) return await store.put(key, body, options);
    if (!state.free) await new Promise<void>((resolve) => waiting.push(resolve));
    const stored = await store.put(key, body, options);
    if (state.loseAnswers > 0) {
      state.loseAnswers -= 1;
      throw new HoldfastError('StoreUnavailable', 'its answer was lost');
    }
    return stored;
  };
  const slow = new Proxy(store, { get: (target, name) => (name === 'put' ? put : Reflect.get(target, name).bind?.(target) ?? Reflect.get(target, name)) as unknown });
  const letThrough = (all: boolean): void => {
    state.free = all;
    for (const resolve of waiting.splice(0)) resolve();
  };
  return { slow, state, waiting, letThrough };
}

async function place(t: Parameters<typeof tempDir>[0], bytes: number) {
  const keys = await newKeys();
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  const { slow, state, waiting, letThrough } = slowStore(store);
  const objects = new SliceObjects(contextOf(slow, keys), scope);
  const writer = new SliceWriter(objects, at(100), { everyMs: 1_000, bytes }, new AbortController().signal);
  const write = (position: number): void => {
    writer.add(parseEntry(Buffer.from(entryAt(at(position)))));
    writer.cut();
  };
  const stored = async (): Promise<StoredSlice[]> => {
    const found: StoredSlice[] = [];
    for await (const slice of readSliceNames(store, scope)) if (!('unreadable' in slice)) found.push(slice);
    return found;
  };
  return { objects, writer, write, stored, state, waiting, letThrough };
}

test('slices that wait behind a slow put go up as one, as large as a slice may be, and none is there before the one that it touches', async (t) => {
  const entryBytes = entryAt(at(101)).length;
  const { objects, writer, write, stored, waiting, letThrough } = await place(t, 4 * entryBytes);
  write(101);
  await until('the first is being put', () => waiting.length === 1);
  for (let position = 102; position <= 110; position += 1) write(position);
  assert.deepEqual(await stored(), []);
  assert.equal(waiting.length, 1, 'nothing overtakes it');
  letThrough(true);
  await writer.finish(10_000);
  const found = await stored();
  assert.deepEqual(found.map(({ from, to }) => [from, to]), [[at(100), at(101)], [at(101), at(105)], [at(105), at(109)], [at(109), at(110)]]);
  for (const slice of found) assert.equal(checkSlice(slice, await objects.open(slice)), (await objects.open(slice)).length / entryBytes);
  assert.deepEqual([writer.archivedTo, writer.entries, writer.slices], [at(110), 10, 4]);
});

test('a range that may have been stored is not joined with what came after it', async (t) => {
  const { writer, write, stored, state, waiting, letThrough } = await place(t, 1_000_000);
  state.loseAnswers = 1;
  write(101);
  await until('it is being put', () => waiting.length === 1);
  write(102);
  write(103);
  letThrough(true);
  await writer.finish(10_000);
  assert.deepEqual((await stored()).map(({ from, to }) => [from, to]), [[at(100), at(101)], [at(101), at(103)]]);
});
