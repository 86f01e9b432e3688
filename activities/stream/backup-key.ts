import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import type { Manifest } from '../../workflows/domain/manifest.ts';
import type { Store } from '../store/store.ts';
import { backupKeyContext } from './contexts.ts';
import type { DataKey, Keys } from './keys.ts';

/** Makes the key of a new backup and writes its key objects; the manifest names them. */
export async function createBackupKey(store: Store, keys: Keys, of: BackupScope): Promise<{ key: DataKey; manifestKey: Manifest['key'] }> {
  const key = keys.newDataKey();
  const objects = await keys.store(key, backupKeyContext(of), {
    store,
    keyOf: (recipient) => layout.backupKey(of, key.id, recipient),
  });
  return { key, manifestKey: { id: key.id, objects } };
}

/** The key that a manifest (or a plan) names. @throws ObjectMissing, Tampered, WrongKey */
export async function openBackupKey(store: Store, keys: Keys, of: BackupScope, manifestKey: Manifest['key']): Promise<DataKey> {
  const read = async (ref: Manifest['key']['objects'][number]) => ({ bytes: await store.get(ref), key: ref.key });
  return keys.open(await Promise.all(manifestKey.objects.map(read)), backupKeyContext(of));
}
