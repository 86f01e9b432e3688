import { resolve } from 'node:path';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { StoreConfig } from '../../workflows/domain/system.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import type { SourceContext } from '../context.ts';
import { freeBytes } from '../tool/free-bytes.ts';
import { bytesUnder } from './local-tree.ts';
import { makeDiskRoom, makeRoom } from './quota.ts';
import { rebuildCatalog } from './read-catalog.ts';

/**
 * Refuses a base for which a directory has no room, by its `quota` and by its disk, before a byte of it is read: by what it is going to read, and where that alone would be too much by how much the newest base was compressed.
 * What is estimated is not known: while it is written each part is held against the quota again, and the disk says itself when it is full. How much room a bucket has nobody can ask.
 *
 * @throws StoreFull
 */
export async function requireRoom(context: SourceContext, estimatedBytes: number): Promise<void> {
  const config = context.system.stores[0];
  if (config?.kind !== 'local') return;
  const tight = (await roomsOf(config, resolve(context.address(config.path)), context.signal)).filter((room) => estimatedBytes > room.freeBytes);
  if (tight.length === 0) return;
  const of = { system: context.system.system, source: context.sourceName };
  const newest = (await rebuildCatalog(context, of)).bases.sort((a, b) => (a.end < b.end ? -1 : 1)).at(-1);
  const share = newest && newest.plainBytes > 0 ? newest.storedBytes / newest.plainBytes : undefined;
  for (const room of tight) {
    // A quota can be raised; of a disk nobody can say that a first base, which is compressed, would not fit on it.
    if (share === undefined && room.isDisk) continue;
    const needed = Math.round(estimatedBytes * (share ?? 1));
    if (needed > room.freeBytes) throw new HoldfastError('StoreFull', `store ${config.name}: a base of ${context.sourceName} needs about ${formatBytes(needed)}, and ${formatBytes(Math.max(0, room.freeBytes))} of ${room.of} are free`, { hint: room.hint });
  }
}

interface RoomLeft {
  isDisk: boolean;
  freeBytes: number;
  of: string;
  hint: string;
}

async function roomsOf({ quota }: Extract<StoreConfig, { kind: 'local' }>, path: string, signal: AbortSignal): Promise<RoomLeft[]> {
  const disk = { isDisk: true, freeBytes: await freeBytes(path), of: 'its disk', hint: makeDiskRoom };
  return quota === undefined ? [disk] : [{ isDisk: false, freeBytes: quota - (await bytesUnder(path, signal)), of: `its quota of ${formatBytes(quota)}`, hint: makeRoom }, disk];
}
