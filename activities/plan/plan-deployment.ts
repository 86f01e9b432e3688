import { describeProposal, howToSay, versionOf, type DeployProposal } from '../../workflows/domain/deployment.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { expandRunbook } from '../../workflows/domain/expand-runbook.ts';
import type { Finding } from '../../workflows/domain/recovery-plan.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { JobContext } from '../context.ts';
import { proposeDeployment } from '../deploy/propose-deployment.ts';
import { openSystem } from '../open-context.ts';
import { finding } from './finding.ts';

/**
 * What the runbook's first step that deploys would deploy. That a step would stop and ask is found here, and not at night.
 *
 * @param system - as the run sees it: turned round on the way home.
 */
export async function planDeployment(
  system: System,
  runbook: string | undefined,
  { points, version }: { points: readonly RecoveryPoint[]; version: string | undefined },
  findings: Finding[],
  { signal }: JobContext,
): Promise<DeployProposal | undefined> {
  const step = expandRunbook(system, runbook).find(({ uses }) => uses === 'deploy');
  const [point] = [...points].sort((a, b) => b.reachesAt.localeCompare(a.reachesAt));
  if (!step || !point) return undefined;
  try {
    const { loaded, store, keys, secret } = await openSystem(system.system);
    const found = await proposeDeployment({ system: loaded.system, store, keys, secret, signal }, { system: system.system, point, environment: system.standby.environment });
    const proposal = { ...found, asked: version ?? (step.with?.['version'] as string | undefined) ?? null };
    if (versionOf(proposal) === null) findings.push(finding(system.deployer?.uses === 'manual' ? 'warns' : 'fails', 'BadInput', `step ${step.id} would stop and ask a person. ${describeProposal(proposal)}`, howToSay(system.system, proposal)));
    else if (proposal.unread !== null) findings.push(finding('warns', 'ToolFailed', `what runs in ${proposal.environment} now could not be asked: ${proposal.unread}`));
    return proposal;
  } catch (error) {
    signal.throwIfAborted();
    const { message, hint } = describeError(error);
    findings.push(finding('fails', error instanceof HoldfastError ? error.type : 'RunFailed', message, hint));
    return undefined;
  }
}
