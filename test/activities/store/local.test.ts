import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLocalStore } from '../../../activities/store/local.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { collect, storeConformance } from '../../conformance/store.ts';
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
