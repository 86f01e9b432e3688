import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, timelineId, timelineNumber } from '../../workflows/domain/layout.ts';
import { timelineSchema, type Timeline } from '../../workflows/domain/manifest.ts';
import type { Keys } from '../stream/keys.ts';
import { findSigned, putSigned, type Found } from './signed-object.ts';
import type { ReadOptions, Store } from './store.ts';

export type NewTimeline = Omit<Timeline, 'format' | 'kind' | 'timeline'>;

/** Every timeline of a source, oldest first. */
export async function listTimelines(store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<Found<Timeline>[]> {
  const names = new Set<string>();
  for await (const version of store.list(layout.timelines(of.system, of.source), options)) {
    if (!version.isDeleteMarker) names.add(version.key);
  }
  const timelines: Found<Timeline>[] = [];
  for (const key of names) {
    const { found } = await findSigned(store, keys, timelineSchema, key, options);
    if (found) timelines.push(found);
  }
  return timelines.sort((a, b) => (a.body.timeline < b.body.timeline ? -1 : 1));
}

/** The newest timeline of a source: the one that is written to. Undefined: the source was never archived. */
export const currentTimeline = async (store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<Timeline | undefined> =>
  (await listTimelines(store, keys, of, options)).at(-1)?.body;

/**
 * Starts the next timeline of a source.
 *
 * Safe to repeat and to race: one that was made for the same source identity and parent, by an earlier attempt or by
 * somebody at the same time, is adopted. Each number is given once: the timeline that was there first has it.
 */
export async function createTimeline(store: Store, keys: Keys, wanted: NewTimeline, options: ReadOptions = {}): Promise<Timeline> {
  for (;;) {
    const existing = await listTimelines(store, keys, wanted, options);
    const newest = existing.at(-1)?.body;
    if (newest && isSame(newest, wanted)) return newest;
    const timeline = timelineId((newest ? timelineNumber(newest.timeline) : 0) + 1);
    const body: Timeline = { format: 1, kind: 'timeline', ...wanted, timeline };
    const key = layout.timeline({ ...wanted, timeline });
    try {
      await putSigned(store, keys, key, body, { ifAbsent: true, ...options });
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    }
    // A put-if-absent succeeds behind a delete marker: what counts is who was first.
    const { found, rejected } = await findSigned(store, keys, timelineSchema, key, options);
    if (!found) {
      throw new HoldfastError('Tampered', `${key} is taken by an object that is not to be believed: ${rejected.map(({ why }) => why).join('; ')}`);
    }
    if (isSame(found.body, wanted)) return found.body;
  }
}

const isSame = (a: NewTimeline, b: NewTimeline): boolean =>
  a.sourceIdentity === b.sourceIdentity && a.parent?.timeline === b.parent?.timeline && a.parent?.limit === b.parent?.limit;
