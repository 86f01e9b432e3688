import type { WorkflowHandle } from '@temporalio/client';
import { describeProgress } from '../../workflows/domain/describe-progress.ts';
import type { TransferState } from '../../workflows/domain/exchange.ts';
import { progressOfBackup } from '../../workflows/domain/step-progress.ts';
import type { Printer } from '../output/printer.ts';
import { readActivities, runningProgress, type ActivityProgress } from './read-activities.ts';
import { readState } from './read-state.ts';
import { watchEntry } from './watch-entry.ts';

export interface TransferView {
  what: string;
  readAt: string;
  state: TransferState;
  activities: ActivityProgress[];
}

/** How far it is; undefined once it has ended. @throws TimedOut - no worker answers for it. */
export async function readTransfer(what: string, handle: WorkflowHandle): Promise<TransferView | undefined> {
  const description = await handle.describe();
  if (description.status.name !== 'RUNNING') return undefined;
  const state = await readState<TransferState>(handle);
  return { what, readAt: new Date().toISOString(), state, activities: await readActivities(handle, description) };
}

/** Shows an import, an export or a verification until it ends, and returns its result. @throws what it failed with. */
export async function watchTransfer<T>(printer: Printer, what: string, handle: WorkflowHandle): Promise<T> {
  return await watchEntry<T, TransferView>(printer, handle, async () => await readTransfer(what, handle), formatTransfer);
}

/** A line: the heartbeats know better than the workflow. An attempt that failed and is tried again says why. */
export function formatTransfer({ what, readAt, state, activities }: TransferView): string {
  const far = progressOfBackup({ phase: state.phase, work: null }, runningProgress(activities), Date.parse(readAt)) ?? state.progress;
  const failed = activities.find(({ lastFailure }) => lastFailure !== null);
  // Of a verification's phases the activity knows better.
  const phase = far && state.phase === 'verifying' ? far.phase : state.phase;
  return [what, phase, ...(far ? describeProgress(far) : []), ...(failed ? [`try ${failed.attempt}, after: ${failed.lastFailure}`] : [])].join('  ');
}
