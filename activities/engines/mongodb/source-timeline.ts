import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { layout, timelineId, timelineNumber } from '../../../workflows/domain/layout.ts';
import { formatVersion, timelineSchema, type Timeline } from '../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../context.ts';
import { findSigned, putSigned } from '../../store/signed-object.ts';

/**
 * The timeline that this source lives in: the newest one, or a new one when there is none or when the newest is the life
 * of another replica set at the same address.
 *
 * Safe to repeat, and from two jobs at once: a timeline is put only where none is.
 */
export async function sourceTimeline(context: SourceContext, of: { identity: string; epoch: number; why: string }): Promise<string> {
  for (;;) {
    const newest = await newestTimeline(context);
    if (newest?.sourceIdentity === of.identity) return newest.timeline;
    const timeline = timelineId(newest ? timelineNumber(newest.timeline) + 1 : 1);
    const scope = { system: context.system.system, source: context.sourceName, timeline };
    const body: Timeline = {
      format: formatVersion,
      kind: 'timeline',
      ...scope,
      epoch: of.epoch,
      startedAt: new Date().toISOString(),
      why: newest ? `the source is another replica set than that of ${newest.timeline}` : of.why,
      sourceIdentity: of.identity,
      parent: null,
    };
    try {
      await putSigned(context.store, context.keys, layout.timeline(scope), body, { ifAbsent: true, signal: context.signal });
      return timeline;
    } catch (error) {
      // Somebody else was faster: look whose it is.
      if (!(error instanceof HoldfastError) || error.type !== 'AlreadyExists') throw error;
    }
  }
}

async function newestTimeline(context: SourceContext): Promise<Timeline | undefined> {
  const keys = new Set<string>();
  for await (const { key } of context.store.list(layout.timelines(context.system.system, context.sourceName), { signal: context.signal })) keys.add(key);
  for (const key of [...keys].sort().reverse()) {
    const { found } = await findSigned(context.store, context.keys, timelineSchema, key, { signal: context.signal });
    if (found) return found.body;
  }
  return undefined;
}
