import { setCurrentDetails, sleep, workflowInfo, type ChildWorkflowHandle, type Workflow } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { startLocked } from './children.ts';
import type { BackupSummary } from './contract.ts';
import { HoldfastError } from './domain/errors.ts';
import { backUpSystemInput, parseInput, type BackUpSystemInput } from './domain/inputs.ts';
import { anonymous } from './domain/messages.ts';
import { lockIds } from './domain/names.ts';
import { seconds } from './domain/units.ts';
import { failure, surfacing } from './failure.ts';
import { admit } from './permit.ts';
import type { RunBackupInput } from './run-backup.ts';
import { skip, tellingOfSchedule, type Skipped } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { checkSource, requireOf } from './sources.ts';

/**
 * Takes a base backup of a system, or of one of its sources: the entry, under any id. The backup itself is the child `backup/<system>`.
 * Cancelling the entry cancels the backup.
 *
 * @param typed - BackUpSystemInput as a person types it, or the bare name of a system.
 * @returns `skipped` where another runs and `ifRunning` is skip.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, AlreadyRunning, Unsupported - at once, nothing was read.
 */
export async function backUpSystem(typed: unknown): Promise<BackupSummary[] | Skipped> {
  return await surfacing(() => tellingOfSchedule(async (way) => {
    const input = parseInput('backUpSystem', backUpSystemInput, typed);
    const workflowId = lockIds.backup(input.system);
    if (workflowInfo().workflowId === workflowId) {
      throw new HoldfastError('BadInput', `The workflow id ${workflowId} is the lock of the backup itself.`, { hint: 'start backUpSystem under any other id' });
    }
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    way.view = view;
    await admit('backUpSystem', view, input);
    if (input.source) checkSource(view, input.source);
    if (input.incremental) for (const source of input.source ? [input.source] : Object.keys(view.sources)) requireOf(view, source, 'increments');
    mark({ system: view.system, purpose: 'backup' });
    const child = await startOrWait(workflowId, input);
    way.handedOn = true;
    if (!child) return skip(`a backup of ${view.system} goes on already: workflow \`${workflowId}\``);
    setCurrentDetails(`The backup is workflow \`${workflowId}\`: its progress is there.`);
    return (await child.result()) as BackupSummary[];
  }));
}

/** Undefined: one runs, and this one was to be skipped then. */
async function startOrWait(workflowId: string, { system, source, incremental, why, requestedBy, ifRunning }: BackUpSystemInput): Promise<ChildWorkflowHandle<Workflow> | undefined> {
  const input: RunBackupInput = { system, source, ...(incremental ? { incremental } : {}), why: why ?? 'asked for', requestedBy: requestedBy ?? anonymous };
  for (;;) {
    const child = await startLocked('runBackup', workflowId, input, `backup of ${system}`);
    if (child) return child;
    if (ifRunning === 'skip') return undefined;
    if (ifRunning === 'fail') {
      throw failure('AlreadyRunning', `A backup of ${system} goes on already: workflow ${workflowId}.`, {
        hint: `wait for it, cancel it, or start with {"system": "${system}", "ifRunning": "wait"}`,
      });
    }
    setCurrentDetails(`Waits for workflow \`${workflowId}\` to end.`);
    await sleep(seconds(15), { summary: `another backup of ${system} goes on` });
  }
}
