import { keyCheckSchema, recoveryProofSchema } from '../../workflows/domain/keys/records.ts';
import { opensHere, proveEveryMs, recipientsOf } from '../../workflows/domain/keys/schema.ts';
import type { KeysReadiness } from '../../workflows/domain/readiness.ts';
import { keyCheckDueMs } from '../../workflows/domain/schedules/base-due.ts';
import type { SourceContext } from '../context.ts';
import { findSigned } from '../store/signed-object.ts';
import type { ListedSource } from './list-source.ts';

const shown = 3;

/** What the last check of the keys found, and since when an offline key should have been proved, by what was written into the store: two small objects, whatever is kept. */
export async function lookAtKeys({ store, keys, system, sourceName, signal }: SourceContext, { keyCheck, recoveryProofs }: Pick<ListedSource, 'keyCheck' | 'recoveryProofs'>, { nowMs, knownSinceMs }: { nowMs: number; knownSinceMs?: number | undefined }): Promise<KeysReadiness> {
  const check = keyCheck === null ? undefined : (await findSigned(store, keys, keyCheckSchema, keyCheck, { signal })).found?.body;
  const dueMs = keyCheckDueMs(system.schedules, sourceName, nowMs, knownSinceMs);
  const offline: KeysReadiness['offline'] = [];
  for (const { id, config } of recipientsOf(system.key)) {
    if (opensHere(config) || config.kind === 'aes256' || config.kind === 'kms') continue;
    const key = recoveryProofs.get(id);
    const proof = key === undefined ? undefined : (await findSigned(store, keys, recoveryProofSchema, key, { signal })).found?.body;
    const dueAtMs = proof && Date.parse(proof.at) + (config.proveEvery ?? proveEveryMs);
    offline.push({ recipient: `${config.kind} ${id}`, provedAt: proof?.at ?? null, overdueSince: dueAtMs === undefined ? null : dueAtMs < nowMs ? new Date(dueAtMs).toISOString() : null });
  }
  return {
    checked: check ? { at: check.at, ok: check.ok, lost: check.lost, problems: check.problems.slice(0, shown), problemCount: check.problemCount } : null,
    dueAt: dueMs === null ? null : new Date(dueMs).toISOString(),
    offline,
  };
}
