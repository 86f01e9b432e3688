import { workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { markPointInput, parseInput } from './domain/inputs.ts';
import type { Mark } from './domain/source-records.ts';
import { anonymous } from './domain/messages.ts';
import { describeWritten } from './domain/point-mark.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { oneSource } from './sources.ts';

/**
 * Says of a base, an import or a slice that it is suspect, bad, held or good. All that was said stays, and the latest counts. Killed anywhere: it was said once, or not at all.
 *
 * @param typed - MarkPointInput as a person types it.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted; NoRecoveryPoint - the store holds no such thing; and what keeps the store from taking it.
 */
export async function markPoint(typed: unknown): Promise<Mark> {
  return await surfacing(async () => {
    const input = parseInput('markPoint', markPointInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit('markPoint', view, { requestedBy: input.requestedBy, reason: `${input.point} is ${input.state}: ${input.reason}` });
    const source = oneSource(view, input.source);
    mark({ system: view.system, purpose: 'mark' });
    const { point, state, reason, requestedBy } = input;
    const written = await callControl('markPoint', { system: view.system, source, point, state, reason, by: requestedBy ?? anonymous, id: workflowInfo().runId }, `${point} is ${state}`);
    showLines(`${view.system}/${source}`, [describeWritten(written)]);
    return written;
  });
}
