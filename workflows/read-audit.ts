import { callControl } from './call.ts';
import { describeAudit, type AuditPage } from './domain/audit.ts';
import { parseInput, readAuditInput } from './domain/inputs.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';

/**
 * Who asked for what, and whether they were let: the newest acts, and whether the chain of records holds. Reads only.
 *
 * @param typed - ReadAuditInput as a person types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, NotPermitted, and what keeps the bucket from being read.
 */
export async function readAudit(typed: unknown): Promise<AuditPage> {
  return await surfacing(async () => {
    const { requestedBy, ...input } = parseInput('readAudit', readAuditInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    await admit('readAudit', view, { requestedBy });
    mark({ system: view.system, purpose: 'audit' });
    const page = await callControl('readAudit', input, `read the audit of ${view.system}`);
    showLines(`audit of ${view.system}`, describeAudit(page));
    return page;
  });
}
