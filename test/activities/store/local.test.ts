import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, readdir, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SourceContext } from '../../../activities/context.ts';
import { verifySlice } from '../../../activities/engines/mongodb/archive/verify-slice.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { noteExposed, type Findings } from '../../../activities/store/findings.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { verifyAndMark } from '../../../activities/store/mark-damage.ts';
import { readHistory } from '../../../activities/store/marks.ts';
import { requireRoom } from '../../../activities/store/require-room.ts';
import { checkStore } from '../../../activities/store/setup/check-store.ts';
import { initStore } from '../../../activities/store/setup/init-store.ts';
import type { LoadedSystem } from '../../../activities/system-files.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect, storeConformance } from '../../conformance/store.ts';
import { storePlace } from '../../harness/engine-place.ts';
import { newKeys } from '../../harness/keys.ts';
import { contextOf, of, startFirstTimeline, writeBackup, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

storeConformance('a directory', async (owner) => {
  const directory = tempDir(owner);
  const path = join(directory, 'store');
  return {
    open: ({ prefix, lockMs }) => openLocalStore({ name: 'test', path, prefix, lockMs }),
    stop: () => rename(path, `${path}-away`),
    start: () => rename(`${path}-away`, path),
  };
});

async function files(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test('a directory: nobody else may read it', async (t) => {
  const path = join(tempDir(t), 'store');
  const store = await openLocalStore({ name: 'test', path, prefix: 'p', lockMs: hours(1) });
  await store.put('a/b', Buffer.from('v'));
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const mode = (await stat(join(entry.parentPath, entry.name))).mode & 0o777;
    assert.equal(mode, entry.isDirectory() ? 0o700 : 0o600, entry.name);
  }
});

test('a directory: a flipped bit is found when it is read', async (t) => {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const ref = await store.put('k', randomBytes(1000));
  const [file] = await files(path);
  const bytes = await readFile(file!);
  bytes[500]! ^= 1;
  await writeFile(file!, bytes);
  await assert.rejects(store.get(ref), { name: 'Tampered', message: /k version .*SHA-256/ });
});

test('a directory: an object and a folder may share a name, and order is that of whole keys', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  for (const key of ['a/b', 'a', 'a-b', 'a0', 'a/b/c']) await store.put(key, Buffer.from(key));
  assert.deepEqual((await collect(store, '')).map(({ key }) => key), ['a', 'a-b', 'a/b', 'a/b/c', 'a0']);
});

test('a directory: a version id that walks out of it is not followed', async (t) => {
  const store = await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' });
  await store.put('k', Buffer.from('v'));
  await assert.rejects(store.getVersion({ key: 'k', versionId: '../k@/00000001-aaaaaaaa' }), { name: 'ObjectMissing' });
});

test('a directory with a quota takes no part beyond it, by name; log waits; what is small, and what makes room, goes on', async (t) => {
  const path = tempDir(t);
  const open = async () => await openLocalStore({ name: 'test', path, prefix: 'p', quotaBytes: 100_000 });
  const store = await open();
  const part = (n: number): string => `s/d/t00000001/backups/b1/parts/u/r/${n}`;
  const first = await store.put(part(0), randomBytes(60_000));
  await assert.rejects(store.put(part(1), randomBytes(60_000)), { name: 'StoreFull', message: /store test is full: 58\.6 KiB of its quota of 97\.7 KiB, and s\/d\/.*\/1 has 58\.6 KiB HINT: let retention take/ });
  await assert.rejects(store.put('s/d/t00000001/slices/a_b', randomBytes(60_000)), { name: 'StoreUnavailable', message: /is full/ }, 'an archive sits that out');
  await store.put('s/audit/00000001.json', randomBytes(60_000));
  assert.equal((await collect(store, 's/d/')).length, 1, 'nothing is left of what was refused');
  // Whoever filled it: another process, or another system.
  await assert.rejects((await open()).put(part(2), randomBytes(10)), { name: 'StoreFull', message: /117\.2 KiB of its quota/ });
  await store.deleteVersion(first);
  await (await open()).put(part(3), randomBytes(30_000));
});

test('a quota counts what lies behind a link, and a source’s own name is no kind of data', async (t) => {
  const directory = tempDir(t);
  await mkdir(join(directory, 'disk'), { mode: 0o700 });
  await symlink(join(directory, 'disk'), join(directory, 'store'));
  const open = async () => await openLocalStore({ name: 'test', path: join(directory, 'store'), prefix: 'p', quotaBytes: 100_000 });
  const store = await open();
  await store.put('s/parts/t00000001/backups/b1/parts/u/r/0', randomBytes(90_000));
  await assert.rejects((await open()).put('s/parts/t00000001/slices/a_b', randomBytes(60_000)), { name: 'StoreUnavailable' });
  for (const key of ['s/parts/marks/b1/1.json', 's/slices/t00000001/heads/1.json', 's/slices/t00000001/backups/b1/manifest.json']) await store.put(key, randomBytes(20_000));
  await assert.rejects((await open()).put('s/runs/r1/diverged/documents.0', randomBytes(10)), { name: 'StoreUnavailable' });
  assert.deepEqual(await store.exposed!(), [], 'a link has no mode of its own');
  await chmod(join(directory, 'disk'), 0o750);
  assert.deepEqual((await store.exposed!()).map(({ mode }) => mode), ['0750']);
});

test('what somebody opened to others is named, in a check and in a verification, which calls nothing damaged for it', async (t) => {
  const { context, storePath } = await storePlace(t);
  const { store, keys } = context;
  assert.deepEqual(await store.exposed!(), []);
  await claimEpoch(store, keys, 'place', 'the control plane', { why: 'test', takeOver: false });
  const ref = await store.put('place/documents/x', Buffer.from('v'));
  const [x] = (await files(storePath)).filter((name) => name.includes(ref.versionId));
  await chmod(x!, 0o644);
  await chmod(join(storePath, 'holdfast', 'place'), 0o750);
  assert.deepEqual((await store.exposed!()).map(({ path, mode, wanted }) => [path, mode, wanted]), [[join(storePath, 'holdfast', 'place'), '0750', '0700'], [x, '0644', '0600']]);
  const found: Findings = { objects: 0, bytes: 0, parts: 0, slices: 0, entries: 0, problems: [] };
  await noteExposed(context, found);
  assert.deepEqual(found.problems.map(({ type }) => type), ['NotPermitted', 'NotPermitted']);
  assert.match(found.problems[1]!.problem, /is open to others than its owner: mode 0644, and 0600 is wanted/);

  const loaded = { system: context.system, directory: storePath, digest: 'd' } as unknown as LoadedSystem;
  const check = await checkStore(loaded, { probe: false });
  const said = check.findings.find(({ message }) => message.includes('permissions'))!;
  assert.equal(said.effect, 'fails');
  assert.match(said.message, /permissions: 2 are open to others: .*place \(0750\), .* \(0644\); wanted: directories 0700, files 0600/);
  await initStore(loaded, { dryRun: false });
  assert.deepEqual(await store.exposed!(), []);
  assert.equal((await checkStore(loaded, { probe: false })).findings.some(({ message }) => message.includes('permissions')), false);
});

test('a verification that finds it opened to others pages, marks nothing, and wants no new base', async (t) => {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const keys = await newKeys();
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [5, 15]);
  const { parts } = await writeBackup(store, keys, 10);
  const context = contextOf(store, keys);
  assert.ok((await verifyAndMark(context, {}, 'r1', { verifySlice })).ok);
  await chmod((await files(path)).find((name) => name.includes(parts[0]!.object.versionId))!, 0o640);
  for (const [input, run] of [[{}, 'r2'], [{ shares: 1, withinMs: hours(1) }, 'r3']] as const) {
    const { ok, problems, newBaseWanted } = await verifyAndMark(context, input, run, { verifySlice });
    assert.deepEqual([ok, problems.length, newBaseWanted], [false, 1, undefined]);
    assert.match(problems[0]!.problem, /mode 0640, and 0600 is wanted/);
  }
  assert.deepEqual(await readHistory(context, of, 'b10'), []);
});

test('a base for which there is no room is refused before it begins, by how much the newest one was compressed', async (t) => {
  const path = tempDir(t);
  const store = await openLocalStore({ name: 'test', path, prefix: 'p' });
  const keys = await newKeys();
  await claimEpoch(store, keys, of.system, 'the control plane', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [5, 15]);
  await writeBackup(store, keys, 10, { alterManifest: (manifest) => void (manifest.totals = { ...manifest.totals, plainBytes: manifest.totals.storedBytes * 10 }) });
  const context: SourceContext = { ...contextOf(store, keys), system: { system: of.system, stores: [{ kind: 'local', name: 'test', path, prefix: 'p', quota: 100_000 }] } as unknown as System };
  await requireRoom(context, 50_000);
  await requireRoom(context, 500_000);
  await assert.rejects(requireRoom(context, 5_000_000), { name: 'StoreFull', message: /a base of documents needs about 488\.3 KiB, and [\d.]+ KiB of its quota of 97\.7 KiB are free HINT/ });
});
