import { callControl } from './call.ts';
import { describeDrills } from './domain/describe-drills.ts';
import type { DrillHistory } from './domain/drill-history.ts';
import { listDrillsInput, parseInput } from './domain/inputs.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';

/**
 * What drills and recoveries showed, the newest first: proof, times against the objectives, whether what they restored is gone; and which schedule of drills is overdue.
 * Reads only.
 *
 * @param typed - ListDrillsInput as a person types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, and what keeps the bucket from being read.
 */
export async function listDrills(typed: unknown): Promise<DrillHistory> {
  return await surfacing(async () => {
    const { requestedBy, ...input } = parseInput('listDrills', listDrillsInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit('listDrills', view, { requestedBy });
    mark({ system: view.system, purpose: 'drills' });
    const history = await callControl('readDrills', input, `read what drills of ${view.system} showed`);
    showLines(`drills of ${view.system}`, describeDrills(history));
    return history;
  });
}
