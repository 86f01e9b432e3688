import { describeProposal, howToSay, versionOf, type DeployProposal } from '../domain/deployment.ts';
import { HoldfastError } from '../domain/errors.ts';
import { leaveProduction } from './leave-production.ts';
import { propose } from './propose.ts';
import { defineStep, type StepContext, type StepOutcome } from './step.ts';

/** Of one try: a repeated attempt of its activity is the same deployment, another try is another. */
const idOf = (ctx: StepContext, what: string): string => `${ctx.run}/${ctx.stepId}/${what}/${ctx.now()}`;

async function deployVersion(ctx: StepContext, version: string, what: 'deploy' | 'undo'): Promise<string> {
  const environment = ctx.view.standbyEnvironment;
  const input = { system: ctx.view.system, id: idOf(ctx, what), version, environment, by: ctx.requestedBy, why: `run ${ctx.run}, ${what === 'undo' ? 'undo of ' : ''}step ${ctx.stepId}`, epoch: ctx.results.epoch ?? 0 };
  return (await ctx.call('deployVersion', input, `deploy ${version} to ${environment}${what === 'undo' ? ' again' : ''}`)).summary;
}

/** A person deploys: the step is a checklist of one item. */
function byHand(ctx: StepContext, proposal: DeployProposal, instructions: string | undefined): StepOutcome {
  const version = versionOf(proposal);
  const record = `holdfast deployed ${version ?? 'VERSION'} --system ${ctx.view.system} --environment ${proposal.environment}`;
  return {
    summary: [describeProposal(proposal), ...(instructions === undefined ? [] : [instructions])].join(' '),
    confirms: [{ id: 'deployed', do: `Deploy ${version === null ? 'the version that fits the data' : `version ${version}`} to ${proposal.environment}, and record it: ${record}` }],
  };
}

/** Only what was read just now proves that nothing is to be done; and not once a try has begun, which may have deployed a part. */
const runsAlready = (ctx: StepContext, version: string, { now }: DeployProposal): boolean => ctx.results.deploys[ctx.stepId] === undefined && now?.read === true && now.version === version;

/**
 * Deploys, to where the run brings the system, the version that ran where it served at the recovery point; or the one that was asked for.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | before the program runs | nothing | runs it |
 * | while it runs | part of a deployment; the program ends with its worker | runs it again, whole |
 * | after it, before the record | the version, no record | runs it again, records |
 * | after the record | all of it | the same record, or a second one of the same version |
 *
 * The undo deploys what ran before the first try, whatever later tries found there. Where nothing says which version that was, it is stuck, for a person.
 */
export const deploy = defineStep('deploy', {
  about: 'deploys the application’s version that ran at the recovery point',
  production: true,
  async run(ctx, { version: fixed }) {
    const left = leaveProduction(ctx);
    if (left) return left;
    const proposal = await propose(ctx, fixed);
    if (!proposal) throw new HoldfastError('BadInput', `Step "${ctx.stepId}" has no recovery point to deploy for.`, { hint: 'let it need a step that uses find-recovery-point, and do not skip that' });
    const deployer = ctx.view.deployer;
    if (deployer?.uses === 'manual') return byHand(ctx, proposal, deployer.instructions);
    const version = versionOf(proposal);
    if (version === null) throw new HoldfastError('BadInput', describeProposal(proposal), { hint: howToSay(ctx.view.system, proposal) });
    if (runsAlready(ctx, version, proposal)) {
      const { environment } = proposal;
      await ctx.call('recordDeployment', { system: ctx.view.system, id: idOf(ctx, 'found'), version, environment, by: ctx.requestedBy, why: `found there by run ${ctx.run}` }, `record that ${environment} runs ${version}`);
      return { summary: `nothing to deploy. ${describeProposal(proposal)}` };
    }
    // Before the act: from here on a part of it may be there.
    ctx.results.deploys[ctx.stepId] ??= { version, before: proposal.now?.version ?? null };
    return { summary: `${await deployVersion(ctx, version, 'deploy')}. ${describeProposal(proposal)}` };
  },
  async undo(ctx) {
    const begun = ctx.results.deploys[ctx.stepId];
    if (ctx.view.deployer?.uses === 'manual') return { summary: 'what a person deployed is theirs to take back' };
    if (!begun) return { summary: 'nothing was deployed' };
    const environment = ctx.view.standbyEnvironment;
    if (ctx.results.admittedPercent > 0) return { summary: `${begun.version} stays in ${environment}: traffic was let in to it` };
    if (begun.before === null) {
      throw new HoldfastError('BadInput', `${begun.version} was deployed to ${environment}, or a part of it, and nothing says what ran there before`, { hint: 'deploy by hand what is to run there, then skip this undo with a reason' });
    }
    const summary = await deployVersion(ctx, begun.before, 'undo');
    delete ctx.results.deploys[ctx.stepId];
    return { summary };
  },
});
