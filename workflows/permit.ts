import { ActivityFailure, patched, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { HoldfastError } from './domain/errors.ts';
import type { EntryWorkflow } from './domain/inputs.ts';
import { actOf, givesData, permissions, permit } from './domain/permissions.ts';
import type { SystemView } from './domain/system.ts';

interface Asked {
  requestedBy?: string | undefined;
  reason?: string | undefined;
  purpose?: string | undefined;
  dryRun?: boolean | undefined;
  only?: unknown;
  takeOver?: boolean | undefined;
}

/**
 * Whether the start of this workflow is permitted to who asked for it, and the audit's record of that. What one of our own workflows starts is: it was
 * permitted to whoever started that one. The name is claimed: only Temporal's own authorizer knows who calls (docs/access.md).
 *
 * What gives data to people begins only once it is written down. Everything else goes on without: a store that is away holds up no backup's
 * start, and a recovery does not even wait.
 *
 * @returns true: only by elevation, which the run asks for before it touches anything.
 * @throws NotPermitted - names the person, what they asked for and which roles may. Whatever keeps the store from taking the record.
 */
export async function admit(workflow: EntryWorkflow, view: Pick<SystemView, 'system' | 'people'>, asked: Asked): Promise<boolean> {
  const { parent, workflowId, runId } = workflowInfo();
  if (parent) return false;
  const act = actOf(workflow, asked);
  const permission = permit(view.people, act, asked.requestedBy);
  if (patched('audit-starts')) {
    const outcome = permission.may === true ? 'permitted' : permission.may === 'elevated' ? 'elevated' : 'refused';
    const about = permission.may === false ? permission.why : [permissions[act].about, asked.reason].filter(Boolean).join(': ');
    const by = asked.requestedBy ?? null;
    const recorded = callControl('recordAct', { system: view.system, by, act, outcome, about, workflow, workflowId, runId }, `audit: ${by ?? 'nobody named'}, ${act}, ${outcome}`);
    if (givesData(act)) await recorded;
    else if (act === 'recover' || act === 'take-over' || act === 'drill') recorded.catch(() => undefined);
    else await recorded.catch(unlessCancelled);
  }
  if (permission.may === false) {
    throw new HoldfastError('NotPermitted', `${workflow} of ${view.system}: ${permission.why}`, { hint: 'give your name in "requestedBy", as people of the system file has it' });
  }
  return permission.may === 'elevated';
}

function unlessCancelled(error: unknown): void {
  if (!(error instanceof ActivityFailure) || error.cause?.name === 'CancelledFailure') throw error;
}
