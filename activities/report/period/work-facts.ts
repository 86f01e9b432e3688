import { WorkflowFailedError, type Client } from '@temporalio/client';
import { searchAttributes } from '../../../workflows/domain/names.ts';
import { listed, type KindFacts, type WorkFacts, type WorkFailure, type WorkKind } from '../../../workflows/domain/period-report.ts';
import { median } from '../../../workflows/domain/median.ts';
import { readSchedules } from '../../schedules/read-schedules.ts';

const kindOf: Readonly<Record<string, WorkKind>> = { runBackup: 'backup', verifySystem: 'verification', applyRetention: 'retention', runRecovery: 'recovery' };

/** A cancel is somebody's wish, and a workflow that goes on as new has not ended. */
const failedWith = new Set(['FAILED', 'TERMINATED', 'TIMED_OUT']);

interface Ended {
  kind: WorkKind;
  workflowId: string;
  runId: string;
  failed: boolean;
  endedAt: string;
  tookMs: number;
}

/** What Temporal knows of a system's work that ended after `from`, up to and including `to`, and of its schedules as they are now. Reads only. */
export async function readWorkFacts(client: Client, system: string, { from, to }: { from: string; to: string }): Promise<WorkFacts> {
  const ended = await listEnded(client, system, { from, to });
  const failed = ended.filter((one) => one.failed);
  const failures: WorkFailure[] = [];
  for (const { kind, workflowId, runId, endedAt } of failed.slice(0, listed)) failures.push({ kind, workflowId, endedAt, why: await whyOf(client, workflowId, runId) });
  const kinds = Object.fromEntries(Object.values(kindOf).map((kind) => [kind, factsOf(ended.filter((one) => one.kind === kind))])) as Record<WorkKind, KindFacts>;
  return { kinds, failures, failureCount: failed.length, schedules: await readSchedules(client, system), forgottenBefore: await forgottenBefore(client, from) };
}

/** The newest first. */
async function listEnded(client: Client, system: string, { from, to }: { from: string; to: string }): Promise<Ended[]> {
  const types = Object.keys(kindOf).map((type) => `"${type}"`).join(', ');
  const query = `${searchAttributes.system}="${system}" AND WorkflowType IN (${types}) AND CloseTime > "${from}" AND CloseTime <= "${to}"`;
  const ended: Ended[] = [];
  for await (const { type, workflowId, runId, status, startTime, closeTime } of client.workflow.list({ query })) {
    if (!closeTime || (status.name !== 'COMPLETED' && !failedWith.has(status.name))) continue;
    ended.push({ kind: kindOf[type]!, workflowId, runId, failed: failedWith.has(status.name), endedAt: closeTime.toISOString(), tookMs: closeTime.getTime() - startTime.getTime() });
  }
  return ended.sort((a, b) => b.endedAt.localeCompare(a.endedAt));
}

function factsOf(ended: readonly Ended[]): KindFacts {
  const times = ended.filter(({ failed }) => !failed).map(({ tookMs }) => tookMs);
  return {
    ended: ended.length,
    failed: ended.filter(({ failed }) => failed).length,
    medianMs: times.length > 0 ? median(times) : null,
    longestMs: times.length > 0 ? Math.max(...times) : null,
    lastFailed: ended[0]?.failed ?? null,
  };
}

async function whyOf(client: Client, workflowId: string, runId: string): Promise<string> {
  try {
    await client.workflow.getHandle(workflowId, runId).result();
    return 'not known';
  } catch (error) {
    return (error instanceof WorkflowFailedError ? (error.cause ?? error) : (error as Error)).message.split('\n')[0]!.slice(0, 300);
  }
}

/** A namespace keeps what has ended for a time: null where that reaches back behind `from`. */
async function forgottenBefore(client: Client, from: string): Promise<string | null> {
  const { config } = await client.workflowService.describeNamespace({ namespace: client.options.namespace });
  const keptMs = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1_000;
  const since = new Date(Date.now() - keptMs).toISOString();
  return keptMs > 0 && since > from ? since : null;
}
