import type { EngineKind } from '../../../workflows/domain/engines.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { groupIndexSchema, manifestSchema, type GroupIndex, type Manifest } from '../../../workflows/domain/manifest.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { CatalogBase, RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { readSigned } from '../../store/signed-object.ts';

/** The signed manifest of a recovery point's base, at its exact version. @throws Tampered - it is of another base. */
export async function readManifest(context: SourceContext, point: Pick<RecoveryPoint, 'system' | 'source'> & { base: Pick<CatalogBase, 'timeline' | 'backup' | 'manifest'> }): Promise<Manifest> {
  const { base } = point;
  const manifest = await readSigned(context.store, context.keys, manifestSchema, base.manifest, { signal: context.signal });
  const same = manifest.system === point.system && manifest.source === point.source
    && manifest.timeline === base.timeline && manifest.backup === base.backup;
  if (same) return manifest;
  throw new HoldfastError('Tampered', `${base.manifest.key}: is the manifest of ${manifest.system}/${manifest.source}/${manifest.timeline}/${manifest.backup}`);
}

/** What one engine wrote no other can restore. @throws Unsupported - names both, and the way out. */
export function requireEngine(manifest: Manifest, engine: EngineKind): void {
  if (manifest.engine === engine) return;
  throw new HoldfastError('Unsupported', `backup ${manifest.backup} was made by the engine "${manifest.engine}", and source ${manifest.source} has the engine "${engine}"`, {
    hint: `set sources.${manifest.source}.engine to ${manifest.engine}, or name a point that the engine "${engine}" wrote`,
  });
}

/** A group's index at its exact version: the digest in the reference is what makes it believed. */
export async function readGroupIndex(context: SourceContext, backup: string, ref: { group: string; index: ObjectRef }): Promise<GroupIndex> {
  const bytes = await context.store.get(ref.index, { signal: context.signal });
  const parsed = groupIndexSchema.safeParse(JSON.parse(bytes.toString('utf8')));
  if (!parsed.success) throw new HoldfastError('Tampered', `${ref.index.key}: not a group's index: ${parsed.error.issues[0]?.message}`, { cause: parsed.error });
  if (parsed.data.backup !== backup || parsed.data.group !== ref.group) {
    throw new HoldfastError('Tampered', `${ref.index.key}: is the index of ${parsed.data.backup}/${parsed.data.group}, not of ${backup}/${ref.group}`);
  }
  return parsed.data;
}
