import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import type { Manifest, Part } from '../../../../workflows/domain/manifest.ts';
import type { SourceContext } from '../../../context.ts';
import { openBackupKey } from '../../../stream/backup-key.ts';
import { splitDocuments } from '../oplog/raw-elements.ts';
import { readGroupIndex } from '../../base/read-base.ts';
import { getPart, type PartStore } from '../../base/stored-parts.ts';

/**
 * Every document of the named units of a base, raw, part by part, as the store holds them: the target is not asked.
 * Memory: three parts, or one document that lies over several.
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
    for await (const { part, plain } of openParts(from, parts.filter(({ unit }) => units.has(unit)))) {
      pieces.push(plain);
      context.signal.throwIfAborted();
      if (part.continues) continue;
      const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
      pieces = [];
      yield { unit: part.unit, documents: splitDocuments(bytes), bytes: bytes.length };
    }
    if (pieces.length > 0) throw new HoldfastError('Tampered', `${index.key}: its last part says that it goes on`);
  }
}

/** Fetched and opened while the reader is busy with an earlier one. */
const partsAhead = 2;

async function* openParts(from: PartStore, parts: readonly Part[]): AsyncGenerator<{ part: Part; plain: Buffer }> {
  const ahead: Promise<Buffer>[] = [];
  let next = 0;
  try {
    for (const part of parts) {
      for (; next < parts.length && ahead.length < partsAhead; next += 1) {
        const opened = getPart(from, parts[next]!);
        // Whoever takes it sees its error; until then it must not count as unhandled.
        opened.catch(() => undefined);
        ahead.push(opened);
      }
      yield { part, plain: await ahead.shift()! };
    }
  } finally {
    await Promise.allSettled(ahead);
  }
}
