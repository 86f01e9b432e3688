import { ScheduleNotFoundError, type Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { searchAttributes } from '../../workflows/domain/names.ts';
import { fromDescription, systemOf, type FoundSchedule } from './server-schedule.ts';

/** A schedule by its id, whoever made it. Undefined: there is none. */
export async function findSchedule(client: Client, id: string): Promise<{ owner: string | undefined; found: FoundSchedule | undefined } | undefined> {
  try {
    const description = await client.schedule.getHandle(id).describe();
    const owner = systemOf(description.memo);
    return { owner, found: owner === undefined ? undefined : fromDescription(description) };
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** Ids of the schedules that were made for a system. Eventually consistent: what was made a second ago may be missing. */
export async function ownedSchedules(client: Client, system: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { scheduleId, memo } of client.schedule.list({ query: `${searchAttributes.system}="${system}"` })) {
    if (systemOf(memo) === system) ids.push(scheduleId);
  }
  return ids.sort();
}

/** Whether a workflow of this id runs now. */
export async function isRunning(client: Client, workflowId: string): Promise<boolean> {
  try {
    return (await client.workflow.getHandle(workflowId).describe()).status.name === 'RUNNING';
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

/** Ids of a system's archives that run. Eventually consistent. */
export async function runningArchives(client: Client, system: string): Promise<string[]> {
  const ids: string[] = [];
  for await (const { workflowId } of client.workflow.list({ query: `WorkflowType="runArchive" AND ${searchAttributes.system}="${system}" AND ExecutionStatus="Running"` })) ids.push(workflowId);
  return ids.sort();
}
