import { HoldfastError } from '../../workflows/domain/errors.ts';
import { isTimelineId, layout, timelineId, timelineNumber, type TimelineScope } from '../../workflows/domain/layout.ts';
import { timelineSchema, type Timeline } from '../../workflows/domain/source-records.ts';
import type { Keys } from '../stream/keys.ts';
import { archiveKeyContext } from '../stream/contexts.ts';
import { findSigned, putSigned, type Found, type Rejected } from './signed-object.ts';
import type { ReadOptions, Store } from './store.ts';

export type NewTimeline = Omit<Timeline, 'format' | 'kind' | 'timeline'>;

/** Every timeline of a source that is believed, oldest first. */
export async function listTimelines(store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<Found<Timeline>[]> {
  return (await readTimelines(store, keys, of, options)).timelines;
}

/**
 * The newest timeline that is believed, whatever lies beyond it: for who refuses a recovery by it. Whether a newer one is missed, the choice
 * of the recovery point says, and a person who asks for a position goes on without it.
 */
export const newestBelieved = async (store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<Timeline | undefined> =>
  (await listTimelines(store, keys, of, options)).at(-1)?.body;

async function readTimelines(store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions): Promise<{ timelines: Found<Timeline>[]; rejected: Rejected[] }> {
  const names = new Set<string>();
  for await (const version of store.list(layout.timelines(of.system, of.source), options)) {
    if (!version.isDeleteMarker) names.add(version.key);
  }
  const timelines: Found<Timeline>[] = [];
  const notBelieved: Rejected[] = [];
  for (const key of names) {
    const { found, rejected } = await findSigned(store, keys, timelineSchema, key, options);
    if (found) timelines.push(found);
    else notBelieved.push(...rejected.slice(0, 1));
  }
  return { timelines: timelines.sort((a, b) => (a.body.timeline < b.body.timeline ? -1 : 1)), rejected: notBelieved };
}

/** More objects that are not believed are not looked behind: somebody fills the bucket with them. */
const lookedBehindAtMost = 20;

/**
 * The newest timeline of a source: the one that is written to, and that says where the source lives. Undefined: the source
 * was never archived.
 *
 * A newer one that is gone or not believed is passed over only while nobody lived in it: then it was put there by somebody
 * else, who must not be able to stop the archive. Its archive keys tell, which nobody can make who does not have the system's own.
 *
 * @throws Tampered - a newer one was lived in: going on in an older one would archive a server that serves no more.
 */
export async function currentTimeline(store: Store, keys: Keys, of: { system: string; source: string }, options: ReadOptions = {}): Promise<Timeline | undefined> {
  const { timelines, rejected } = await readTimelines(store, keys, of, options);
  const newest = timelines.at(-1)?.body;
  const next = timelineId((newest ? timelineNumber(newest.timeline) : 0) + 1);
  const suspects = new Set([next, ...rejected.map(({ key }) => key.slice(key.lastIndexOf('/') + 1, -'.json'.length)).filter((id) => isTimelineId(id) && id > next)]);
  for (const timeline of [...suspects].slice(0, lookedBehindAtMost)) {
    if (!(await wasLivedIn(store, keys, { ...of, timeline }, options))) continue;
    const again = await readTimelines(store, keys, of, options);
    // Made since the first look.
    if (again.timelines.some(({ body }) => body.timeline >= timeline)) return again.timelines.at(-1)!.body;
    const key = layout.timeline({ ...of, timeline });
    throw new HoldfastError('Tampered', `${key} is not there or not believed (${again.rejected.find((one) => one.key === key)?.why ?? 'no version of it is listed'}), and log was archived in it`, {
      hint: 'put the object back as it was; until then neither where the source lives nor its newest log is known',
      details: { key },
    });
  }
  return newest;
}

async function wasLivedIn(store: Store, keys: Keys, scope: TimelineScope, options: ReadOptions): Promise<boolean> {
  let tried = 0;
  for await (const version of store.list(layout.archiveKeys(scope), options)) {
    if (version.isDeleteMarker) continue;
    if ((tried += 1) > lookedBehindAtMost) return false;
    try {
      await keys.open([{ bytes: await store.getVersion(version, options), key: version.key }], archiveKeyContext(scope));
      return true;
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retryable) throw error;
    }
  }
  return false;
}

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
