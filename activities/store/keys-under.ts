import type { Store } from './store.ts';

/** Each key below a prefix that has a version, once. */
export async function* keysUnder(store: Store, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  let previous = '';
  for await (const { key, isDeleteMarker } of store.list(prefix, { signal })) {
    if (isDeleteMarker || key === previous) continue;
    previous = key;
    yield key;
  }
}
