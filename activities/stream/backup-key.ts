import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import type { Manifest } from '../../workflows/domain/manifest.ts';
import type { ReadOptions, Store } from '../store/store.ts';
import { backupKeyContext } from './contexts.ts';
import type { DataKey, KeyObject, Keys } from './keys.ts';
import { makeKey } from './make-key.ts';

/** Makes the key of a new backup and writes its key objects; the manifest names them. */
export async function createBackupKey(store: Store, keys: Keys, of: BackupScope): Promise<{ key: DataKey; manifestKey: Manifest['key'] }> {
  const { key, objects } = await makeKey(store, keys, of.system, backupKeyContext(of), ({ id }, recipient) => layout.backupKey(of, id, recipient));
  return { key, manifestKey: { id: key.id, objects } };
}

/**
 * The key that a manifest (or a plan) names: by one of the key objects that it pins, or by one that was added since, when the key was wrapped for somebody else too (`holdfast key rotate`).
 * @throws ObjectMissing - there is none; Tampered, WrongKey, KeyUnavailable - none opens: says why of each.
 */
export async function openBackupKey(store: Store, keys: Keys, of: BackupScope, manifestKey: Manifest['key']): Promise<DataKey> {
  const context = backupKeyContext(of);
  const failed: HoldfastError[] = [];
  const tolerate = (error: unknown): undefined => {
    if (!(error instanceof HoldfastError) || error.type === 'StoreUnavailable') throw error;
    failed.push(error);
  };
  const pinned = (await Promise.all(manifestKey.objects.map(async (ref) => await store.get(ref).then((bytes) => ({ bytes, key: ref.key, versionId: ref.versionId }), tolerate)))).filter((one) => one !== undefined);
  const opened = pinned.length === 0 ? undefined : await keys.open(pinned, context, manifestKey.id).catch(tolerate);
  if (opened) return opened;
  const added = (await readKeyObjects(store, `${layout.backupKeys(of)}${manifestKey.id}.`)).filter(({ key, versionId }) => !pinned.some((one) => one.key === key && one.versionId === versionId));
  if (added.length > 0) return await keys.open([...pinned, ...added], context, manifestKey.id);
  throw failed.at(-1) ?? new HoldfastError('ObjectMissing', `${layout.backupKeys(of)}${manifestKey.id}.*: no object of this key is in the store`);
}

/** Every version of every key object below a prefix; without those that are taken away while it reads. */
export async function readKeyObjects(store: Store, prefix: string, options: ReadOptions = {}): Promise<(KeyObject & { versionId: string })[]> {
  const objects: (KeyObject & { versionId: string })[] = [];
  for await (const { key, versionId, isDeleteMarker } of store.list(prefix, options)) {
    const bytes = isDeleteMarker ? undefined : await store.getVersion({ key, versionId }, options).catch(unlessGone);
    if (bytes) objects.push({ key, versionId, bytes });
  }
  return objects;
}

/** Retention, a disposal and a rotation take key objects away. */
export function unlessGone(error: unknown): undefined {
  if (!(error instanceof HoldfastError) || error.type !== 'ObjectMissing') throw error;
}
