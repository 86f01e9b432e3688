import { setCurrentDetails } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import type { VerifyResult } from './contract.ts';
import { parseInput, verifySystemInput } from './domain/inputs.ts';
import type { SystemView } from './domain/system.ts';
import { formatBytes, formatDuration } from './domain/units.ts';
import { failure, surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { tellingOfSchedule } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { checkSource, sourceCan } from './sources.ts';
import { sideBySide } from './steps/side-by-side.ts';
import { watchTransfer } from './transfer.ts';

/**
 * Reads and authenticates every byte of a base of each source and of the log after it, without restoring.
 *
 * @param typed - VerifySystemInput as a person types it, or the bare name of a system.
 * @throws LogGap - of the log alone (`what`): it is later than the RPO.
 * @throws NotPermitted - whoever asked may not.
 * @throws Tampered - something is not what it was when it was written; names it, and its details hold the results.
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
    const call = callsAt(view.site);
    const sources = input.source ? [input.source] : Object.keys(view.sources);
    const results = await sideBySide(sources, sources.length, (source) =>
      call('verifyRecoveryPoint', { system: view.system, source, backup: input.backup, ...(input.what ? { what: input.what } : {}) }, `read and authenticate ${input.what === 'log' ? 'the log behind ' : ''}${input.backup ?? 'the newest backup'} of ${source}`),
    );
    transfer.enter('done');
    setCurrentDetails(results.map(showResult).join('\n'));
    const problems = results.flatMap(({ source, problems: found }) => found.map(({ key, problem }) => `${source} ${key}: ${problem}`));
    if (results.every(({ ok }) => ok)) {
      if (input.what === 'log') await checkCurrent(view, sources);
      return results;
    }
    throw failure('Tampered', `${view.system} does not verify: ${problems.slice(0, 5).join('; ')}${problems.length > 5 ? `; and ${problems.length - 5} more` : ''}`, { details: [results] });
  }));
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

const showResult = ({ source, ok, backup, objects, bytes, slices, restorable, problems }: VerifyResult): string =>
  `- ${source}: **${ok ? 'verified' : `${problems.length} problems`}** ${backup ?? 'no backup'}, ${objects} objects, ${formatBytes(bytes)}, ${slices} slices${restorable ? `; restorable from ${restorable.from} to ${restorable.to}` : ''}`;
