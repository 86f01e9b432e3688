import type { Client } from '@temporalio/client';
import { lockIds, searchAttributes } from '../../workflows/domain/names.ts';
import type { System } from '../../workflows/domain/system.ts';
import { operationOf } from '../../workflows/domain/schedules/operations.ts';
import { scheduleId } from '../../workflows/domain/schedules/desired.ts';

/** A recovery, drill, incident or backup that is open now. */
export interface OpenWork {
  workflowId: string;
  /** recovery, drill, incident, backup, verify, … */
  purpose: string;
  phase: string;
  severity: string;
  startedAt: string;
}

/** When a kind of scheduled work last ended, by how; null: not as far as Temporal remembers. */
export interface LastEnds {
  /** backup, verification, incremental, drill, retention */
  operation: string;
  doneAt: string | null;
  failedAt: string | null;
}

const locks = ['runRecovery', 'runBackup', 'runIncident', 'runWatch', 'verifySystem', 'applyRetention'];

export async function readOpenWork(client: Client, system: string): Promise<OpenWork[]> {
  const types = locks.map((type) => `"${type}"`).join(', ');
  const open: OpenWork[] = [];
  for await (const { workflowId, startTime, searchAttributes: found } of client.workflow.list({ query: `${searchAttributes.system} = "${system}" AND WorkflowType IN (${types}) AND ExecutionStatus = "Running"` })) {
    const valueOf = (name: string): string => String((found as Record<string, unknown[] | undefined>)[name]?.[0] ?? '');
    open.push({ workflowId, purpose: valueOf(searchAttributes.purpose), phase: valueOf(searchAttributes.phase), severity: valueOf(searchAttributes.severity), startedAt: startTime.toISOString() });
  }
  return open.sort((a, b) => a.workflowId.localeCompare(b.workflowId));
}

/** Of what the system's schedules do; each operation once, by the newest of its schedules. */
export async function readLastEnds(client: Client, { system, schedules = {} }: Pick<System, 'system' | 'schedules'>): Promise<LastEnds[]> {
  const ends = new Map<string, LastEnds>();
  const newestEnd = async (ids: string, type: string, status: string): Promise<string | null> => {
    for await (const { closeTime } of client.workflow.list({ query: `TemporalScheduledById IN (${ids}) AND WorkflowType = "${type}" AND ExecutionStatus IN (${status})` })) if (closeTime) return closeTime.toISOString();
    return null;
  };
  for (const operation of new Set(Object.values(schedules).map(({ does }) => does))) {
    const ids = Object.entries(schedules).filter(([, { does }]) => does === operation).map(([name]) => `"${scheduleId(system, name)}"`).join(', ');
    const { workflow } = operationOf(operation);
    ends.set(operation, { operation, doneAt: await newestEnd(ids, workflow, '"Completed"'), failedAt: await newestEnd(ids, workflow, '"Failed", "TimedOut"') });
  }
  return [...ends.values()];
}

/** Whether the archive of each source runs. */
export async function readArchivesRunning(client: Client, system: string, sources: readonly string[]): Promise<Record<string, boolean>> {
  const running = new Set<string>();
  for await (const { workflowId } of client.workflow.list({ query: `WorkflowType = "runArchive" AND WorkflowId STARTS_WITH "${lockIds.archive(system, '')}" AND ExecutionStatus = "Running"` })) running.add(workflowId);
  return Object.fromEntries(sources.map((source) => [source, running.has(lockIds.archive(system, source))]));
}
