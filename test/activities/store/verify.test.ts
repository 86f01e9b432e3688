import assert from 'node:assert/strict';
import { mkdir, open, readFile, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { JobReading } from '../../../activities/context.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { encodeKey } from '../../../activities/store/local-names.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import type { Store } from '../../../activities/store/store.ts';
import { verifyRecoveryPoint } from '../../../activities/store/verify.ts';
import { keyIdOf } from '../../../activities/stream/sealed.ts';
import type { Keys } from '../../../activities/stream/keys.ts';
import { layout } from '../../../workflows/domain/layout.ts';
import { logPositionAt } from '../../../workflows/domain/log-position.ts';
import { collect } from '../../conformance/store.ts';
import { at } from '../../harness/catalogs.ts';
import { keysFrom, newSecrets } from '../../harness/keys.ts';
import { startObjectStore } from '../../harness/object-store.ts';
import { contextOf, requireSum, scope, startFirstTimeline, writeBackup, writeGap, writeSlices, type WrittenBackup } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

interface Place {
  store: Store;
  keys: Keys;
  secrets: Record<string, string>;
  /** The file of one version, for damage behind the store's back. */
  fileOf(version: { key: string; versionId: string }): string;
}

async function place(t: TestContext): Promise<Place> {
  const path = tempDir(t);
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  await startFirstTimeline(store, keys);
  return { store, keys, secrets, fileOf: ({ key, versionId }) => join(path, 'p', `${encodeKey(key)}@`, versionId) };
}

const verify = (store: Store, keys: Keys, backup?: string) => verifyRecoveryPoint(contextOf(store, keys), { backup }, { verifySlice });

async function flipBit(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 4;
  await writeInPlace(file, bytes);
}

/** What rots below the store keeps its time: one that was put late is looked at as forged, which is another test’s. */
async function writeInPlace(file: string, bytes: Buffer): Promise<void> {
  const { atime, mtime } = await stat(file);
  await writeFile(file, bytes);
  await utimes(file, atime, mtime);
}

async function sliceVersion(store: Store, from: number, to: number) {
  const [version] = await collect(store, layout.slice(scope, at(from), at(to)));
  return version!;
}

/** A base at 10 with slices on to 50. */
async function wholeChain({ store, keys }: Pick<Place, 'store' | 'keys'>): Promise<WrittenBackup> {
  const written = await writeBackup(store, keys, 10);
  await writeSlices(store, keys, [5, 15, 30, 40, 50]);
  return written;
}

test('a whole chain is verified to its last byte', async (t) => {
  const { store, keys } = await place(t);
  const { manifest } = await wholeChain({ store, keys });
  const result = await verify(store, keys);
  assert.deepEqual(result.problems, []);
  assert.equal(result.ok, true);
  assert.deepEqual([result.backup, result.timeline, result.parts, result.slices, result.entries], ['b10', 't00000001', 4, 4, 4]);
  // Manifest, key object, two indexes, four parts, four slices.
  assert.equal(result.objects, 12);
  assert.ok(result.bytes > manifest.totals.storedBytes);
  assert.deepEqual(result.restorable, { from: logPositionAt(at(10)), to: logPositionAt(at(50)) });
});

test('of a base that adds to others the bytes of all are told as one sum, which rises to the end', async (t) => {
  const { store, keys } = await place(t);
  const written: WrittenBackup[] = [];
  for (const end of [10, 20, 30]) {
    const parents = written.map(({ manifest: { backup }, ref }) => ({ backup, manifest: ref, plainBytes: 8_002 }));
    written.push(await writeBackup(store, keys, end, { alterManifest: (manifest) => parents.length > 0 && Object.assign(manifest, { parents }) }));
  }
  await writeSlices(store, keys, [5, 15, 30, 40]);
  const said: JobReading[] = [];
  const result = await verifyRecoveryPoint({ ...contextOf(store, keys), progress: (reading) => said.push(reading) }, {}, { verifySlice });
  assert.deepEqual([result.ok, result.backup, result.parts], [true, 'b30', 12]);
  const bytes = written.reduce((sum, { manifest }) => sum + manifest.totals.storedBytes, 0);
  assert.equal(requireSum(said, 'verify base', bytes), bytes);
});

test('the log alone is read to its last byte, and nothing of the base: a damaged part is not looked at, a damaged slice is named', async (t) => {
  const { store, keys, fileOf } = await place(t);
  const written = await wholeChain({ store, keys });
  const verifyTheLog = () => verifyRecoveryPoint(contextOf(store, keys), { scope: 'log' }, { verifySlice });
  const whole = await verify(store, keys);
  await flipBit(fileOf(written.parts[0]!.object));
  const log = await verifyTheLog();
  assert.deepEqual([log.ok, log.parts, log.slices, log.entries, log.restorable], [true, 0, whole.slices, whole.entries, whole.restorable]);
  assert.equal((await verify(store, keys)).ok, false);
  await flipBit(fileOf(await sliceVersion(store, 30, 40)));
  const damaged = await verifyTheLog();
  assert.deepEqual([damaged.ok, damaged.problems.map(({ key }) => key)], [false, [layout.slice(scope, at(30), at(40))]]);
});

test('the named backup is verified, the one of the latest recovery point otherwise; an unknown one is an error', async (t) => {
  const { store, keys } = await place(t);
  await wholeChain({ store, keys });
  await writeBackup(store, keys, 35);
  assert.equal((await verify(store, keys)).backup, 'b35');
  assert.equal((await verify(store, keys, 'b10')).slices, 4);
  await assert.rejects(verify(store, keys, 'b99'), { name: 'NoRecoveryPoint', message: /no backup b99; known: b10, b35/ });
});

const damages: { what: string; damage: (file: string) => Promise<void>; problem: RegExp }[] = [
  { what: 'a flipped bit', damage: flipBit, problem: /SHA-256/ },
  { what: 'a truncated object', damage: (file) => truncate(file, 100), problem: /100 bytes, expected/ },
  { what: 'a missing object', damage: (file) => rm(dirname(file), { recursive: true }), problem: /is not in store/ },
];

for (const { what, damage, problem } of damages) {
  test(`${what} is found and named, wherever in the base it is, and all else is still read`, async (t) => {
    const { store, keys, fileOf } = await place(t);
    const { manifest, parts } = await wholeChain({ store, keys });
    for (const ref of [parts[2]!.object, manifest.groups[1]!.index, manifest.key.objects[0]!]) {
      const file = fileOf(ref);
      const before = await readFile(file);
      await damage(file);
      const result = await verify(store, keys);
      assert.equal(result.ok, false);
      assert.deepEqual(result.problems.map(({ key }) => key), [ref.key]);
      assert.match(result.problems[0]!.problem, problem);
      assert.equal(result.restorable, null);
      assert.equal(result.slices, 4);
      await mkdir(dirname(file), { recursive: true, mode: 0o700 });
      await writeFile(file, before, { mode: 0o600 });
    }
    assert.equal((await verify(store, keys)).ok, true);
  });
}

test('several damaged parts are all named in one run', async (t) => {
  const { store, keys, fileOf } = await place(t);
  const { parts } = await wholeChain({ store, keys });
  for (const part of [parts[0]!, parts[3]!]) await flipBit(fileOf(part.object));
  const { problems } = await verify(store, keys);
  assert.deepEqual(problems.map(({ key }) => key).sort(), [parts[0]!.object.key, parts[3]!.object.key].sort());
});

test('a damaged manifest is named though an older base would do', async (t) => {
  const { store, keys, fileOf } = await place(t);
  await wholeChain({ store, keys });
  const newer = await writeBackup(store, keys, 35);
  await flipBit(fileOf(newer.ref));
  const result = await verify(store, keys);
  assert.equal(result.ok, false);
  assert.deepEqual(result.problems.map(({ key }) => key), [newer.ref.key]);
  assert.equal(result.backup, 'b10');
  assert.equal((await verify(store, keys, 'b35')).restorable, null);
});

test('two parts swapped under a right digest are found by what they were sealed as', async (t) => {
  const { store, keys } = await place(t);
  const { parts } = await writeBackup(store, keys, 10, {
    alterIndex: ({ parts: listed }) => {
      [listed[0]!.object, listed[1]!.object] = [listed[1]!.object, listed[0]!.object];
    },
  });
  const { problems } = await verify(store, keys);
  assert.equal(problems.length, 4);
  assert.match(problems.find(({ key }) => key === parts[0]!.object.key)!.problem, /holds something else: index is \d, expected \d/);
});

test('counts that do not add up are found, in the index and in the manifest', async (t) => {
  const { store, keys } = await place(t);
  const { manifest, ref } = await writeBackup(store, keys, 10, {
    alterIndex: (index) => void (index.parts[0]!.documents = 9),
    alterManifest: (m) => void (m.totals.documents = 41),
  });
  const { problems } = await verify(store, keys);
  assert.deepEqual(problems.map(({ key }) => key), [manifest.groups[0]!.index.key, manifest.groups[1]!.index.key, ref.key]);
  assert.match(problems[0]!.problem, /documents of u1 range all: counted 19, expected 20/);
  assert.match(problems[2]!.problem, /documents: counted 40, expected 41/);
});

test('a part left out of its index is found', async (t) => {
  const { store, keys } = await place(t);
  const { manifest } = await writeBackup(store, keys, 10, { alterIndex: (index) => void index.parts.splice(1, 1) });
  const { problems } = await verify(store, keys);
  assert.ok(problems.some(({ key, problem }) => key === manifest.groups[0]!.index.key && /parts of the group: counted 1, expected 2/.test(problem)));
});

test('the wrong key is named once, and what can be read without it is still read', async (t) => {
  const { store, keys, secrets } = await place(t);
  const { manifest } = await wholeChain({ store, keys });
  const wrong = await keysFrom({ ...secrets, '${AES}': newSecrets()['${AES}']! });
  const result = await verify(store, wrong);
  assert.equal(result.ok, false);
  assert.equal(result.restorable, null);
  assert.deepEqual(result.problems.filter(({ key }) => key.includes('/backups/')).map(({ key }) => key), [manifest.key.objects[0]!.key]);
  assert.match(result.problems[0]!.problem, /the aes256 key test does not open/);
  assert.equal(result.problems.filter(({ key }) => key.includes('/slices/')).length, 4);
  assert.equal(result.parts, 4);
});

test('keys of a stranger: nothing is believed, and nothing is called whole', async (t) => {
  const { store, keys } = await place(t);
  await wholeChain({ store, keys });
  const result = await verify(store, await keysFrom(newSecrets()));
  assert.equal(result.ok, false);
  assert.equal(result.backup, null);
  assert.match(result.problems[0]!.problem, /signed by .* which is not known/);
});

test('a damaged slice is named, the rest still read, and what can be restored ends before it', async (t) => {
  const { store, keys, fileOf } = await place(t);
  await wholeChain({ store, keys });
  const bad = await sliceVersion(store, 30, 40);
  await flipBit(fileOf(bad));
  const result = await verify(store, keys);
  assert.deepEqual(result.problems.map(({ key }) => key), [bad.key]);
  assert.equal(result.slices, 4);
  assert.deepEqual(result.restorable, { from: logPositionAt(at(10)), to: logPositionAt(at(30)) });
});

test('a slice in the place of another is found by what it was sealed as', async (t) => {
  const { store, keys, fileOf } = await place(t);
  await wholeChain({ store, keys });
  const [a, b] = [await sliceVersion(store, 15, 30), await sliceVersion(store, 30, 40)];
  await writeInPlace(fileOf(b), await readFile(fileOf(a)));
  const { problems } = await verify(store, keys);
  assert.deepEqual(problems.map(({ key }) => key), [b.key]);
  assert.match(problems[0]!.problem, /holds something else: from is/);
});

test('a missing slice is named by the slice that would fill the hole; a declared gap is no damage', async (t) => {
  const { store, keys, fileOf } = await place(t);
  await wholeChain({ store, keys });
  await rm(dirname(fileOf(await sliceVersion(store, 15, 30))), { recursive: true });
  const result = await verify(store, keys);
  assert.deepEqual(result.problems.map(({ key }) => key), [layout.slice(scope, at(15), at(30))]);
  assert.match(result.problems[0]!.problem, /chain broken between/);
  assert.deepEqual(result.restorable, { from: logPositionAt(at(10)), to: logPositionAt(at(15)) });
  await writeGap(store, keys, 15, 30);
  const declared = await verify(store, keys);
  assert.equal(declared.ok, true);
  assert.deepEqual(declared.restorable, result.restorable);
});

test('a base that was read over a while is useless without the log of that while', async (t) => {
  const { store, keys } = await place(t);
  await writeBackup(store, keys, 20, { start: 12, logFrom: 10 });
  await writeSlices(store, keys, [8, 15]);
  const result = await verify(store, keys, 'b20');
  assert.equal(result.restorable, null);
  assert.match(result.problems[0]!.problem, /log that was written while this base was read is not in the store/);
});

test('the archive key of slices that is gone is named by every slice that needs it', async (t) => {
  const { store, keys, fileOf } = await place(t);
  await wholeChain({ store, keys });
  const keyId = keyIdOf(await store.getVersion(await sliceVersion(store, 5, 15)));
  const [object] = await collect(store, layout.archiveKey(scope, keyId, 'test'));
  await rm(dirname(fileOf(object!)), { recursive: true });
  const { problems, restorable } = await verify(store, keys);
  assert.equal(problems.length, 4);
  assert.match(problems[0]!.problem, /the key that slices were sealed under is not in the store/);
  assert.deepEqual(restorable, { from: logPositionAt(at(10)), to: logPositionAt(at(10)) });
});

test('on S3: a whole chain, a missing part, a missing slice, a wrong key, and a store that is gone', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  // One try each: this server itself goes on trying to read rotten bytes for seconds.
  const address = { endpoint: server.endpoint, region: server.region, bucket: 'bucket', pathStyle: true, credentials: server };
  const store = openS3Store({ name: 's3', ...address, prefix: 'p', retryAfterMs: [] });
  t.after(() => store.close());
  const secrets = newSecrets();
  const keys = await keysFrom(secrets);
  await startFirstTimeline(store, keys);
  const { parts, manifest } = await wholeChain({ store, keys });
  const whole = await verify(store, keys);
  assert.deepEqual(whole.problems, []);
  assert.deepEqual([whole.ok, whole.parts, whole.slices], [true, 4, 4]);

  // A newer version over a part is not the part.
  await store.put(parts[0]!.object.key, Buffer.from('somebody else'));
  assert.equal((await verify(store, keys)).ok, true);

  // A bit that rots on the server's disk: the server refuses that object for ever, and gives the others.
  await rotOnDisk(server.directory, await store.get(parts[2]!.object));
  const rotten = await verify(store, keys);
  assert.deepEqual(rotten.problems.map(({ key }) => key), [parts[2]!.object.key]);
  assert.match(rotten.problems[0]!.problem, /the store answers, but does not give this object/);

  for (const part of [parts[1]!, parts[2]!]) await store.deleteVersion(part.object);
  await store.deleteVersion(await sliceVersion(store, 30, 40));
  const damaged = await verify(store, keys);
  assert.deepEqual(
    new Set(damaged.problems.map(({ key }) => key)),
    new Set([parts[1]!.object.key, parts[2]!.object.key, layout.slice(scope, at(30), at(40))]),
  );

  const wrong = await verify(store, await keysFrom({ ...secrets, '${AES}': newSecrets()['${AES}']! }));
  assert.ok(wrong.problems.some(({ key, problem }) => key === manifest.key.objects[0]!.key && /does not open/.test(problem)));

  await server.stop();
  await assert.rejects(verify(store, keys), { name: 'StoreUnavailable' });
});

/** Flips one bit of these bytes wherever the server keeps them. */
async function rotOnDisk(directory: string, bytes: Buffer): Promise<void> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter(({ name }) => name.endsWith('.dat'))) {
    const path = join(entry.parentPath, entry.name);
    const at = (await readFile(path)).indexOf(bytes);
    if (at < 0) continue;
    const file = await open(path, 'r+');
    await file.write(Buffer.from([bytes[100]! ^ 1]), 0, 1, at + 100);
    await file.close();
    return;
  }
  assert.fail('the server keeps these bytes in another form');
}
