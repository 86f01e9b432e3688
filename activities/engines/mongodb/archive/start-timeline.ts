import type { SourceContext } from '../../../context.ts';
import { startRecoveredTimeline, type RecoveredSource } from '../../base/timelines.ts';
import { withSource } from '../connect.ts';
import { readServerFacts } from '../server-facts.ts';

/** Starts the log of a recovered replica set. Safe to repeat. @throws EpochSuperseded - another control plane has the command. */
export async function startTimeline(context: SourceContext, input: RecoveredSource): Promise<{ timeline: string }> {
  return await withSource(context, async (client) => await startRecoveredTimeline(context, input, (await readServerFacts(client)).identity), { environment: input.environment });
}
