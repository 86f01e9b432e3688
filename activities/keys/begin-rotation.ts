import { HoldfastError } from '../../workflows/domain/errors.ts';
import { nameOf, type RotationKeys } from '../../workflows/domain/keys/describe.ts';
import { retiredKeySchema, type RetiredKey } from '../../workflows/domain/keys/records.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { formatVersion } from '../../workflows/domain/stored-object.ts';
import { assertEpoch } from '../store/epoch.ts';
import { foldersUnder } from '../store/keys-under.ts';
import { findSigned, putSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';
import { rotationKeysOf } from './rotation-keys.ts';

interface Room {
  store: Store;
  keys: Keys;
  signal: AbortSignal;
}

/**
 * Says whom the rotation is for, and notes, signed, of each key under `key.retiring` that it wraps nothing any more: from then on nobody makes a key with it (`stream/make-key.ts`), so that what a pass over all that is kept finds is all there is.
 *
 * Killed before a note, or among them: the next try puts the rest. A rotation that comes to nothing leaves its notes: the old key goes on opening what it opens, and nothing new depends on it.
 *
 * @throws BadSystemFile - something is kept of a source that the system file does not name: nobody would wrap its keys anew. EpochSuperseded.
 */
export async function beginRotation({ store, keys, signal }: Room, { sources, epoch, dryRun, ...said }: Pick<RetiredKey, 'system' | 'run' | 'by'> & { sources: readonly string[]; epoch: number; dryRun: boolean }): Promise<RotationKeys> {
  const { system } = said;
  const named = rotationKeysOf(keys);
  if (named.retiring.length > 0) await refuseUnnamed({ store, signal }, system, sources, named);
  if (dryRun) return named;
  for (const recipient of named.retiring) {
    const key = layout.retiredKey(system, recipient.id);
    // One that is there and not believed stops nobody; the oldest that is signed counts.
    if ((await findSigned(store, keys, retiredKeySchema, key, { signal })).found) continue;
    await assertEpoch(store, system, epoch, { signal });
    await putSigned(store, keys, key, { format: formatVersion, kind: 'retired-key' as const, ...said, recipient, at: (await store.now({ signal })).toISOString() }, { signal });
  }
  return named;
}

async function refuseUnnamed({ store, signal }: Pick<Room, 'store' | 'signal'>, system: string, sources: readonly string[], { retiring }: RotationKeys): Promise<void> {
  const unnamed: string[] = [];
  for await (const source of foldersUnder(store, `${system}/`, signal)) if (!sources.includes(source) && (await isSource({ store, signal }, system, source))) unnamed.push(source);
  if (unnamed.length === 0) return;
  throw new HoldfastError('BadSystemFile', `${system}: the store keeps what is of ${unnamed.join(', ')}, which the system file names no source by: nobody would wrap its keys anew, and it would be lost with ${retiring.map(nameOf).join(', ')}`, {
    hint: 'name it again under sources until it may be lost; or keep the old key under key.recipients',
  });
}

async function isSource({ store, signal }: Pick<Room, 'store' | 'signal'>, system: string, source: string): Promise<boolean> {
  for (const prefix of [layout.timelines(system, source), layout.imports(system, source)]) for await (const { isDeleteMarker } of store.list(prefix, { signal })) if (!isDeleteMarker) return true;
  return false;
}
