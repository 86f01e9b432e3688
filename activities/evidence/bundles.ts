import type { EvidenceProblem } from '../../workflows/domain/evidence.ts';
import type { JournalOf } from '../../workflows/domain/journal.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { evidenceSchema, type Evidence } from '../../workflows/domain/act-records.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import type { AuditRoom } from '../audit/record-act.ts';
import { findSigned, type Found } from '../store/signed-object.ts';

/** What stands in the audit for a bundle that was written. */
export const evidenceAct = 'evidence';

/** How the audit names a bundle. */
export const nameOf = ({ key, sha256 }: Pick<ObjectRef, 'key' | 'sha256'>): string => `${key} with SHA-256 ${sha256}`;

/** What a bundle names: not the bundles, and not what is encrypted, which its own report names. */
export function isFile(of: { system: string } & JournalOf, key: string): boolean {
  return !key.startsWith(layout.evidenceBundles(of.system, of)) && !key.startsWith(`${layout.recordOf(of.system, of)}diverged/`);
}

/** Those that are believed, the oldest first. */
export async function readBundles({ store, keys, signal }: AuditRoom, system: string, of: JournalOf, problems: EvidenceProblem[] = []): Promise<Found<Evidence>[]> {
  const options = signal ? { signal } : {};
  const bundles: Found<Evidence>[] = [];
  const versions = new Map<string, { live: number; hidden: number }>();
  for await (const { key, isDeleteMarker } of store.list(layout.evidenceBundles(system, of), options)) {
    const seen = versions.get(key) ?? { live: 0, hidden: 0 };
    seen[isDeleteMarker ? 'hidden' : 'live'] += 1;
    versions.set(key, seen);
  }
  for (const [key, { live, hidden }] of versions) {
    const { found, rejected } = await findSigned(store, keys, evidenceSchema, key, options);
    for (const { why } of rejected) problems.push({ object: key, problem: why });
    if (hidden > 0) problems.push({ object: key, problem: 'a delete marker was laid over it' });
    if (live > 1) problems.push({ object: key, problem: `written over: there are ${live} versions, the oldest is believed` });
    if (found) bundles.push(found);
  }
  return bundles;
}
