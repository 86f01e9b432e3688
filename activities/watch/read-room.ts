import { statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Room } from '../../workflows/domain/capacity.ts';
import type { StoreConfig } from '../../workflows/domain/system.ts';
import { resolveAddress } from '../secrets.ts';
import { bytesUnder } from '../store/local-tree.ts';
import type { Store } from '../store/store.ts';

/** So much of the time may go into counting what a store holds. */
const share = 0.05;
const atMostEveryMs = 10 * 60_000;

/** What of a system lies in its store, every version counted, and when that was found out. */
export interface Counted {
  bytes: number;
  /** of `performance.now()`: from then on it is counted anew */
  nextMs: number;
}

/**
 * How full a store is. Of a directory its file system says so, whoever fills it; of a bucket the listing of the system's own objects, against the `budget` of
 * the system file; of a directory with a `quota`, by that. A listing is long where there is much, so it is made again once ten minutes, and twenty times what it took, are over.
 */
export async function readRoom(store: Store, config: StoreConfig, system: string, { before, signal }: { before?: Counted | undefined; signal?: AbortSignal | undefined } = {}): Promise<{ room: Room; counted: Counted }> {
  const counted = before && before.nextMs > performance.now() ? before : await count(store, system, signal);
  const { budget } = config;
  if (budget !== undefined) return { room: { usedBytes: counted.bytes, limit: { kind: 'budget', bytes: budget } }, counted };
  if (config.kind === 'local' && config.quota !== undefined) return { room: { usedBytes: await bytesUnder(resolve(resolveAddress(config.path)), signal), limit: { kind: 'quota', bytes: config.quota } }, counted };
  if (config.kind !== 'local') return { room: { usedBytes: counted.bytes, limit: null }, counted };
  const { bsize, blocks, bavail } = await statfs(resolve(resolveAddress(config.path)));
  // What is kept for root is nobody's room: a disk is full for us when none is available.
  return { room: { usedBytes: (blocks - bavail) * bsize, limit: { kind: 'disk', bytes: blocks * bsize } }, counted };
}

async function count(store: Store, system: string, signal: AbortSignal | undefined): Promise<Counted> {
  const startedMs = performance.now();
  let bytes = 0;
  for await (const version of store.list(`${system}/`, { signal })) bytes += version.bytes;
  const nowMs = performance.now();
  return { bytes, nextMs: nowMs + Math.max(atMostEveryMs, (nowMs - startedMs) / share) };
}
