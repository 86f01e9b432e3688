import { patched } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { parseInput, planRecoveryInput } from './domain/inputs.ts';
import { describePlan, type RecoveryPlan } from './domain/recovery-plan.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';

/**
 * What a recovery would do now, and what would fail: order, critical path, recovery point, missing access. Touches nothing.
 * A plan that found trouble has done its work: its findings say what would fail.
 *
 * @param typed - PlanRecoveryInput as a person types it, or the bare name of a system.
 * @throws BadInput, TargetTimeInFuture, UnknownSystem, BadSystemFile, NotPermitted.
 */
export async function planRecovery(typed: unknown): Promise<RecoveryPlan> {
  return await surfacing(async () => {
    const { requestedBy, ...input } = parseInput('planRecovery', planRecoveryInput, typed);
    if (patched('permit-plan')) await admit('planRecovery', await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`), { requestedBy });
    const plan = await callControl('planRecovery', input, `plan a recovery of ${input.system}`);
    mark({ system: plan.system, purpose: 'plan' });
    const { heading, lines, findings } = describePlan(plan);
    showLines(heading, [...findings, ...lines]);
    return plan;
  });
}
