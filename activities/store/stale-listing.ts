import { auditChain } from '../audit/record-act.ts';
import { baseListChain } from './base-list.ts';
import { findUnlisted } from './record-chain.ts';
import type { ReadOptions, Store } from './store.ts';

/**
 * How a listing is noticed that is older than what the store holds, all of it at once: the newest slices with their heads, a base with the list that names it. Nothing in such a listing
 * points beyond it. But what is numbered can be asked for by its name: the record behind the last that is listed, of the audit (whoever starts a recovery writes one before
 * it reads anything) and of the lists of bases (one with each base, and with each verification where the newest is half a day old).
 *
 * @returns the key of what is there and not listed; undefined: none. What was stored since the last such record, log above all, can be missing unnoticed.
 */
export async function findUnlistedRecord(store: Store, of: { system: string; source: string }, options: ReadOptions = {}): Promise<string | undefined> {
  return (await findUnlisted(store, auditChain(of.system), options)) ?? (await findUnlisted(store, baseListChain(of), options));
}
