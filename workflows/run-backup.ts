import { defineQuery, setCurrentDetails, setHandler, uuid4, workflowInfo } from '@temporalio/workflow';
import { callsAt, callControl, type Call } from './call.ts';
import type { BackupSummary } from './contract.ts';
import { HoldfastError } from './domain/errors.ts';
import { makeId } from './domain/make-id.ts';
import { queryNames } from './domain/messages.ts';
import type { SystemView } from './domain/system.ts';
import { formatBytes, minutes } from './domain/units.ts';
import { surfacing } from './failure.ts';
import { mark } from './search-attributes.ts';
import { checkSource } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';

export interface RunBackupInput {
  system: string;
  source?: string | undefined;
  why: string;
  requestedBy: string;
}

/** How far one source is; what the query `state` of a backup answers, by source. */
export interface BackupProgress {
  phase: 'planning' | 'dumping' | 'sealing' | 'done';
  backup: string;
  groups: number;
  groupsDone: number;
  estimatedBytes: number;
  plainBytes: number;
  storedBytes: number;
}

/** Groups of one source that are dumped at once. */
const width = 4;

/**
 * The backup of one system, under the id `backup/<system>`: plan, groups side by side, seal. Until it is sealed there is no
 * backup; a group that is done stays done when a worker is lost.
 */
export async function runBackup(input: RunBackupInput): Promise<BackupSummary[]> {
  const progress: Record<string, BackupProgress> = {};
  const warnings: string[] = [];
  setHandler(defineQuery<Record<string, BackupProgress>>(queryNames.state), () => progress, { description: 'How far the backup of each source is.' });
  const show = (): void => setCurrentDetails(showProgress(input.system, progress, warnings));
  return await surfacing(async () => {
    if (!input?.system) throw new HoldfastError('BadInput', 'runBackup is started by backUpSystem.', { hint: 'start backUpSystem with {"system": "demo"}' });
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    if (input.source) checkSource(view, input.source);
    mark({ system: view.system, purpose: 'backup', phase: 'running' });
    const call = callsAt(view.site);
    const { epoch } = await call('claimEpoch', { system: view.system, why: 'backup', takeOver: false }, `hold the command of ${view.system}`);
    const sources = input.source ? [input.source] : Object.keys(view.sources);
    const summaries = await sideBySide(sources, sources.length, (source) => backUpSource({ call, input, epoch, source, show, progress }));
    warnings.push(...(await Promise.all(sources.map((source) => warnOfArchive(call, view, source)))).flat());
    show();
    mark({ phase: 'done' });
    return summaries;
  });
}

interface SourceBackup {
  call: Call;
  input: RunBackupInput;
  epoch: number;
  source: string;
  show(): void;
  progress: Record<string, BackupProgress>;
}

async function backUpSource({ call, input, epoch, source, show, progress }: SourceBackup): Promise<BackupSummary> {
  const { system, why, requestedBy } = input;
  const backup = makeId(workflowInfo().startTime.getTime(), uuid4());
  const now: BackupProgress = { phase: 'planning', backup, groups: 0, groupsDone: 0, estimatedBytes: 0, plainBytes: 0, storedBytes: 0 };
  progress[source] = now;
  show();
  const plan = await call('planDump', { system, source, backup, epoch, why, requestedBy }, `plan the dump of ${source}`);
  Object.assign(now, { phase: 'dumping', groups: plan.groups.length, estimatedBytes: plan.estimatedBytes });
  show();
  const atOnce = Math.max(1, Math.min(width, plan.groups.length));
  const groups = await sideBySide(plan.groups, atOnce, async ({ group, estimatedBytes }) => {
    const done = await call('dumpGroup', { system, source, plan, epoch, group, width: atOnce }, `${source} ${group}: about ${formatBytes(estimatedBytes)}`);
    now.groupsDone += 1;
    now.plainBytes += done.plainBytes;
    now.storedBytes += done.storedBytes;
    show();
    return done;
  });
  now.phase = 'sealing';
  show();
  const summary = await call('sealBackup', { system, source, plan, epoch, groups }, `read back and seal ${source}`);
  now.phase = 'done';
  show();
  return summary;
}

/** A base without a log restores to one moment only; whoever looks at the backup should know. Best effort: it is no part of the backup. */
async function warnOfArchive(call: Call, view: SystemView, source: string): Promise<string[]> {
  try {
    const status = await call('readArchiveStatus', { system: view.system, source }, `is the log of ${source} archived`);
    const late = status.archivedTo === null || (status.sourceReachable && (status.rpoMs ?? Infinity) > Math.max(minutes(2), view.rpoObjectiveMs));
    return late ? [`the log of ${source} is not archived: start archiveLog with {"system": "${view.system}", "source": "${source}"}`] : [];
  } catch {
    return [`whether the log of ${source} is archived could not be found out`];
  }
}

function showProgress(system: string, progress: Record<string, BackupProgress>, warnings: string[]): string {
  const lines = Object.entries(progress).map(
    ([source, { phase, groups, groupsDone, plainBytes, estimatedBytes, storedBytes }]) =>
      `- ${source}: ${phase}, ${groupsDone} of ${groups} groups, ${formatBytes(plainBytes)} of about ${formatBytes(estimatedBytes)}, stored ${formatBytes(storedBytes)}`,
  );
  return [`**backup ${system}**`, lines.join('\n'), warnings.map((warning) => `- ⚠ ${warning}`).join('\n')].filter((part) => part !== '').join('\n\n');
}
