import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { HoldfastError, type ErrorType } from '../../workflows/domain/errors.ts';
import { hours, mib } from '../../workflows/domain/units.ts';
import type { ObjectVersion, Store } from '../../activities/store/store.ts';
import type { Owner } from '../harness/cleanup.ts';

/** What the suite needs of an implementation, with the real part behind it. */
export interface StoreSubject {
  /** The store under this prefix; `lockMs` left out: no locks. */
  open(options: { prefix: string; lockMs?: number }): Promise<Store>;
  /** Deletes the key as a person without this program would: with a marker. Left out by a store that has none. */
  hide?(prefix: string, key: string): Promise<void>;
  /** Takes the store away at once, and brings it back. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

const rejectsWith = (type: ErrorType, promise: Promise<unknown>): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof HoldfastError, `expected ${type}, got ${String(error)}`);
    assert.equal(error.type, type, error.message);
    return true;
  });

export async function collect(store: Store, prefix: string, startAfter?: string): Promise<ObjectVersion[]> {
  const found: ObjectVersion[] = [];
  for await (const version of store.list(prefix, startAfter === undefined ? {} : { startAfter })) found.push(version);
  return found;
}

/** Every promise of the Store interface. Each test has a prefix of its own. */
export function storeConformance(name: string, prepare: (owner: Owner) => Promise<StoreSubject>): void {
  describe(`${name} as a store`, () => {
    let subject: StoreSubject;
    let prefixes = 0;
    const fresh = async (owner: Owner, lockMs?: number): Promise<{ store: Store; prefix: string }> => {
      const prefix = `test-${(prefixes += 1)}`;
      const store = await subject.open({ prefix, ...(lockMs === undefined ? {} : { lockMs }) });
      owner.after(() => store.close());
      return { store, prefix };
    };

    const cleanUps: (() => void | Promise<void>)[] = [];
    before(async () => {
      subject = await prepare({ after: (cleanUp) => void cleanUps.unshift(cleanUp) });
    });
    after(async () => {
      for (const cleanUp of cleanUps) await cleanUp();
    });

    test('what is put is got back, by reference and by version', async (t) => {
      const { store } = await fresh(t);
      const body = randomBytes(100_000);
      const ref = await store.put('a/b', body);
      assert.equal(ref.bytes, body.length);
      assert.deepEqual(await store.get(ref), body);
      assert.deepEqual(await store.getVersion(ref), body);
      const empty = await store.put('a/empty', new Uint8Array());
      assert.equal((await store.get(empty)).length, 0);
    });

    test('an object of 16 MiB goes in and out', async (t) => {
      const { store } = await fresh(t);
      const body = randomBytes(mib(16));
      assert.ok((await store.get(await store.put('large', body))).equals(body));
    });

    test('an object that is larger than any of ours is refused', async (t) => {
      const { store } = await fresh(t);
      await rejectsWith('BadInput', store.put('huge', Buffer.alloc(mib(32) + 1)));
    });

    test('bytes that are not those of the reference are refused', async (t) => {
      const { store } = await fresh(t);
      const ref = await store.put('k', Buffer.from('right'));
      await rejectsWith('Tampered', store.get({ ...ref, sha256: 'f'.repeat(64) }));
      await rejectsWith('Tampered', store.get({ ...ref, bytes: 4 }));
    });

    test('what is not there is missing, by name', async (t) => {
      const { store } = await fresh(t);
      const ref = await store.put('k', Buffer.from('v'));
      await rejectsWith('ObjectMissing', store.getVersion({ key: 'other', versionId: ref.versionId }));
      await store.deleteVersion(ref);
      await rejectsWith('ObjectMissing', store.get(ref));
      await assert.rejects(store.getVersion(ref), /k/);
    });

    test('a key is asked for by its name alone, and is there from its first version to its last', async (t) => {
      const { store } = await fresh(t);
      assert.deepEqual([await store.has('a/k'), await store.has('a')], [false, false]);
      const versions = [await store.put('a/k', Buffer.from('first')), await store.put('a/k', Buffer.from('second'))];
      assert.deepEqual([await store.has('a/k'), await store.has('a'), await store.has('a/k2')], [true, false, false]);
      await store.deleteVersion(versions[1]!);
      assert.equal(await store.has('a/k'), true);
      await store.deleteVersion(versions[0]!);
      assert.equal(await store.has('a/k'), false);
    });

    test('a second put-if-absent is refused, and what was there first stays', async (t) => {
      const { store } = await fresh(t);
      const first = await store.put('k', Buffer.from('first'), { ifAbsent: true });
      await rejectsWith('AlreadyExists', store.put('k', Buffer.from('second'), { ifAbsent: true }));
      await rejectsWith('AlreadyExists', store.put('k', Buffer.from('first'), { ifAbsent: true }));
      assert.equal((await collect(store, 'k')).length, 1);
      assert.equal((await store.get(first)).toString(), 'first');
    });

    test('of many put-if-absent at once exactly one wins', async (t) => {
      const { store } = await fresh(t);
      const tries = await Promise.allSettled(Array.from({ length: 12 }, (_, i) => store.put('race', Buffer.from(`writer ${i}`), { ifAbsent: true })));
      assert.equal(tries.filter((one) => one.status === 'fulfilled').length, 1);
      assert.equal((await collect(store, 'race')).length, 1);
    });

    test('put-if-absent goes behind a delete marker, and the version before it still reads', async (t) => {
      if (!subject.hide) return t.skip('this store has no delete markers');
      const { store, prefix } = await fresh(t, hours(1));
      const first = await store.put('k', Buffer.from('first'), { ifAbsent: true });
      await subject.hide(prefix, 'k');
      const second = await store.put('k', Buffer.from('second'), { ifAbsent: true });
      assert.equal((await store.get(first)).toString(), 'first');
      const versions = (await collect(store, 'k')).filter((version) => !version.isDeleteMarker);
      assert.deepEqual(versions.map(({ versionId }) => versionId), [first.versionId, second.versionId]);
      assert.equal((await collect(store, 'k')).filter((version) => version.isDeleteMarker).length, 1);
    });

    test('versions are listed by key, the oldest first', async (t) => {
      const { store } = await fresh(t);
      const put = async (key: string, text: string) => (await store.put(key, Buffer.from(text))).versionId;
      const b1 = await put('f/b', '1');
      const a1 = await put('f/a', '1');
      const b2 = await put('f/b', '22');
      const b3 = await put('f/b', '333');
      await put('g/elsewhere', '1');
      const listed = await collect(store, 'f/');
      assert.deepEqual(
        listed.map(({ key, versionId, bytes, isLatest }) => [key, versionId, bytes, isLatest]),
        [['f/a', a1, 1, true], ['f/b', b1, 1, false], ['f/b', b2, 2, false], ['f/b', b3, 3, true]],
      );
    });

    test('a prefix need not end at a folder, and a listing goes on after a key', async (t) => {
      const { store } = await fresh(t);
      for (const key of ['s/10', 's/11', 's/2', 's/20/x', 't']) await store.put(key, Buffer.from(key));
      const keys = async (prefix: string, startAfter?: string) => (await collect(store, prefix, startAfter)).map(({ key }) => key);
      assert.deepEqual(await keys('s/1'), ['s/10', 's/11']);
      assert.deepEqual(await keys('s/2'), ['s/2', 's/20/x']);
      assert.deepEqual(await keys('s/', 's/11'), ['s/2', 's/20/x']);
      assert.deepEqual(await keys('s/', 's/105'), ['s/11', 's/2', 's/20/x']);
      assert.deepEqual(await keys('s/', 's/20/~'), []);
      assert.deepEqual(await keys('nothing/'), []);
    });

    test('more than one page is listed, each version once and in order', async (t) => {
      const { store } = await fresh(t);
      const keys = Array.from({ length: 1_150 }, (_, i) => `many/${String(i).padStart(6, '0')}`);
      const queue = [...keys, 'many/000999', 'many/000999'];
      await Promise.all(Array.from({ length: 16 }, async () => {
        for (let key = queue.pop(); key !== undefined; key = queue.pop()) await store.put(key, Buffer.from(key));
      }));
      const listed = await collect(store, 'many/');
      assert.equal(listed.length, keys.length + 2);
      assert.deepEqual([...new Set(listed.map(({ key }) => key))], keys);
      assert.equal(new Set(listed.map(({ key, versionId }) => key + versionId)).size, listed.length);
      assert.equal((await collect(store, 'many/', 'many/001000')).length, 149);
    });

    test('odd keys keep their names', async (t) => {
      const { store } = await fresh(t);
      const keys = ['o/with space', 'o/ümläut-字', 'o/100%25', 'o/a+b&c=d?e#f', "o/quote'\"<>", 'o/at@', 'o/UPPER', 'o/…', 'o/.hidden', 'o/~tilde*'];
      for (const key of keys) assert.equal((await store.get(await store.put(key, Buffer.from(key)))).toString(), key);
      assert.deepEqual((await collect(store, 'o/')).map(({ key }) => key).sort(), [...keys].sort());
      for (const key of ['', '/a', 'a//b', 'a/', '../a', 'a/./b', 'a\nb']) await rejectsWith('BadInput', store.put(key, Buffer.from('x')));
    });

    test('a locked version cannot be deleted', async (t) => {
      const { store } = await fresh(t, hours(1));
      const ref = await store.put('locked', Buffer.from('v'));
      await rejectsWith('NotPermitted', store.deleteVersion(ref));
      assert.equal((await store.get(ref)).toString(), 'v');
    });

    test('a lock is extended and never made shorter', async (t) => {
      const { store } = await fresh(t, hours(1));
      const ref = await store.put('locked', Buffer.from('v'));
      const day = new Date(Date.now() + hours(24));
      await store.extendLock(ref, day);
      await store.extendLock(ref, day);
      await rejectsWith('NotPermitted', store.extendLock(ref, new Date(Date.now() + hours(2))));
      await rejectsWith('NotPermitted', store.deleteVersion(ref));
    });

    test('it says until when a version is locked, and nothing of one that is not', async (t) => {
      const locked = (await fresh(t, hours(1))).store;
      const ref = await locked.put('locked', Buffer.from('v'));
      const leftMs = Date.parse((await locked.lockedUntil(ref))!) - (await locked.now()).getTime();
      assert.ok(leftMs > hours(1) - 120_000 && leftMs <= hours(1) + 5_000, `${leftMs} ms`);
      const day = new Date(Math.ceil(Date.now() / 1000) * 1000 + hours(24));
      await locked.extendLock(ref, day);
      assert.equal(await locked.lockedUntil(ref), day.toISOString());
      assert.equal(await locked.lockedUntil(await locked.put('free', Buffer.from('v'), { lockUntil: new Date(0) })), null);
      const free = (await fresh(t)).store;
      assert.equal(await free.lockedUntil(await free.put('k', Buffer.from('v'))), null);
    });

    test('a put may be left unlocked, and a store without locks takes them lightly', async (t) => {
      const locked = (await fresh(t, hours(1))).store;
      await locked.deleteVersion(await locked.put('free', Buffer.from('v'), { lockUntil: new Date(0) }));
      assert.deepEqual(await collect(locked, 'free'), []);
      const free = (await fresh(t)).store;
      const ref = await free.put('k', Buffer.from('v'));
      await free.extendLock(ref, new Date(Date.now() + hours(1)));
      await free.deleteVersion(ref);
    });

    test('it says what time it is, which is not before what was just put', async (t) => {
      const { store } = await fresh(t);
      await store.put('k', Buffer.from('v'));
      const [version] = await collect(store, 'k');
      const afterMs = (await store.now()).getTime() - Date.parse(version!.modifiedAt);
      assert.ok(afterMs >= -1_000 && afterMs < 300_000, `${afterMs} ms`);
    });

    test('an abort ends a read, a write and a listing with its own reason', async (t) => {
      const { store } = await fresh(t);
      const ref = await store.put('k', Buffer.from('v'));
      const reason = new Error('cancelled by a person');
      const signal = AbortSignal.abort(reason);
      const isReason = (error: unknown) => error === reason;
      await assert.rejects(store.put('k2', Buffer.from('v'), { signal }), isReason);
      await assert.rejects(store.get(ref, { signal }), isReason);
      await assert.rejects(async () => {
        for await (const version of store.list('', { signal })) assert.ok(version);
      }, isReason);
      assert.equal((await collect(store, 'k')).length, 1);
    });

    test('a store that is gone is unavailable in bounded time, and serves again when it is back', async (t) => {
      const { store } = await fresh(t);
      const ref = await store.put('k', Buffer.from('v'));
      await subject.stop();
      const startedMs = Date.now();
      const outcomes = await Promise.allSettled([store.put('k2', Buffer.from('v')), store.get(ref), collect(store, 'k'), store.getVersion(ref)]);
      const tookMs = Date.now() - startedMs;
      await subject.start();
      for (const outcome of outcomes) {
        assert.equal(outcome.status, 'rejected');
        assert.equal((outcome.reason as HoldfastError).type, 'StoreUnavailable', String(outcome.reason));
        assert.equal((outcome.reason as HoldfastError).retryable, true);
      }
      assert.ok(tookMs < 20_000, `took ${tookMs} ms`);
      assert.equal((await store.get(ref)).toString(), 'v');
      await store.put('k3', Buffer.from('v'), { ifAbsent: true });
    });
  });
}
