import type { Client } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { lockIds } from '../../workflows/domain/names.ts';
import type { WatchState } from '../../workflows/domain/watch.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';
import { readActivities, type ActivityProgress } from './read-activities.ts';
import { readState } from './read-state.ts';

/** What `status` shows, and its JSON. */
export interface RunStatusView {
  workflowId: string;
  runId: string;
  /** Temporal's own: RUNNING, COMPLETED, FAILED, … */
  workflowStatus: string;
  readAt: string;
  state: RunState;
  activities: ActivityProgress[];
  /** what looks after the old primaries; left out: not asked */
  watches?: WatchState[];
}

/**
 * The run of a system, or what waits at a gate of its own under `workflowId`, from the query `state` and the heartbeats of what is under way. Works on a run that has ended too.
 * @returns undefined when no run was ever started under this id.
 * @throws TimedOut - no worker answers for it.
 */
export async function readRun(client: Client, system: string, workflowId = lockIds.recover(system)): Promise<RunStatusView | undefined> {
  const handle = client.workflow.getHandle(workflowId);
  try {
    const description = await handle.describe();
    const state = await readState<RunState>(handle);
    return {
      workflowId: handle.workflowId,
      runId: description.runId,
      workflowStatus: description.status.name,
      readAt: new Date().toISOString(),
      state,
      activities: await readActivities(handle, description),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}
