import { workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt } from './call.ts';
import type { RecoveryProof } from './domain/keys/records.ts';
import { nameOf } from './domain/keys/describe.ts';
import { parseInput, recordRecoveryProofInput } from './domain/inputs.ts';
import { surfacing } from './failure.ts';
import { admit } from './permit.ts';
import { mark } from './search-attributes.ts';
import { showLines } from './show-lines.ts';
import { checkSource } from './sources.ts';

/**
 * Writes down that an offline key opened the newest base of each source, as `holdfast key prove-recovery` says: a worker opens the same base in its own way, and believes what only whoever opened it could have made. Readiness tells when
 * the next proof is due.
 *
 * @param typed - RecordRecoveryProofInput: the command makes it, and nobody types it.
 * @throws BadInput, UnknownSystem, BadSystemFile; NotPermitted - who asks may not, or what was said is not proved; ObjectMissing, WrongKey.
 */
export async function recordRecoveryProof(typed: unknown): Promise<RecoveryProof[]> {
  return await surfacing(async () => {
    const { proofs, ...input } = parseInput('recordRecoveryProof', recordRecoveryProofInput, typed);
    const view = await callControl('loadSystem', { system: input.system }, `read systems/${input.system}.yaml`);
    const { system } = view;
    for (const { source } of proofs) checkSource(view, source);
    await admit('recordRecoveryProof', view, { ...input, reason: proofs.map(({ source, backup, recipient }) => `${nameOf(recipient)} opened ${source}/${backup}`).join(', ') });
    mark({ system, purpose: 'recovery-proof' });
    const { runId: run } = workflowInfo();
    const records: RecoveryProof[] = [];
    for (const proof of proofs) records.push((await callsAt(view.site)('recordRecoveryProof', { system, ...proof, run, by: input.requestedBy ?? null }, `believe, and write down, that ${nameOf(proof.recipient)} opened ${proof.source}/${proof.backup}`)).record);
    showLines(`offline keys of ${system}`, records.map(({ source, backup, recipient, at }) => `${nameOf(recipient)} opened ${source}/${backup}, written down at ${at}`));
    return records;
  });
}
