import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { Manifest } from '../../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../../context.ts';
import { openBackupKey } from '../../../stream/backup-key.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';
import { readGroupIndex } from '../read-base.ts';
import { getPart, type PartStore } from '../stored-parts.ts';

/**
 * Every document of the named units of a base, raw, part by part, as the store holds them: the target is not asked.
 * Memory: one part, or one document that lies over several.
 * @param units - UUIDs; parts of others are not even downloaded.
 */
export async function* baseDocuments(context: SourceContext, manifest: Manifest, units: ReadonlySet<string>): AsyncGenerator<{ unit: string; documents: Iterable<Buffer>; bytes: number }> {
  if (units.size === 0) return;
  const scope = { system: manifest.system, source: manifest.source, timeline: manifest.timeline, backup: manifest.backup };
  const key = await openBackupKey(context.store, context.keys, scope, manifest.key);
  const from: PartStore = { store: context.store, key, scope, signal: context.signal };
  for (const { group, index } of manifest.groups) {
    const { parts } = await readGroupIndex(context, manifest.backup, { group, index });
    let pieces: Buffer[] = [];
    for (const part of parts) {
      if (!units.has(part.unit)) continue;
      pieces.push(await getPart(from, part));
      context.signal.throwIfAborted();
      if (part.continues) continue;
      const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      pieces = [];
      yield { unit: part.unit, documents: splitDocuments(bytes), bytes: bytes.length };
    }
    if (pieces.length > 0) throw new HoldfastError('Tampered', `${index.key}: its last part says that it goes on`);
  }
}
