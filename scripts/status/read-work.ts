import { QueryNotRegisteredError, type Client } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType, WorkflowNotFoundError } from '@temporalio/common';
import { describeArchiving, type ArchiveHeartbeatSeen } from '../../workflows/domain/describe-archiving.ts';
import { describeProgress } from '../../workflows/domain/describe-progress.ts';
import { describeError, HoldfastError } from '../../workflows/domain/errors.ts';
import { searchAttributes } from '../../workflows/domain/names.ts';
import type { GateState, RunState } from '../../workflows/domain/run-state.ts';
import { howToAnswer, waitingFacts } from './format-run.ts';
import { describeTries, readActivities, runningProgress, type ActivityProgress } from './read-activities.ts';
import { askWorker, readState } from './read-state.ts';
import { formatBackup, readBackup, type BackupView } from './watch-backup.ts';
import { formatTransfer, readTransfer, type TransferView } from './watch-transfer.ts';

/** What of a system runs beside a recovery. */
export interface WorkView {
  workflowId: string;
  backup?: BackupView;
  /** an import, an export or a verification */
  transfer?: TransferView;
  archive?: ArchivingView;
  /** a retention or a disposal */
  asking?: AskingView;
  /** no worker answers for it: what Temporal keeps is all there is to show; `phase`: as a worker last said, null: none did */
  unanswered?: { workflowStatus: string; phase: string | null; why: string; activities: ActivityProgress[] };
}

/** What may ask people before it lets anything go. */
export interface AskingView {
  system: string;
  readAt: string;
  /** the first line of what the UI shows of it */
  says: string;
  /** gates that wait for people */
  gates: GateState[];
}

export interface ArchivingView {
  workflowId: string;
  /** null: it waits for its next try, or for a worker */
  heartbeat: ArchiveHeartbeatSeen | null;
  lastFailure: string | null;
}

const kinds = { runBackup: 'backup', importDump: 'import', exportRecoveryPoint: 'export', verifySystem: 'verify', runArchive: 'archive', applyRetention: 'asking', disposePoint: 'asking', disposeAll: 'asking' } as const;

/**
 * Backups, imports, exports, verifications, archives, retentions and disposals of a system that run now, by the list that Temporal keeps. It may be seconds behind, and longer where its server is busy or
 * has just come back: what it lacks is answered by its id all the same (`approve --workflow`), which whoever started it, and the message to those who are asked, know.
 */
export async function readWork(client: Client, system: string): Promise<WorkView[]> {
  const types = Object.keys(kinds).map((type) => `"${type}"`).join(', ');
  const query = `${searchAttributes.system} = "${system}" AND ExecutionStatus = "Running" AND WorkflowType IN (${types})`;
  const asked: Promise<WorkView | undefined>[] = [];
  for await (const { workflowId, type } of client.workflow.list({ query })) {
    const kind = kinds[type as keyof typeof kinds];
    // One of which nothing can be read keeps nothing else from being shown, and is not left out; side by side, one that nobody answers for holds up no other.
    asked.push(readOne(client, system, workflowId, kind).catch(readUnanswered(client, workflowId)).catch(unreadable(workflowId)));
  }
  const work = (await Promise.all(asked)).filter((view) => view !== undefined);
  return work.sort((a, b) => (a.workflowId < b.workflowId ? -1 : 1));
}

async function readOne(client: Client, system: string, workflowId: string, kind: (typeof kinds)[keyof typeof kinds]): Promise<WorkView | undefined> {
  if (kind === 'backup') {
    const backup = await readBackup(client, system);
    return backup && { workflowId, backup };
  }
  if (kind === 'archive') {
    const archive = await readArchiving(client, workflowId);
    return archive && { workflowId, archive };
  }
  if (kind === 'asking') {
    const asking = await readAsking(client, system, workflowId);
    return asking && { workflowId, asking };
  }
  const transfer = await readTransfer(`${kind} ${system}`, client.workflow.getHandle(workflowId));
  return transfer && { workflowId, transfer };
}

/** Of a workflow that no worker answered for. @throws the error, where it says something else. */
export const readUnanswered = (client: Client, workflowId: string) => async (error: unknown): Promise<WorkView> => {
  if (!(error instanceof HoldfastError && error.type === 'TimedOut')) throw error;
  return await readKept(client, workflowId, error.message);
};

/** It has ended meanwhile, or Temporal itself says why it tells nothing of it. */
const unreadable = (workflowId: string) => (error: unknown): WorkView | undefined =>
  error instanceof WorkflowNotFoundError ? undefined : { workflowId, unanswered: { workflowStatus: 'RUNNING', phase: null, why: describeError(error).message, activities: [] } };

const phaseKey = defineSearchAttributeKey(searchAttributes.phase, SearchAttributeType.KEYWORD);

/** What Temporal itself knows of a workflow, without any worker. */
export async function readKept(client: Client, workflowId: string, why: string): Promise<WorkView> {
  const handle = client.workflow.getHandle(workflowId);
  const description = await handle.describe();
  return { workflowId, unanswered: { workflowStatus: description.status.name, phase: description.typedSearchAttributes.get(phaseKey) ?? null, why, activities: await readActivities(handle, description) } };
}

/** @throws TimedOut - no worker answers for it. */
async function readAsking(client: Client, system: string, workflowId: string): Promise<AskingView | undefined> {
  const handle = client.workflow.getHandle(workflowId);
  if ((await handle.describe()).status.name !== 'RUNNING') return undefined;
  const { currentDetails = '' } = await askWorker<{ currentDetails?: string }>(handle, '__temporal_workflow_metadata');
  // Before it asks anybody there is no state to be had.
  const gates = await readState<RunState>(handle).then(({ gates: all }) => all.filter(({ status }) => status === 'open'), (error: unknown) => {
    if (!(error instanceof QueryNotRegisteredError)) throw error;
    return [];
  });
  return { system, readAt: new Date().toISOString(), says: currentDetails.split('\n')[0]!.replaceAll('**', ''), gates };
}

function formatAsking(workflowId: string, { system, readAt, says, gates }: AskingView): string {
  const of = `${system} --workflow ${workflowId}`;
  return [
    `${workflowId}  ${says || 'has begun'}`,
    ...gates.flatMap((gate) =>
      gate.quorum === 0
        ? [`  begins at ${gate.notBefore}, unless somebody says no: holdfast reject ${of} --gate ${gate.gate} --by NAME --reason …`]
        : [`  gate ${gate.gate}: ${waitingFacts(gate, Date.parse(readAt)).filter((fact) => fact !== '').join('  ')}`, `  ${howToAnswer(of, gate)}`]),
  ].join('\n');
}

const formatUnanswered = (workflowId: string, { workflowStatus, phase, why, activities }: NonNullable<WorkView['unanswered']>): string =>
  [
    `${workflowId}  ${workflowStatus}${phase === null ? '' : `, last known to be ${phase}`}  ${why}`,
    ...runningProgress(activities).map((progress) => `  ${progress.activity}  last said: ${[progress.phase, ...describeProgress(progress)].join('  ')}`),
    ...describeTries(activities),
  ].join('\n');

/** What a running archive's activity says of itself; undefined: it does not run. @throws what Temporal does not answer. */
export async function readArchiving(client: Client, workflowId: string): Promise<ArchivingView | undefined> {
  const handle = client.workflow.getHandle(workflowId);
  const description = await handle.describe();
  if (description.status.name !== 'RUNNING') return undefined;
  const activity = (await readActivities(handle, description)).find((one) => one.activity === 'archiveLog');
  const said: Record<string, unknown> | null | undefined = activity?.heartbeat;
  const heartbeat = said?.['archivedTo'] === undefined ? null : (said as unknown as ArchiveHeartbeatSeen);
  return { workflowId, heartbeat, lastFailure: activity?.lastFailure ?? null };
}

export const formatArchiving = ({ workflowId, heartbeat, lastFailure }: ArchivingView): string =>
  [workflowId, ...(heartbeat ? describeArchiving(heartbeat) : ['has not said anything yet']), ...(lastFailure ? [`last try: ${lastFailure.split('\n')[0]}`] : [])].join('  ');

export function formatWork({ workflowId, backup, transfer, archive, asking, unanswered }: WorkView): string {
  if (unanswered) return formatUnanswered(workflowId, unanswered);
  if (asking) return formatAsking(workflowId, asking);
  return backup ? formatBackup(backup) : transfer ? formatTransfer(transfer) : archive ? formatArchiving(archive) : '';
}
