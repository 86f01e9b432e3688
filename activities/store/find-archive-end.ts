import { logPositionAt, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { Keys } from '../stream/keys.ts';
import { findSliceEnd } from './find-resume-position.ts';
import type { ReadOptions, Store } from './store.ts';
import { currentTimeline } from './timelines.ts';

export interface ArchiveEnd {
  timeline: string | null;
  archivedTo: LogPosition | null;
  archivedToAt: string | null;
}

/** The newest timeline of a source, and where its slices end in the store. Of a long log only the end is listed. */
export async function findArchiveEnd(store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<ArchiveEnd> {
  const timeline = (await currentTimeline(store, keys, of, options))?.timeline;
  if (timeline === undefined) return { timeline: null, archivedTo: null, archivedToAt: null };
  const archivedTo = await findSliceEnd({ store, keys, ...options }, { ...of, timeline });
  return { timeline, archivedTo, archivedToAt: archivedTo === null ? null : logPositionAt(archivedTo) };
}
