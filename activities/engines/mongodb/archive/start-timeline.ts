import type { SourceRef } from '../../../../workflows/contract.ts';
import type { LogPosition } from '../../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../../context.ts';
import { assertEpoch } from '../../../store/epoch.ts';
import { createTimeline } from '../../../store/timelines.ts';
import { withSource } from '../connect.ts';
import { readServerFacts } from '../server-facts.ts';

/**
 * Starts the log of a recovered source: a timeline that branches off its parent at `limit`, and that names the
 * environment where the source lives from now on. Every job that opens the source goes there after this.
 *
 * Safe to repeat: a timeline of the same replica set and parent is adopted.
 * @throws EpochSuperseded - another control plane has the command.
 */
export async function startTimeline(
  context: SourceContext,
  input: SourceRef & { epoch: number; run: string; parent: { timeline: string; limit: LogPosition }; environment: string },
): Promise<{ timeline: string }> {
  const { system, source, epoch, run, parent, environment } = input;
  return await withSource(context, async (client) => {
    const { identity } = await readServerFacts(client);
    await assertEpoch(context.store, system, epoch, { signal: context.signal });
    return await createTimeline(context.store, context.keys, {
      system,
      source,
      epoch,
      startedAt: new Date().toISOString(),
      why: `run ${run} recovered ${parent.timeline} into ${environment}`,
      sourceIdentity: identity,
      environment,
      parent,
    }, { signal: context.signal });
  }, { environment });
}
