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

/** The names directly under the prefix that are folders, jumping over what they hold. */
export async function* foldersUnder(store: Store, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  let startAfter: string | undefined;
  for (;;) {
    let folder: string | undefined;
    for await (const version of store.list(prefix, { signal, ...(startAfter === undefined ? {} : { startAfter }) })) {
      folder = version.key.slice(prefix.length).split('/')[0]!;
      break;
    }
    if (folder === undefined) return;
    yield folder;
    // `~` is after every character of our keys.
    startAfter = `${prefix}${folder}/~`;
  }
}
