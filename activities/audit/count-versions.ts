import type { Store } from '../store/store.ts';

/** What lies under a prefix, by what `idOf` reads from a key: how many versions there are, and how many delete markers hide them. Other keys are nobody's here. */
export async function countVersions<Id>(store: Store, prefix: string, idOf: (key: string) => Id | undefined, options: { signal?: AbortSignal }): Promise<Map<Id, { versions: number; hidden: number }>> {
  const counts = new Map<Id, { versions: number; hidden: number }>();
  for await (const { key, isDeleteMarker } of store.list(prefix, options)) {
    const id = idOf(key);
    if (id === undefined) continue;
    const seen = counts.get(id) ?? { versions: 0, hidden: 0 };
    if (isDeleteMarker) seen.hidden += 1;
    else seen.versions += 1;
    counts.set(id, seen);
  }
  return counts;
}
