import type { Client, WorkflowHandle } from '@temporalio/client';
import { defaultPayloadConverter, WorkflowNotFoundError } from '@temporalio/common';
import type { Heartbeat } from '../../activities/heartbeat.ts';
import type { Progress } from '../../workflows/domain/progress.ts';
import { queryNames } from '../../workflows/domain/messages.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { WatchState } from '../../workflows/domain/watch.ts';
import type { RunState } from '../../workflows/domain/run-state.ts';

/** One activity of a run that is under way or waits for its next try. */
export interface ActivityProgress {
  activity: string;
  attempt: number;
  heartbeat: Partial<Heartbeat> | null;
  /** why the last attempt failed; null when it did not */
  lastFailure: string | null;
}

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
 * The run of a system, from the query `state` and the heartbeats of what is under way. Works on a run that has ended too.
 * @returns undefined when no run was ever started under this id.
 */
export async function readRun(client: Client, system: string): Promise<RunStatusView | undefined> {
  const handle = client.workflow.getHandle(lockIds.recover(system));
  try {
    const description = await handle.describe();
    const state = await handle.query<RunState>(queryNames.state);
    return {
      workflowId: handle.workflowId,
      runId: description.runId,
      workflowStatus: description.status.name,
      readAt: new Date().toISOString(),
      state,
      activities: readActivities(description.raw.pendingActivities ?? []),
    };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

type Described = Awaited<ReturnType<WorkflowHandle['describe']>>;
type Pending = NonNullable<Described['raw']['pendingActivities']>;

/** The activities that have said how far they are. */
export const runningProgress = (activities: readonly ActivityProgress[]): (Progress & { activity: string })[] =>
  activities.flatMap(({ activity, heartbeat }) => (heartbeat?.unit === undefined ? [] : [{ ...(heartbeat as Progress), activity }]));

export function readActivities(pending: Pending): ActivityProgress[] {
  return pending.map((one) => {
    const heartbeat = one.heartbeatDetails?.payloads?.[0];
    return {
      activity: one.activityType?.name ?? '',
      attempt: one.attempt ?? 1,
      heartbeat: heartbeat ? defaultPayloadConverter.fromPayload<Partial<Heartbeat>>(heartbeat) : null,
      lastFailure: one.lastFailure?.message ?? null,
    };
  });
}
