import { WorkflowFailedError, type Client, type ScheduleDescription } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { LastStart, ScheduleView } from '../../workflows/domain/schedules/view.ts';
import { describeTimes } from '../../workflows/domain/schedules/describe-times.ts';
import { formatDuration } from '../../workflows/domain/units.ts';
import { ownedSchedules } from './read-server.ts';
import { fromDescription } from './server-schedule.ts';

export async function readSchedules(client: Client, system: string): Promise<ScheduleView[]> {
  const views: ScheduleView[] = [];
  for (const id of await ownedSchedules(client, system)) views.push(await toView(client, await client.schedule.getHandle(id).describe()));
  return views;
}

async function toView(client: Client, description: ScheduleDescription): Promise<ScheduleView> {
  const { id, times, workflow, paused, note } = fromDescription(description);
  const { info } = description;
  return {
    id,
    when: describeTimes(times),
    starts: workflow,
    paused: paused ? note : null,
    next: info.nextActionTimes.slice(0, 3).map((at) => at.toISOString()),
    last: await lastStart(client, info.recentActions.at(-1)),
    skippedOverlap: info.numActionsSkippedOverlap,
    missed: info.numActionsMissedCatchupWindow,
  };
}

async function lastStart(client: Client, action: ScheduleDescription['info']['recentActions'][number] | undefined): Promise<LastStart | null> {
  if (!action) return null;
  const { workflowId, firstExecutionRunId } = action.action.workflow;
  const start = { dueAt: action.scheduledAt.toISOString(), workflowId };
  const handle = client.workflow.getHandle(workflowId, firstExecutionRunId);
  try {
    const { status } = await handle.describe();
    if (status.name === 'RUNNING') return { ...start, status: status.name, why: null };
    const answer: unknown = await handle.result();
    const skipped = (answer as { skipped?: unknown } | null)?.skipped;
    return { ...start, status: status.name, why: typeof skipped === 'string' ? `skipped: ${skipped}` : null };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { ...start, status: 'GONE', why: 'its history is past the retention of the namespace' };
    if (error instanceof WorkflowFailedError) return { ...start, status: 'FAILED', why: (error.cause ?? error).message };
    throw error;
  }
}

/** In lines, for people. @param nowMs - what "in 3h" is counted from. */
export function describeSchedules(schedules: readonly ScheduleView[], nowMs: number): string[] {
  return schedules.flatMap(({ id, when, starts, paused, next, last, skippedOverlap, missed }) => [
    `${id}  ${when}  ${starts}`,
    paused === null ? `  next     ${next.map((at) => at.slice(0, 16)).join(', ') || 'never'}${next[0] ? ` (in ${formatDuration(Date.parse(next[0]) - nowMs)})` : ''}` : `  paused   ${paused || 'nobody said why'}`,
    `  last     ${last ? `${last.dueAt.slice(0, 16)} ${last.status.toLowerCase()}${last.why ? `: ${last.why.split('\n')[0]!}` : ''}  ${last.workflowId}` : 'none yet'}`,
    ...(skippedOverlap + missed > 0 ? [`  not run  ${skippedOverlap} because the one before ran, ${missed} past the catch-up window`] : []),
  ]);
}
