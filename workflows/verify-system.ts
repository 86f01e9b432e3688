import { setCurrentDetails, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import type { VerifyResult } from './contract.ts';
import { parseInput, verifySystemInput, type VerifySystemInput } from './domain/inputs.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatDuration } from './domain/units.ts';
import { usualRotation } from './domain/verification.ts';
import { failure, surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { tellingOfSchedule, type Way } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { checkSource, sourceCan } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';
import { watchTransfer } from './transfer.ts';
import { damageOf, describeVerified, startNewBase, tellDamage, tellWell } from './verification-result.ts';

/**
 * Reads and authenticates, without restoring: every byte of a base of each source and of the log after it, that log alone, or, of all that is kept, everything or the
 * share that was read longest ago. Or opens keys, and reads no more than shows that they open.
 *
 * What it finds damaged is marked bad, people are told, and a new base is started at once, unless an earlier verification has told of the same already: once, and not
 * again when that one fails too. What came of it is in the store.
 *
 * @param typed - VerifySystemInput as a person types it, or the bare name of a system.
 * @throws LogGap - of the log alone: it is later than the RPO.
 * @throws NotPermitted - whoever asked may not.
 * @throws Tampered - something is not what it was when it was written; names it, and its details hold the results. WrongKey - of the keys: one does not open, or is not wrapped for somebody.
 */
export async function verifySystem(typed: unknown): Promise<VerifyResult[]> {
  const transfer = watchTransfer('verifying');
  return await surfacing(() => tellingOfSchedule(async (way) => {
    const input = parseInput('verifySystem', verifySystemInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    way.view = view;
    await admit('verifySystem', view, input);
    if (input.source) checkSource(view, input.source);
    mark({ system: view.system, purpose: 'verify' });
    transfer.show(`verify ${view.system}`);
    const sources = input.source ? [input.source] : Object.keys(view.sources);
    const results = await sideBySide(sources, sources.length, (source) => verifySource(view, source, input));
    transfer.enter('done');
    if (results.some(({ ok }) => !ok)) return await fail(view, input, results, way);
    setCurrentDetails(results.map(describeVerified).map((line) => `- ${line}`).join('\n'));
    if (input.scope === 'log') await checkCurrent(view, sources);
    await tellWell(view, input.scope, results);
    return results;
  }));
}

async function verifySource({ system, site }: SystemView, source: string, { scope, backup, shares, within }: VerifySystemInput): Promise<VerifyResult> {
  const call = callsAt(site);
  const run = workflowInfo().runId;
  if (scope === 'keys') return await call('checkKeys', { system, source, run }, `open the keys of all that is kept of ${source}`);
  if (scope === 'all') return await call('verifyKept', { system, source, run, shares: 1, withinMs: usualRotation.withinMs }, `read and authenticate all that is kept of ${source}`);
  if (scope === 'sample') return await call('verifyKept', { system, source, run, shares: shares ?? usualRotation.shares, withinMs: within ?? usualRotation.withinMs }, `read and authenticate a share of all that is kept of ${source}`);
  return await call('verifyRecoveryPoint', { system, source, backup, scope, run }, `read and authenticate ${scope === 'log' ? 'the log behind ' : ''}${backup ?? 'the newest backup'} of ${source}`);
}

const keysHint = ({ system }: SystemView): string => `What is not wrapped for somebody, holdfast key rotate ${system} wraps; a key that is lost or wrong has to be put right where the worker reads it, while another still opens.`;

/** @throws Tampered, or of the keys WrongKey - always. */
async function fail(view: SystemView, { scope }: VerifySystemInput, results: VerifyResult[], way: Way): Promise<never> {
  const next = scope === 'keys' ? keysHint(view) : await startNewBase(view, results);
  setCurrentDetails([...results.map(describeVerified), next].map((line) => `- ${line}`).join('\n'));
  // It says more than that a schedule failed.
  way.handedOn = true;
  await tellDamage(view, scope, results, next);
  throw failure(scope === 'keys' ? 'WrongKey' : 'Tampered', `${view.system} does not verify: ${damageOf(results)}. ${next}`, { details: [results] });
}

/** A log that is whole and ends hours ago is no recovery point of now. A source that does not answer is judged by the archive's own end. @throws LogGap */
async function checkCurrent(view: SystemView, sources: readonly string[]): Promise<void> {
  const late: string[] = [];
  for (const source of sources.filter((name) => sourceCan(view, name, 'log'))) {
    const { archivedToAt, rpoMs } = await callsAt(view.site)('readArchiveStatus', { system: view.system, source }, `how late is the archive of ${source}`);
    const behindMs = rpoMs ?? (archivedToAt === null ? Infinity : Date.now() - Date.parse(archivedToAt));
    if (behindMs > view.rpoObjectiveMs) late.push(`${source} ends at ${archivedToAt ?? 'nothing'}${Number.isFinite(behindMs) ? `, ${formatDuration(behindMs)} ago` : ''}`);
  }
  if (late.length > 0) throw failure('LogGap', `${view.system}: the log is whole, and later than the RPO of ${formatDuration(view.rpoObjectiveMs)}: ${late.join('; ')}`, { hint: `holdfast archive status ${view.system}` });
}
