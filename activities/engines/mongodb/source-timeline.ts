import type { SourceContext } from '../../context.ts';
import { createTimeline, currentTimeline } from '../../store/timelines.ts';

/**
 * The timeline that this source lives in: the current one, or a new one when there is none or when the current one is
 * the life of another replica set at the same address.
 *
 * Safe to repeat, and from two jobs at once: see `createTimeline`.
 */
export async function sourceTimeline(context: SourceContext, of: { identity: string; epoch: number; why: string }): Promise<string> {
  const { store, keys, signal } = context;
  const source = { system: context.system.system, source: context.sourceName };
  const current = await currentTimeline(store, keys, source, { signal });
  if (current?.sourceIdentity === of.identity) return current.timeline;
  const created = await createTimeline(store, keys, {
    ...source,
    epoch: of.epoch,
    startedAt: new Date().toISOString(),
    why: current ? `the source is another replica set than that of ${current.timeline}` : of.why,
    sourceIdentity: of.identity,
    // A recovery may have moved the source: what follows is still there.
    ...(current?.environment ? { environment: current.environment } : {}),
    parent: null,
  }, { signal });
  return created.timeline;
}
