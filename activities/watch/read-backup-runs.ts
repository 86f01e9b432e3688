import { WorkflowFailedError, type Client, type WorkflowExecutionInfo } from '@temporalio/client';
import { WorkflowNotFoundError } from '@temporalio/common';
import type { BackupHistory, BackupRun } from '../../workflows/domain/backup-history.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { scrub } from '../secrets.ts';

/** More say little more. */
const newestRuns = 200;
/** Why is asked of each one by one. */
const explained = 5;

/**
 * How a system's backups ended, as far as Temporal remembers: the runs under the lock, and starts that failed before they got there (a system file that
 * cannot be read, a refusal). Eventually consistent by a second or so. Reads only.
 */
export async function readBackupRuns(client: Client, system: string): Promise<Pick<BackupHistory, 'runs' | 'runsSince'>> {
  const remembered = await rememberedSince(client);
  const closed = 'ExecutionStatus != "Running" AND ExecutionStatus != "ContinuedAsNew"';
  const locked = await newest(client, `WorkflowType = "runBackup" AND WorkflowId = "${lockIds.backup(system)}" AND ${closed}`);
  const entries = await newest(client, `WorkflowType = "backUpSystem" AND WorkflowId STARTS_WITH "backup/${system}/" AND ExecutionStatus = "Failed"`);
  const alone = entries.filter((entry) => !locked.some((run) => run.startTime >= entry.startTime && run.startTime <= entry.closeTime!));
  const runs = [...locked, ...alone].map(toRun).sort((a, b) => a.endedAt.localeCompare(b.endedAt));
  for (const run of runs.filter(({ outcome }) => outcome === 'failed').slice(-explained)) run.why = await whyOf(client, run);
  const full = [locked, entries].filter((list) => list.length === newestRuns).map((list) => list.at(-1)!.closeTime!.toISOString());
  return { runs, runsSince: [remembered, ...full].sort().at(-1)! };
}

async function newest(client: Client, query: string): Promise<WorkflowExecutionInfo[]> {
  const found: WorkflowExecutionInfo[] = [];
  for await (const info of client.workflow.list({ query })) {
    if (info.closeTime) found.push(info);
    if (found.length === newestRuns) break;
  }
  return found;
}

const outcomes: Record<string, BackupRun['outcome']> = { COMPLETED: 'done', CANCELLED: 'cancelled', TERMINATED: 'cancelled' };

const toRun = ({ workflowId, runId, startTime, closeTime, status }: WorkflowExecutionInfo): BackupRun => ({
  workflowId,
  runId,
  startedAt: startTime.toISOString(),
  endedAt: closeTime!.toISOString(),
  outcome: outcomes[status.name] ?? 'failed',
  why: null,
});

async function whyOf(client: Client, { workflowId, runId }: BackupRun): Promise<string | null> {
  try {
    await client.workflow.getHandle(workflowId, runId).result();
    return null;
  } catch (error) {
    if (error instanceof WorkflowFailedError) return scrub((error.cause ?? error).message.split('\n')[0]!.slice(0, 300));
    if (error instanceof WorkflowNotFoundError) return null;
    throw error;
  }
}

/** What ended before is not known: the namespace forgets it. */
async function rememberedSince(client: Client): Promise<string> {
  const { config } = await client.workflowService.describeNamespace({ namespace: client.options.namespace });
  const keptMs = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1_000;
  return new Date(Date.now() - keptMs).toISOString();
}
