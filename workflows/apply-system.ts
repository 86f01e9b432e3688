import { callControl } from './call.ts';
import { applySystemInput, parseInput } from './domain/inputs.ts';
import { describePlan, type ApplyPlan } from './domain/schedules/apply-plan.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';

/**
 * Makes Temporal's schedules and archives of a system what its file says. Killed anywhere: the next try looks at the server and does the rest.
 * With `withoutFile`, of a system whose file the workers cannot read, pauses its schedules: nobody can be asked who may, and what they start would fail.
 *
 * @param typed - ApplySystemInput as a person types it, or the bare name of a system.
 * @returns what was done (`dryRun`: what would be).
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted.
 */
export async function applySystem(typed: unknown): Promise<ApplyPlan> {
  return await surfacing(async () => {
    const input = parseInput('applySystem', applySystemInput, typed);
    const { system, dryRun = false, resume = false, expected } = input;
    if (input.withoutFile) return show(await callControl('pauseWithoutFile', { system, dryRun }, `pause the schedules of ${system}, which has no file`), dryRun);
    const view = await callControl('loadSystem', { system }, `read systems/${system}.yaml`);
    await admit('applySystem', view, input);
    mark({ system, purpose: 'apply' });
    const plan = await callControl('applySystem', { system, dryRun, resume, expected }, dryRun ? 'look what would be changed' : 'make schedules and archives what the file says');
    return show(plan, dryRun);
  });
}

function show(plan: ApplyPlan, dryRun: boolean): ApplyPlan {
  const [heading, ...lines] = describePlan(plan);
  showLines(`${dryRun ? 'would apply' : 'applied'} ${heading}`, lines);
  return plan;
}
