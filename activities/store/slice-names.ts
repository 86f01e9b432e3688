import type { SliceRange } from '../../workflows/domain/chain.ts';
import { layout, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import { logPosition } from '../../workflows/domain/log-position.ts';
import { hours } from '../../workflows/domain/units.ts';
import { listByTime } from './list-by-time.ts';
import type { Store } from './store.ts';

/** One slice in the store: the version that was there first. */
export interface StoredSlice extends SliceRange {
  versionId: string;
  bytes: number;
  /** by the store's clock, UTC ISO, as exact as the store is: seconds, for S3 */
  putAt: string;
}

/**
 * Every slice's key once, in order, with its oldest version; keys that are no slice's come as `unreadable`. So do names that
 * end later than tomorrow: anybody who may put could write one, and then the archive would seem up to date for ever.
 */
export async function* readSliceNames(
  store: Store,
  scope: TimelineScope,
  options: { startAfter?: string | undefined; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<StoredSlice | { key: string; unreadable: true }> {
  let previous = '';
  const tomorrow = logPosition(Math.floor((Date.now() + hours(24)) / 1000), 0);
  for await (const version of listByTime(store, layout.slices(scope), options)) {
    // The oldest version is the one that was written under put-if-absent; what came later came round the lock.
    if (version.isDeleteMarker || version.key === previous) continue;
    previous = version.key;
    const range = parseRangeKey(version.key);
    if (!range || range.to > tomorrow || version.key !== layout.slice(scope, range.from, range.to)) yield { key: version.key, unreadable: true };
    else yield { ...range, key: version.key, versionId: version.versionId, bytes: version.bytes, putAt: version.modifiedAt };
  }
}
