import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { startLocked } from './children.ts';
import { HoldfastError } from './domain/errors.ts';
import { archiveLogInput, parseInput } from './domain/inputs.ts';
import { lockIds } from './domain/names.ts';
import { failure, surfacing } from './failure.ts';
import { admit } from './permit.ts';
import type { RunArchiveInput } from './run-archive.ts';
import { mark } from './search-attributes.ts';
import { oneSource, requireOf } from './sources.ts';

/**
 * Starts to archive the log of one source: the entry, under any id. The archive is the child `archive/<system>/<source>`, which runs until it
 * is told to stop; the entry ends as soon as that has started.
 *
 * @param typed - ArchiveLogInput as a person types it, or the bare name of a system with one source.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, AlreadyRunning.
 */
export async function archiveLog(typed: unknown): Promise<{ workflowId: string; runId: string }> {
  return await surfacing(async () => {
    const input = parseInput('archiveLog', archiveLogInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit('archiveLog', view, input);
    const source = oneSource(view, input.source);
    requireOf(view, source, 'log');
    const workflowId = lockIds.archive(view.system, source);
    if (workflowInfo().workflowId === workflowId) {
      throw new HoldfastError('BadInput', `The workflow id ${workflowId} is the lock of the archive itself.`, { hint: 'start archiveLog under any other id' });
    }
    mark({ system: view.system, purpose: 'archive' });
    const archive: RunArchiveInput = { system: view.system, source };
    const child = await startLocked('runArchive', workflowId, archive, `archive of ${view.system}/${source}`);
    if (!child) {
      throw failure('AlreadyRunning', `The log of ${view.system}/${source} is archived already: workflow ${workflowId}.`, { hint: 'to begin again, send it the signal stop first' });
    }
    setCurrentDetails(`The archive is workflow \`${workflowId}\`. It runs until it gets the signal \`stop\`, or is cancelled.`);
    return { workflowId, runId: child.firstExecutionRunId };
  });
}
