import { takenOf, type TakenBackup } from '../../workflows/domain/backup-history.ts';
import { isTimelineId, layout } from '../../workflows/domain/layout.ts';
import { manifestSchema } from '../../workflows/domain/manifest.ts';
import { foldersUnder } from '../store/keys-under.ts';
import { findSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';

export interface TakenContext {
  store: Store;
  keys: Keys;
  signal?: AbortSignal | undefined;
}

/** What was read of manifests, by key: one that is validly signed says the same for ever, so it is opened once. */
export type KnownManifests = Map<string, TakenBackup>;

/**
 * The bases of a system's sources that are in the store now, imports among them, the oldest first: from the bucket alone. A manifest that is not believed is none.
 * Lists each time, opens what `known` does not hold; what is gone from the store is gone from `known` too. Reads only; safe to repeat.
 * @throws StoreUnavailable - retryable.
 */
export async function readTaken({ store, keys, signal }: TakenContext, of: { system: string; sources: readonly string[] }, known: KnownManifests = new Map()): Promise<TakenBackup[]> {
  const found: KnownManifests = new Map();
  for (const source of of.sources) {
    for await (const timeline of foldersUnder(store, layout.source(of.system, source), signal)) {
      if (!isTimelineId(timeline) && !timeline.startsWith('imported-')) continue;
      const scope = { system: of.system, source, timeline };
      for await (const backup of foldersUnder(store, layout.backups(scope), signal)) {
        const key = layout.manifest({ ...scope, backup });
        const storedAt = await storedSince(store, key, signal);
        if (storedAt === undefined) continue;
        const taken = known.get(key) ?? (await open({ store, keys, signal }, key, storedAt));
        if (taken) found.set(key, taken);
      }
    }
  }
  known.clear();
  for (const [key, taken] of found) known.set(key, taken);
  return [...found.values()].sort((a, b) => a.storedAt.localeCompare(b.storedAt));
}

/** When the oldest version of a key was stored; undefined: there is none. */
async function storedSince(store: Store, key: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  for await (const version of store.list(key, { signal })) if (version.key === key && !version.isDeleteMarker) return version.modifiedAt;
  return undefined;
}

async function open({ store, keys, signal }: TakenContext, key: string, storedAt: string): Promise<TakenBackup | undefined> {
  const { found } = await findSigned(store, keys, manifestSchema, key, { signal });
  return found && takenOf(found.body, storedAt);
}
