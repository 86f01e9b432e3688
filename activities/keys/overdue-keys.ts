import { nameOf } from '../../workflows/domain/keys/describe.ts';
import { keyRotationSchema, type KeyRotation } from '../../workflows/domain/keys/records.ts';
import { opensHere, recipientsOf, type KeyConfig } from '../../workflows/domain/keys/schema.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { OverdueKey } from '../../workflows/domain/readiness.ts';
import { findSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';

interface Room {
  store: Store;
  keys: Keys;
  signal: AbortSignal;
}

/**
 * The keys that `key.rotateEvery` says are to be replaced by now: those that lie on the workers. A key of KMS lies there, and is KMS's to rotate; what is offline is proved, and not replaced.
 *
 * A key is in use since the first rotation that named it; one that no rotation named, since the system was first commanded. Its own wrappings would not tell: retention takes the old ones. All times are the store's, or were when they
 * were written. Reads some small objects; where nothing is asked for, none.
 */
export async function overdueKeys({ store, keys, signal }: Room, { system, key }: { system: string; key: KeyConfig }, nowMs: number): Promise<OverdueKey[]> {
  const everyMs = key.rotateEvery;
  if (everyMs === undefined) return [];
  const replaced = recipientsOf(key).filter(({ config }) => config.kind !== 'kms' && opensHere(config));
  const rotations = await readRotations({ store, keys, signal }, system);
  const began = await firstCommanded(store, system, signal);
  return replaced.flatMap(({ id, config: { kind } }): OverdueKey[] => {
    const named = rotations.find(({ recipients }) => recipients.some((one) => one.kind === kind && one.id === id));
    const since = named?.at ?? began;
    const dueMs = since === undefined ? Infinity : Date.parse(since) + everyMs;
    return dueMs <= nowMs ? [{ recipient: nameOf({ kind, id }), since: since!, dueAt: new Date(dueMs).toISOString() }] : [];
  });
}

/** The oldest first. */
async function readRotations({ store, keys, signal }: Room, system: string): Promise<KeyRotation[]> {
  const names = new Set<string>();
  for await (const { key, isDeleteMarker } of store.list(layout.keyRotations(system), { signal })) if (!isDeleteMarker) names.add(key);
  const read: KeyRotation[] = [];
  for (const key of names) {
    const { found } = await findSigned(store, keys, keyRotationSchema, key, { signal });
    if (found) read.push(found.body);
  }
  return read.sort((a, b) => (a.at < b.at ? -1 : 1));
}

/** When the store got the first epoch, UTC ISO; undefined: nothing is kept yet. */
async function firstCommanded(store: Store, system: string, signal: AbortSignal): Promise<string | undefined> {
  for await (const { isDeleteMarker, modifiedAt } of store.list(layout.epochs(system), { signal })) if (!isDeleteMarker) return modifiedAt;
  return undefined;
}
