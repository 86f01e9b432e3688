import { ScheduleNotFoundError, type Client, type ScheduleDescription } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import { judgeFire, type ScheduleFire } from '../../workflows/domain/schedules/judge-fire.ts';
import { desiredSchedules, type DesiredSchedule } from '../../workflows/domain/schedules/desired.ts';
import type { System } from '../../workflows/domain/system.ts';
import { systemOf } from '../schedules/server-schedule.ts';

/** Whether each schedule of the system file starts its work when it should, by what Temporal says of it. Reads only. */
export async function readFires(client: Client, system: Pick<System, 'system' | 'schedules'>, nowMs = Date.now()): Promise<ScheduleFire[]> {
  const fires: ScheduleFire[] = [];
  for (const desired of desiredSchedules(system)) fires.push(await readFire(client, system.system, desired, nowMs));
  return fires;
}

async function readFire(client: Client, system: string, desired: DesiredSchedule, nowMs: number): Promise<ScheduleFire> {
  const { id, times } = desired;
  const found = await describe(client, id);
  if (!found || systemOf(found.memo) !== system) return judgeFire({ id, times }, null, nowMs);
  const { info, state } = found;
  const last = info.recentActions.at(-1);
  const seen = {
    paused: state.paused,
    changedMs: Math.max(info.createdAt.getTime(), info.lastUpdatedAt?.getTime() ?? 0),
    lastDueMs: last ? last.scheduledAt.getTime() : null,
    running: info.runningActions.length > 0,
    lastEndMs: null,
  };
  const fire = judgeFire({ id, times }, seen, nowMs);
  if (fire.state !== 'late' || !last) return fire;
  // A start that met the one before it, still running, is skipped: that is no schedule that stopped.
  const { workflowId, firstExecutionRunId } = last.action.workflow;
  return judgeFire({ id, times }, { ...seen, lastEndMs: await endOf(client, workflowId, firstExecutionRunId) }, nowMs);
}

async function describe(client: Client, id: string): Promise<ScheduleDescription | undefined> {
  try {
    return await client.schedule.getHandle(id).describe();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return undefined;
    throw error;
  }
}

/** Infinity: it runs still. Null: nobody knows any more. */
async function endOf(client: Client, workflowId: string, runId: string): Promise<number | null> {
  try {
    const { status, closeTime } = await client.workflow.getHandle(workflowId, runId).describe();
    return status.name === 'RUNNING' ? Infinity : (closeTime?.getTime() ?? null);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}
