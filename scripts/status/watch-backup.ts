import type { Client, WorkflowHandle } from '@temporalio/client';
import { describeProgress } from '../../workflows/domain/describe-progress.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import { progressOfBackup } from '../../workflows/domain/step-progress.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { BackupProgress } from '../../workflows/run-backup.ts';
import type { Printer } from '../output/printer.ts';
import { describeTries, readActivities, runningProgress, type ActivityProgress } from './read-activities.ts';
import { readState } from './read-state.ts';
import { watchEntry } from './watch-entry.ts';

export interface BackupView {
  system: string;
  readAt: string;
  sources: Record<string, BackupProgress>;
  activities: ActivityProgress[];
}

/** Shows the backup of a system until the entry workflow ends, and returns its result. @throws what it failed with. */
export async function watchBackup<T>(printer: Printer, client: Client, system: string, handle: WorkflowHandle): Promise<T> {
  return await watchEntry<T, BackupView>(printer, handle, () => readBackup(client, system), formatBackup);
}

/** The backup of a system that runs; undefined when none does. @throws TimedOut - no worker answers for it. */
export async function readBackup(client: Client, system: string): Promise<BackupView | undefined> {
  const handle = client.workflow.getHandle(lockIds.backup(system));
  const description = await handle.describe();
  if (description.status.name !== 'RUNNING') return undefined;
  const sources = await readState<Record<string, BackupProgress>>(handle);
  return { system, readAt: new Date().toISOString(), sources, activities: await readActivities(handle, description) };
}

/** A line a source, by the heartbeats of its own activities, which know better than the workflow. Then a line for each try that failed. */
export function formatBackup({ system, readAt, sources, activities }: BackupView): string {
  const running = runningProgress(activities);
  const lines = Object.entries(sources).map(([source, of]) => {
    const far = progressOfBackup({ ...of, source }, running, Date.parse(readAt)) ?? of.progress;
    const facts = far ? describeProgress(far) : [];
    return `  ${[of.phase.padEnd(8), source, ...facts, ...(of.groups > 0 ? [`${of.groupsDone} of ${of.groups} groups`, `${formatBytes(of.storedBytes)} stored`] : [])].join('  ')}`;
  });
  return [`backup ${system}`, ...lines, ...describeTries(activities)].join('\n');
}
