import { uuid4, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import { describeImport, type ImportSummary } from './domain/exchange.ts';
import { importDumpInput, parseInput } from './domain/inputs.ts';
import { makeId } from './domain/make-id.ts';
import { anonymous } from './domain/messages.ts';
import { formatBytes } from './domain/units.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { oneSource, requireOf } from './sources.ts';
import { watchTransfer } from './transfer.ts';

/**
 * Makes a recovery point of what mongodump wrote: an archive or a folder on the data worker, under a directory that the system file
 * allows. The whole dump is read and checked before anything of it is in the store.
 *
 * It is no lock: each import has an id and a timeline of its own, so two at once, even of one dump, are two imports.
 *
 * @param typed - ImportDumpInput as a person types it.
 * @throws NotPermitted - whoever asked may not. BadInput - not allowed, no dump, or a damaged one; names the place, what was found and what was expected.
 */
export async function importDump(typed: unknown): Promise<ImportSummary> {
  const transfer = watchTransfer('checking');
  return await surfacing(async () => {
    const input = parseInput('importDump', importDumpInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit('importDump', view, input);
    const source = oneSource(view, input.source);
    requireOf(view, source, 'imports');
    mark({ system: view.system, purpose: 'import', phase: 'running' });
    const of = { system: view.system, source };
    const call = callsAt(view.site);
    const { epoch } = await call('claimEpoch', { system: view.system, why: 'import', takeOver: false }, `hold the command of ${view.system}`);
    const backup = makeId(workflowInfo().startTime.getTime(), uuid4());
    transfer.show(`import ${backup} of ${input.path}`);
    const why = input.why ?? `imported from ${input.path}`;
    const { origin, ...plan } = await call('planImport', { ...of, backup, epoch, path: input.path, why, requestedBy: input.requestedBy ?? anonymous }, `read and check ${input.path}`);
    transfer.enter('importing');
    const groups = [];
    for (const { group, estimatedBytes } of plan.groups) groups.push(await call('importGroup', { ...of, plan, epoch, group }, `import ${formatBytes(estimatedBytes)} as ${backup}`));
    transfer.enter('sealing');
    const sealed = await call('sealBackup', { ...of, plan, epoch, groups }, `read back and seal ${backup}`);
    const summary: ImportSummary = { ...sealed, path: input.path, origin };
    transfer.enter('done');
    const { heading, lines } = describeImport(summary);
    showLines(heading, lines);
    mark({ phase: 'done' });
    return summary;
  });
}
