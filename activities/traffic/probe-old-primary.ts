import type { OldPrimaryProbe, SourceRef } from '../../workflows/contract.ts';
import type { SourceContext } from '../context.ts';
import { currentTimeline } from '../store/timelines.ts';
import { openFence } from './fence.ts';

/**
 * Knocks at the old primary's address and asks whether it takes writes. Changes nothing, so it may run as often as it likes.
 *
 * A watch outlives what it was told: where the source has come home, or the system file has been changed to its new place,
 * a fence would cut off the server that serves. Then there is nothing to watch any more, and `over` says so.
 */
export async function probeOldPrimary(context: SourceContext, input: SourceRef & { environment: string; timeline: string | null }): Promise<OldPrimaryProbe> {
  const at = new Date().toISOString();
  const over = context.system.fence[input.source] ? await whyOver(context, input) : `${input.source} has no fence: nothing here reaches its old side`;
  if (over !== null) return { heard: 'refused', takesWrites: null, seen: 'not asked', over, at };
  return { ...(await (await openFence(context)).probe(context)), over, at };
}

async function whyOver(context: SourceContext, { environment, timeline, system, source }: SourceRef & { environment: string; timeline: string | null }): Promise<string | null> {
  const said = context.source.environment;
  if (said !== environment) return `the system file says that ${source} lives in ${said} now; the old side was ${environment}`;
  if (timeline === null) return null;
  const current = await currentTimeline(context.store, context.keys, { system, source }, { signal: context.signal });
  return current && current.timeline !== timeline && current.environment === environment ? `${source} lives in ${environment} again, since ${current.startedAt}` : null;
}
