import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import type { ExportTo } from './contract.ts';
import { describeExport, type ExportSummary } from './domain/exchange.ts';
import { exportRecoveryPointInput, parseInput } from './domain/inputs.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { oneSource, requireOf } from './sources.ts';
import { watchTransfer } from './transfer.ts';

/**
 * Writes a recovery point as an archive or folder that mongorestore opens, on the data worker, under a directory that the system file
 * allows. From the bucket alone, which it holds meanwhile.
 *
 * It is no lock: each writes under a hidden name of its own, and gets the path only where nothing is.
 *
 * @param typed - ExportRecoveryPointInput as a person types it.
 * @throws NotPermitted - whoever asked may not. BadInput - not allowed, or something is there. NoRecoveryPoint, ChainBroken, Tampered, Unsupported - nothing was written.
 */
export async function exportRecoveryPoint(typed: unknown): Promise<ExportSummary> {
  const transfer = watchTransfer('choosing');
  return await surfacing(async () => {
    const { system, source: named, as: form, gzip, path, requestedBy, ...target } = parseInput('exportRecoveryPoint', exportRecoveryPointInput, typed);
    const view = await callControl('loadSystem', { system }, `read systems/${system}.yaml`);
    await admit('exportRecoveryPoint', view, { requestedBy, reason: `${named ?? system} to ${path}` });
    const source = oneSource(view, named);
    requireOf(view, source, 'exports');
    mark({ system: view.system, purpose: 'export', phase: 'running' });
    const call = callsAt(view.site);
    const { runId } = workflowInfo();
    const to: ExportTo = { path, form, gzip, run: runId };
    const of = { system, source };
    transfer.show(`export of ${system}/${source} to ${path}`);
    try {
      const point = await call('findRecoveryPoint', { ...of, target, run: runId, purpose: 'export' }, `choose the recovery point of ${source}`);
      transfer.enter('exporting');
      const { partial, ...written } = await call('writeExport', { ...of, ...to, point }, `write ${path}`);
      transfer.enter('publishing');
      await call('publishExport', { ...of, ...to, partial }, `give it its name ${path}`);
      const { base, limit, reaches, reachesAt, timeline } = point;
      const summary: ExportSummary = { ...of, path, form, gzip, timeline, backup: base.backup, limit, reaches, reachesAt, documents: base.documents, plainBytes: base.plainBytes, ...written };
      transfer.enter('done');
      const { heading, lines } = describeExport(summary);
      showLines(heading, lines);
      mark({ phase: 'done' });
      return summary;
    } finally {
      await CancellationScope.nonCancellable(async () => {
        await call('releaseHold', { system, run: runId }, 'let the recovery point go').catch(() => undefined);
        // A worker that was lost may have left what it wrote.
        if (['exporting', 'publishing'].includes(transfer.phase())) await call('discardExport', { ...of, ...to }, 'remove what was not finished').catch(() => undefined);
      });
    }
  });
}
