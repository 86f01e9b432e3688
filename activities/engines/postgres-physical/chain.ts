import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { GroupIndex, Manifest } from '../../../workflows/domain/manifest.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { openBackupKey } from '../../stream/backup-key.ts';
import { readGroupIndex, readManifest, requireEngine } from '../base/read-base.ts';
import type { PartStore } from '../base/stored-parts.ts';
import { detailSchema, type ClusterDetail } from './plan.ts';

/** One base of those that are restored together, and where its parts are. */
export interface Link {
  manifest: Manifest;
  parts: PartStore;
  index: GroupIndex;
}

/** A base with all that it adds to, the full one first, each opened: signature, key, index. @throws Tampered, WrongKey, ObjectMissing - each names the object; nothing was touched. */
export async function openChain(context: SourceContext, point: RecoveryPoint): Promise<Link[]> {
  const own = await readManifest(context, point);
  const parents = await Promise.all((own.parents ?? []).map(async (parent) => await readManifest(context, { ...point, base: { ...parent, timeline: own.timeline } })));
  const links: Link[] = [];
  for (const manifest of [...parents, own]) {
    const { system } = clusterOf(manifest);
    if (system !== clusterOf(own).system) throw new HoldfastError('Tampered', `backup ${own.backup} adds to ${manifest.backup}, which is of another server`);
    const key = await openBackupKey(context.store, context.keys, manifest, manifest.key);
    const index = await readGroupIndex(context, manifest.backup, manifest.groups[0]!);
    links.push({ manifest, index, parts: { store: context.store, key, scope: manifest, signal: context.signal } });
  }
  return links;
}

export const bytesOf = ({ index }: Link): number => index.parts.reduce((sum, part) => sum + part.plainBytes, 0);

/** What the base's manifest says of the cluster. */
export function clusterOf(manifest: Manifest): ClusterDetail {
  requireEngine(manifest, 'postgres-physical');
  const detail = detailSchema.safeParse(manifest.units[0]?.detail);
  if (detail.success) return detail.data;
  throw new HoldfastError('Tampered', `backup ${manifest.backup}: its manifest does not say what its base needs`);
}
