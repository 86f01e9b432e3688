import type { ArchiveActivities } from '../../../workflows/contract.ts';
import type { Timeline } from '../../../workflows/domain/source-records.ts';
import type { SourceContext } from '../../context.ts';
import { assertEpoch } from '../../store/epoch.ts';
import { createTimeline, currentTimeline } from '../../store/timelines.ts';

/**
 * The timeline that a source lives in: the current one, or the first one when there is none. Whether it is of the same source, as `sourceIdentity` says, each engine asks itself: a timeline for
 * another one would hide every recovery point of the source, so only a recovery starts the next one.
 *
 * Safe to repeat, and from two jobs at once: see `createTimeline`.
 */
export async function currentOrFirstTimeline({ store, keys, signal, system, sourceName }: SourceContext, first: { identity: string; epoch: number; why: string }): Promise<Timeline> {
  const source = { system: system.system, source: sourceName };
  const current = await currentTimeline(store, keys, source, { signal });
  if (current) return current;
  const { identity: sourceIdentity, epoch, why } = first;
  return await createTimeline(store, keys, { ...source, epoch, startedAt: new Date().toISOString(), why, sourceIdentity, parent: null }, { signal });
}

export type RecoveredSource = Parameters<ArchiveActivities['startTimeline']>[0];

/**
 * Starts the log of a recovered source: a timeline that branches off its parent at `limit`, and that names the environment where the source lives from now on. Every job that opens the source goes
 * there after this.
 *
 * Safe to repeat: a timeline of the same source and parent is adopted. @throws EpochSuperseded - another control plane has the command.
 */
export async function startRecoveredTimeline(
  { store, keys, signal }: SourceContext,
  { system, source, epoch, run, parent, environment }: RecoveredSource,
  sourceIdentity: string,
): Promise<Timeline> {
  await assertEpoch(store, system, epoch, { signal });
  const why = `run ${run} recovered ${parent.timeline} into ${environment}`;
  return await createTimeline(store, keys, { system, source, epoch, startedAt: new Date().toISOString(), why, sourceIdentity, environment, parent }, { signal });
}
