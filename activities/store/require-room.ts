import { resolve } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { SourceContext } from '../context.ts';
import { bytesUnder } from './local-tree.ts';
import { makeRoom } from './quota.ts';
import { rebuildCatalog } from './read-catalog.ts';

/**
 * Refuses a base for which a store with a quota has no room, before a byte of it is read: by what it is going to read, and where that alone would be too much by how much the newest base was compressed.
 * What is estimated is not known: while it is written each part is held against the quota again.
 *
 * @throws StoreFull
 */
export async function requireRoom(context: SourceContext, estimatedBytes: number): Promise<void> {
  const config = context.system.stores[0];
  if (config?.kind !== 'local' || config.quota === undefined) return;
  const used = await bytesUnder(resolve(context.address(config.path)), context.signal);
  if (used + estimatedBytes <= config.quota) return;
  const of = { system: context.system.system, source: context.sourceName };
  const newest = (await rebuildCatalog(context, of)).bases.sort((a, b) => (a.end < b.end ? -1 : 1)).at(-1);
  const share = newest && newest.plainBytes > 0 ? newest.storedBytes / newest.plainBytes : 1;
  const needed = Math.round(estimatedBytes * share);
  if (used + needed <= config.quota) return;
  throw new HoldfastError('StoreFull', `store ${config.name}: a base of ${context.sourceName} needs about ${formatBytes(needed)}, and ${formatBytes(Math.max(0, config.quota - used))} of its quota of ${formatBytes(config.quota)} are free`, { hint: makeRoom });
}
