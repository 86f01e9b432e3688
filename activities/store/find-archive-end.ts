import { layout } from '../../workflows/domain/layout.ts';
import { logPosition, logPositionAt, type LogPosition } from '../../workflows/domain/log-position.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import type { Keys } from '../stream/keys.ts';
import { readSliceNames } from './list-slices.ts';
import type { ReadOptions, Store } from './store.ts';
import { currentTimeline } from './timelines.ts';

export interface ArchiveEnd {
  timeline: string | null;
  archivedTo: LogPosition | null;
  archivedToAt: string | null;
}

/** How far back the last slice is looked for, before all are listed. */
const lookBacksMs = [minutes(2), hours(1), hours(24)];

/** The newest timeline of a source, and where its log ends in the store. Of a long log only the end is listed. */
export async function findArchiveEnd(store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<ArchiveEnd> {
  const timeline = (await currentTimeline(store, keys, of, options))?.timeline;
  if (timeline === undefined) return { timeline: null, archivedTo: null, archivedToAt: null };
  const scope = { ...of, timeline };
  let archivedTo: LogPosition | null = null;
  for (const lookBackMs of [...lookBacksMs, undefined]) {
    const seconds = lookBackMs === undefined ? 0 : Math.floor((Date.now() - lookBackMs) / 1000);
    const startAfter = seconds > 0 ? layout.slice(scope, logPosition(seconds, 0), logPosition(0, 0)) : undefined;
    for await (const slice of readSliceNames(store, scope, { startAfter, ...options })) {
      if (!('unreadable' in slice) && (archivedTo === null || slice.to > archivedTo)) archivedTo = slice.to;
    }
    if (archivedTo !== null) break;
  }
  return { timeline, archivedTo, archivedToAt: archivedTo === null ? null : logPositionAt(archivedTo) };
}
