import { workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { describeDeployments, type Deployment } from './domain/deployment.ts';
import { HoldfastError } from './domain/errors.ts';
import { parseInput, recordDeploymentInput } from './domain/inputs.ts';
import type { SystemView } from './domain/system-view.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';

/**
 * Writes down which version of the application runs since when: what a recovery proposes its version by. Killed anywhere: the record is there once, or
 * twice under one id, of which one counts.
 *
 * @param typed - RecordDeploymentInput as a person or a pipeline types it.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, TargetTimeInFuture, and what keeps the store from taking the record.
 */
export async function recordDeployment(typed: unknown): Promise<Deployment> {
  return await surfacing(async () => {
    const { requestedBy, why, ...input } = parseInput('recordDeployment', recordDeploymentInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit('recordDeployment', view, { requestedBy, reason: `${input.version}${input.environment ? ` in ${input.environment}` : ''}` });
    checkEnvironment(view, input.environment);
    mark({ system: view.system, purpose: 'deployment' });
    const recorded = await callControl('recordDeployment', { ...input, id: workflowInfo().runId, by: requestedBy ?? null, why: why ?? null }, `record that ${input.version} runs`);
    showLines(`${view.system}: version ${recorded.version} in ${recorded.environment}`, describeDeployments({ system: view.system, deployments: [recorded], problems: [] }));
    return recorded;
  });
}

/** A misspelt one would be a record that no recovery ever finds. */
function checkEnvironment({ system, environments }: SystemView, environment: string | undefined): void {
  if (environment === undefined || !environments || environments.includes(environment)) return;
  throw new HoldfastError('BadInput', `recordDeployment: field "environment" is "${environment}", and ${system} has ${environments.join(', ')}.`);
}
