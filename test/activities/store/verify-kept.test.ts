import assert from 'node:assert/strict';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { JobReading } from '../../../activities/context.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { verifyAndMark } from '../../../activities/store/mark-damage.ts';
import { writeMark } from '../../../activities/store/marks.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import { putSigned } from '../../../activities/store/signed-object.ts';
import type { Store } from '../../../activities/store/store.ts';
import { readVerified, type KnownVerifications } from '../../../activities/watch/read-verified.ts';
import { shareOf } from '../../../activities/store/verify-kept.ts';
import { readVerifications } from '../../../activities/store/verifications.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import { importTimeline, layout } from '../../../workflows/domain/layout.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { hours } from '../../../workflows/domain/units.ts';
import type { Rotation } from '../../../workflows/domain/verification.ts';
import { collect } from '../../conformance/store.ts';
import { at } from '../../harness/catalogs.ts';
import { keysFrom, newKeys, newSecrets } from '../../harness/keys.ts';
import { contextOf, of, requireSum, scope, startFirstTimeline, writeBackup, writeGap, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const quarters: Rotation = { shares: 4, withinMs: hours(24) };
const whole: Rotation = { shares: 1, withinMs: hours(24) };

/** Two bases on one log, with a gap that was declared, and an import: 12 parts and 8 slices. */
async function place(t: TestContext) {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  await startFirstTimeline(store, keys);
  for (const end of [10, 30]) await writeBackup(store, keys, end);
  await writeSlices(store, keys, [5, 12, 15, 30, 40, 50]);
  await writeGap(store, keys, 50, 60);
  await writeSlices(store, keys, [60, 70]);
  const timeline = importTimeline('b80');
  await writeBackup(store, keys, 80, { timeline });
  await writeSlices(store, keys, [75, 85, 95], timeline);
  const fileOf = ({ key, versionId }: { key: string; versionId: string }): string => join(path, 'p', `${encodeKey(key)}@`, versionId);
  const damage = async (object: { key: string; versionId: string }): Promise<void> => {
    const file = fileOf(object);
    const bytes = await readFile(file);
    bytes[bytes.length >> 1]! ^= 4;
    const { atime, mtime } = await stat(file);
    await writeFile(file, bytes);
    await utimes(file, atime, mtime);
  };
  const remove = async ({ key }: { key: string }): Promise<void> => await rm(join(path, 'p', `${encodeKey(key)}@`), { recursive: true });
  const verify = async (run: string, rotation = quarters, from: Store = store, said: JobReading[] = []) => await verifyAndMark({ ...contextOf(from, keys), progress: (reading) => said.push(reading) }, rotation, run, { verifySlice });
  const marked = async (): Promise<string[]> => [...new Set((await collect(store, layout.marks(of.system, of.source))).map(({ key }) => key.split('/').at(-2)!))];
  return { store, keys, secrets, damage, remove, verify, marked };
}

/** A store that says what was read of it. */
const proxyOf = (store: Store, other: Partial<Store>): Store =>
  new Proxy(store, { get: (target, name) => other[name as keyof Store] ?? (target[name as keyof Store] as (...given: unknown[]) => unknown).bind?.(target) ?? target[name as keyof Store] });

function watched(store: Store): { store: Store; read: Set<string> } {
  const read = new Set<string>();
  const get: Store['get'] = async (ref, options) => {
    read.add(ref.key);
    return await store.get(ref, options);
  };
  const getVersion: Store['getVersion'] = async (version, options) => {
    read.add(version.key);
    return await store.getVersion(version, options);
  };
  return { store: proxyOf(store, { get, getVersion }), read };
}

const isData = (key: string): boolean => key.includes('/parts/') || key.includes('/slices/');

test('four samples read every part and slice that is kept, of every base, timeline and import, and each only in its turn', async (t) => {
  const { store, keys, verify } = await place(t);
  const bytesOf = new Map((await collect(store, layout.source(of.system, of.source))).map(({ key, bytes }) => [key, bytes]));
  const all = [...bytesOf.keys()].filter(isData);
  const sizeOf = (objects: readonly string[]): number => objects.reduce((sum, key) => sum + bytesOf.get(key)!, 0);
  assert.equal(all.length, 20);
  const seen: string[] = [];
  for (let n = 0; n < 4; n += 1) {
    const look = watched(store);
    const said: JobReading[] = [];
    const result = await verify(`run-${n}`, quarters, look.store, said);
    assert.deepEqual([result.ok, result.problems, result.sample!.read], [true, [], [n]]);
    assert.deepEqual([result.sample!.unread, result.sample!.wholeBy === null], [3 - n, n === 3]);
    const parts = [...look.read].filter((key) => key.includes('/parts/'));
    assert.deepEqual(parts.sort(), all.filter((key) => key.includes('/parts/') && shareOf(key, 4) === n).sort());
    requireSum(said, 'verify base', sizeOf(parts));
    // The ends of the log's stretches are opened whenever the catalog is read.
    assert.ok(all.filter((key) => shareOf(key, 4) === n).every((key) => look.read.has(key)));
    seen.push(...parts, ...all.filter((key) => key.includes('/slices/') && shareOf(key, 4) === n));
  }
  assert.deepEqual(seen.sort(), all.sort());
  assert.deepEqual((await verify('run-4')).sample!.read, [0], 'then it begins anew');
  const schedules = { sample: { does: 'verification', with: { scope: 'sample', shares: 4, within: '24h' } } } as unknown as System['schedules'];
  const known: KnownVerifications = new Map();
  const shareAt = async (nowMs: number) => await readVerified({ store, keys }, { system: of.system, sources: { [of.source]: {} } as unknown as System['sources'], schedules }, nowMs, known);
  assert.deepEqual(await shareAt(Date.now()), [{ source: of.source, share: 1 }]);
  assert.equal(known.size, 5);
  assert.deepEqual(await shareAt(Date.now() + hours(25)), [{ source: of.source, share: 0 }], 'what was read longer ago does not count');
  const said: JobReading[] = [];
  await verify('run-whole', whole, store, said);
  for (const [phase, room] of [['verify base', '/parts/'], ['verify log', '/slices/']] as const) {
    const bytes = sizeOf(all.filter((key) => key.includes(room)));
    assert.equal(requireSum(said, phase, bytes), bytes, phase);
  }
});

test('a try that is killed is made again with the same share, and one whose answer was lost asks for the new base again', async (t) => {
  const { store, keys, verify, damage, marked } = await place(t);
  const part = await partOfShare({ store, keys }, 0);
  await damage(part);
  const dying = (key: string): Store => proxyOf(store, { put: async (...given) => (given[0].startsWith(key) ? await Promise.reject(new Error('killed')) : await store.put(...given)) });
  await assert.rejects(verify('run-1', quarters, dying(layout.verifications(of.system, of.source))), /killed/);
  assert.deepEqual([await readVerifications({ store, keys }, of), await marked()], [[], []]);
  await assert.rejects(verify('run-1', quarters, dying(layout.marks(of.system, of.source))), /killed/);
  for (const which of ['it is marked now', 'it was marked, and is not read again']) {
    const { ok, newBaseWanted, problems, sample } = await verify('run-1');
    assert.deepEqual([ok, newBaseWanted, problems.map(({ key }) => key), sample!.read, await marked()], [false, true, [part.key], [0], [part.key.split('/').at(-5)]], which);
  }
  assert.deepEqual((await verify('run-2')).sample!.read, [1]);
});

async function partOfShare({ store, keys }: { store: Store; keys: Keys }, share: number) {
  for (let end = 31; ; end += 1) {
    const part = (await collect(store, layout.source(of.system, of.source))).find(({ key }) => key.includes('/t00000001/') && key.includes('/parts/') && shareOf(key, 4) === share);
    if (part) return part;
    // Their names are made up by chance.
    await writeBackup(store, keys, end);
  }
}

test('damage of an old base is found in its turn, marked, and asks for a new base once', async (t) => {
  const { store, keys, verify, damage, marked } = await place(t);
  const parts = await collect(store, layout.allParts({ ...scope, backup: 'b10' }));
  await damage(parts[0]!);
  const turn = shareOf(parts[0]!.key, 4);
  for (let n = 0; n < turn; n += 1) assert.equal((await verify(`run-${n}`)).ok, true);
  const found = await verify('run-found');
  assert.deepEqual([found.ok, found.newBaseWanted, found.problems.map(({ key }) => key)], [false, true, [parts[0]!.key]]);
  assert.deepEqual(await marked(), ['b10']);
  assert.equal((await rebuildCatalog({ store, keys }, of)).bases[0]!.mark?.doubt?.by, 'verification');
  for (let n = 0; n < 4; n += 1) assert.deepEqual((await verify(`later-${n}`)).problems, [], 'it is known, and marked');
});

test('what is gone is found by the next sample, whichever share it is, and asked for once: a part, a slice, a whole stretch', async (t) => {
  const { store, verify, remove, marked } = await place(t);
  const [part] = await collect(store, layout.allParts({ ...scope, backup: 'b30' }));
  await remove(part!);
  await remove({ key: layout.slice(scope, at(12), at(15)) });
  const found = await verify('run-1');
  assert.deepEqual(found.problems.map(({ key }) => key).sort(), [part!.key, layout.slice(scope, at(12), at(15))].sort());
  assert.equal(found.newBaseWanted, true);
  assert.deepEqual(await marked(), ['b30'], 'of what is not there nothing is marked');
  const again = await verify('run-2');
  assert.deepEqual([again.ok, again.problems.length, again.newBaseWanted], [false, 1, undefined], 'the hole is there still, and was told of');
});

test('what retention or a person has let go is no damage, nor is it while it is being read', async (t) => {
  const { store, keys, verify, remove } = await place(t);
  await remove({ key: layout.slice(scope, at(5), at(12)) });
  await remove({ key: layout.slice(scope, at(12), at(15)) });
  await putSigned(store, keys, layout.expiredLog(scope, at(15)), { format: 1 as const, kind: 'expired-log' as const, ...scope, epoch: 1, before: at(15), run: 'r', at: '2026-11-22T00:00:00.000Z' });
  assert.deepEqual((await verify('run-1', whole)).problems, []);
  // Retention takes b10 after the catalog was read: its manifest first.
  const [manifest] = await collect(store, layout.manifest({ ...scope, backup: 'b10' }));
  let taken = false;
  const racing = proxyOf(store, {
    get: async (ref, options) => {
      if (ref.key === manifest!.key && !taken) {
        taken = true;
        for (const version of await collect(store, layout.backupFolder({ ...scope, backup: 'b10' }))) await store.deleteVersion(version);
      }
      return await store.get(ref, options);
    },
  });
  const result = await verify('run-2', whole, racing);
  assert.deepEqual([taken, result.problems], [true, []]);
});

test('a worker with another key marks nothing and asks for no new base; a forged record moves no share on', async (t) => {
  const { store, secrets, keys, verify, marked } = await place(t);
  const other = await keysFrom({ ...secrets, '${AES}': newSecrets()['${AES}']! });
  const result = await verifyAndMark(contextOf(store, other), whole, 'run-1', { verifySlice });
  assert.deepEqual([result.ok, result.newBaseWanted, await marked()], [false, undefined, []]);
  const forger = await newKeys();
  const at1 = '2026-11-22T00:00:00.000Z';
  await putSigned(store, forger, layout.verification(of, at1), { format: 1 as const, kind: 'verification' as const, ...of, run: 'x', at: at1, scope: 'sample' as const, shares: { of: 4, read: [0, 1, 2] }, backup: null, ok: true, objects: 0, bytes: 0, problems: [], problemCount: 0 });
  assert.equal((await readVerifications({ store, keys }, of)).length, 1);
  await writeMark({ store, keys }, { ...of, point: 'b10', state: 'suspect', reason: 'looks wrong', by: 'dana', id: '1' });
  const read = (await verify('run-2')).sample!;
  assert.deepEqual([read.read, read.unread], [[0], 3], 'what did not open was not read');
});
