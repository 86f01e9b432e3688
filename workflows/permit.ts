import { ActivityFailure, patched, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { HoldfastError } from './domain/errors.ts';
import { automatic } from './domain/incident.ts';
import type { EntryWorkflow } from './domain/inputs.ts';
import { actOf, givesData, permissions, permit, type Permission } from './domain/permissions.ts';
import type { SystemView } from './domain/system-view.ts';
import { scheduledBy } from './scheduled.ts';

interface Asked {
  requestedBy?: string | undefined;
  reason?: string | undefined;
  purpose?: string | undefined;
  dryRun?: boolean | undefined;
  only?: unknown;
  takeOver?: boolean | undefined;
  apply?: boolean | undefined;
  incident?: string | undefined;
  alert?: unknown;
}

/**
 * Whether the start of this workflow is permitted to who asked for it, and the audit's record of that. What one of our own workflows starts is: it was
 * permitted to whoever started that one. The name is claimed: only Temporal's own authorizer knows who calls (docs/access.md).
 *
 * What gives data to people begins only once it is written down. Everything else goes on without: a store that is away holds up no backup's
 * start, and a recovery does not even wait. A refusal is waited for: what ends at once would take its record with it.
 *
 * @param keep - is given the record on its way, for whoever ends soon and waits for it at the end.
 * @returns true: only by elevation, which the run asks for before it touches anything.
 * @throws NotPermitted - names the person, what they asked for and which roles may. Whatever keeps the store from taking the record.
 */
export async function admit(workflow: EntryWorkflow, view: Pick<SystemView, 'system' | 'people' | 'schedules'>, asked: Asked, keep?: (recorded: Promise<unknown>) => void): Promise<boolean> {
  const { parent, workflowId, runId } = workflowInfo();
  if (parent && asked.incident === undefined) return false;
  const act = actOf(workflow, asked);
  // An incident starts for a person who told it to: that person is asked for here. What starts by itself, by a schedule, and what an alert opens, the system file has permitted.
  const byFile = asked.alert !== undefined || isScheduled(view, workflow, act) || (parent !== undefined && asked.requestedBy === automatic);
  const asTable = byFile ? ({ may: true } as const) : permit(view.people, act, asked.requestedBy);
  // Whoever approves is to know what for.
  const needsReason = asTable.may === 'elevated' && asked.reason === undefined;
  const permission: Permission = needsReason ? { may: false, why: `${asked.requestedBy} may ${permissions[act].about} by elevation only, and an elevation is asked for with a reason: none was given.` } : asTable;
  if (patched('audit-starts')) {
    const outcome = permission.may === true ? 'permitted' : permission.may === 'elevated' ? 'elevated' : 'refused';
    const about = permission.may === false ? permission.why : [permissions[act].about, asked.reason].filter(Boolean).join(': ');
    const by = asked.requestedBy ?? null;
    const recorded = callControl('recordAct', { system: view.system, by, act, outcome, from: cameBy(asked, parent?.workflowId), about, workflow, workflowId, runId }, `audit: ${by ?? 'nobody named'}, ${act}, ${outcome}`);
    if (givesData(act)) await recorded;
    else if (outcome === 'refused') await recorded.catch(unlessCancelled);
    else if (keep) keep(recorded.catch(() => undefined));
    else if (act === 'recover' || act === 'take-over' || act === 'drill') recorded.catch(() => undefined);
    else await recorded.catch(unlessCancelled);
  }
  if (permission.may === false) {
    throw new HoldfastError('NotPermitted', `${workflow} of ${view.system}: ${permission.why}`, { hint: needsReason ? 'say why in "reason"' : 'give your name in "requestedBy", as people of the system file has it' });
  }
  return permission.may === 'elevated';
}

/** How a start came here: Temporal does not say from which machine. */
function cameBy({ alert, incident }: Asked, parent: string | undefined): string {
  const schedule = scheduledBy();
  if (schedule !== undefined) return `schedule ${schedule}`;
  if (alert !== undefined) return `alert ${(alert as { key?: string }).key ?? ''}`.trim();
  if (incident !== undefined && parent !== undefined) return `incident ${incident}`;
  return 'a start in Temporal';
}

/** Whoever claims to be a schedule by setting its search attribute by hand gets no more than what the system file starts anyway. */
function isScheduled({ schedules }: Pick<SystemView, 'schedules'>, workflow: EntryWorkflow, act: string): boolean {
  const schedule = schedules?.[scheduledBy() ?? ''];
  return schedule?.workflow === workflow && schedule.act === act;
}

function unlessCancelled(error: unknown): void {
  if (!(error instanceof ActivityFailure) || error.cause?.name === 'CancelledFailure') throw error;
}
