import { workflowInfo } from '@temporalio/workflow';
import { HoldfastError } from './domain/errors.ts';
import type { EntryWorkflow } from './domain/inputs.ts';
import { actOf, permit } from './domain/permissions.ts';
import type { SystemView } from './domain/system.ts';

interface Asked {
  requestedBy?: string | undefined;
  purpose?: string | undefined;
  only?: unknown;
  takeOver?: boolean | undefined;
}

/**
 * Whether the start of this workflow is permitted to who asked for it. What one of our own workflows starts is: it was permitted to
 * whoever started that one. The name is claimed: only Temporal's own authorizer knows who calls (docs/access.md).
 *
 * @returns true: only by elevation, which the run asks for before it touches anything.
 * @throws NotPermitted - names the person, what they asked for and which roles may.
 */
export function checkStart(workflow: EntryWorkflow, view: Pick<SystemView, 'system' | 'people'>, asked: Asked): boolean {
  if (workflowInfo().parent) return false;
  const permission = permit(view.people, actOf(workflow, asked), asked.requestedBy);
  if (permission.may === false) {
    throw new HoldfastError('NotPermitted', `${workflow} of ${view.system}: ${permission.why}`, { hint: 'give your name in "requestedBy", as people of the system file has it' });
  }
  return permission.may === 'elevated';
}
