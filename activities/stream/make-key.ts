import { HoldfastError } from '../../workflows/domain/errors.ts';
import { nameOf } from '../../workflows/domain/keys/describe.ts';
import { retiredKeySchema, type RetiredKey } from '../../workflows/domain/keys/records.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { findSigned } from '../store/signed-object.ts';
import type { ReadOptions, Store } from '../store/store.ts';
import type { DataKey, Keys } from './keys.ts';

/**
 * Makes a key, and wraps it for everybody whom the system file names; it is there once its objects are written.
 *
 * Never with a key that a rotation retires: a worker with an older system file would wrap for that one alone, behind the rotation's last look, and what it wrote would be lost with the old key. A rotation puts its note before its first look
 * at what is kept, and here the notes are read behind the put: so either the note is met here, or the rotation meets the key. They are read before it too, so that an old file leaves no key behind with each try.
 *
 * @throws KeyUnavailable - a rotation retires one of the keys; or one does not answer. KeyRefused, ToolMissing - nothing can be wrapped for a recipient.
 */
export async function makeKey(store: Store, keys: Keys, system: string, context: Record<string, string>, keyOf: (key: DataKey, recipient: string) => string): Promise<{ key: DataKey; objects: ObjectRef[] }> {
  await refuseRetired(store, keys, system);
  const key = keys.newDataKey();
  const objects = await keys.store(key, context, { store, keyOf: (recipient) => keyOf(key, recipient) });
  await refuseRetired(store, keys, system);
  return { key, objects };
}

/** Of those that new keys are wrapped for, the ones that a rotation retires. One short listing, where there are none. */
export async function findRetired(store: Store, keys: Keys, system: string, options: ReadOptions = {}): Promise<RetiredKey[]> {
  const noted = new Set<string>();
  for await (const { key } of store.list(layout.retiredKeys(system), options)) noted.add(key);
  const retired: RetiredKey[] = [];
  for (const { recipient } of keys.wrappers) {
    const key = layout.retiredKey(system, recipient.id);
    if (!noted.has(key)) continue;
    const { found } = await findSigned(store, keys, retiredKeySchema, key, options);
    if (found) retired.push(found.body);
  }
  return retired;
}

async function refuseRetired(store: Store, keys: Keys, system: string): Promise<void> {
  const [one] = await findRetired(store, keys, system);
  if (!one) return;
  throw new HoldfastError('KeyUnavailable', `${system}: no new key is wrapped for ${nameOf(one.recipient)}: it is being retired since ${one.at}, by the rotation ${one.run}`, {
    hint: 'this worker has an older system file: give it the one that names its successor; a key never comes back under a name that was retired',
  });
}
