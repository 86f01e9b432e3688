import { describeProposal, type DeployProposal } from '../domain/deployment.ts';
import { expandRunbook } from '../domain/expand-runbook.ts';
import type { StepContext } from './step.ts';

/**
 * Which version a step is to deploy, and what that is known by. What a gate has shown stays: a record that was made since changes no mind that was made up.
 * What nobody knew then is asked again.
 * @param fixed - of the step's settings. @returns undefined: no recovery point is chosen yet, so there is no moment to ask of.
 */
export async function propose(ctx: StepContext, fixed: string | undefined): Promise<DeployProposal | undefined> {
  const [point] = Object.values(ctx.results.points).sort((a, b) => b.reachesAt.localeCompare(a.reachesAt));
  if (!point) return undefined;
  const { source, timeline, reachesAt } = point;
  const environment = ctx.view.standbyEnvironment;
  const asked = ctx.version ?? fixed ?? null;
  const found = await ctx.call('proposeDeployment', { system: ctx.view.system, point: { source, timeline, reachesAt }, environment }, `look which version of the application ran at ${reachesAt}`);
  const shown = ctx.results.proposal;
  ctx.results.proposal = { ...found, ...(shown?.then ? { then: shown.then, problems: shown.problems } : {}) };
  return { ...ctx.results.proposal, asked };
}

/** Whether this run deploys anything. A run that does not asks nothing, and waits for nothing: its recorded history stays what it is. */
export const deploys = (ctx: StepContext): boolean => ctx.purpose === 'recovery' && ctx.only === null && ctx.report().state.steps.some(({ uses }) => uses === 'deploy');

/** What a person should know of deployments before they approve: what was deployed, and what is going to be. Empty: nothing can be said yet. */
export async function describeDeploys(ctx: StepContext): Promise<string[]> {
  const { state } = ctx.report();
  const steps = expandRunbook(ctx.view, state.runbook).filter(({ uses }) => uses === 'deploy');
  const stateOf = (id: string) => state.steps.find((step) => step.id === id);
  const done = steps.flatMap(({ id }) => (stateOf(id)?.state === 'done' ? [`${id}: ${stateOf(id)!.summary ?? ''}`] : []));
  const next = steps.find(({ id }) => stateOf(id)?.state === 'pending');
  if (!next) return done;
  try {
    const proposal = await propose(ctx, next.with?.['version'] as string | undefined);
    return proposal ? [...done, describeProposal(proposal)] : done;
  } catch {
    // A gate must open whatever the store says: the step asks again, and fails where a person sees it.
    return [...done, `what step ${next.id} is to deploy could not be found out yet`];
  }
}
