import { callControl } from './call.ts';
import type { SealedDays } from './domain/audit.ts';
import { parseInput, sealAuditInput } from './domain/inputs.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { tellingOfSchedule } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';

/**
 * Seals the audit of every day that is over and not sealed yet: days that were missed are made up for, and one without acts is sealed too. Killed anywhere: the next try, or tomorrow's
 * start, goes on behind the last seal.
 *
 * @param typed - SealAuditInput as a person or a schedule types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, and what keeps the store from taking a seal.
 */
export async function sealAudit(typed: unknown): Promise<SealedDays> {
  return await surfacing(() => tellingOfSchedule(async (way) => {
    const input = parseInput('sealAudit', sealAuditInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    way.view = view;
    await admit('sealAudit', view, input);
    mark({ system: view.system, purpose: 'audit' });
    const sealed = await callControl('sealAudit', { system: view.system }, `seal the audit of ${view.system}`);
    const { days, upTo, to } = sealed;
    showLines(`audit of ${view.system}`, [days.length === 0 ? (upTo === null ? 'no day of it is over yet' : `was sealed up to ${upTo} already`) : `sealed ${days.join(', ')}: up to record ${to}`]);
    return sealed;
  }));
}
