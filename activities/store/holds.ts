import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout } from '../../workflows/domain/layout.ts';
import { holdSchema, type Hold } from '../../workflows/domain/source-records.ts';
import type { RecoveryPoint } from '../../workflows/domain/recovery-point.ts';
import type { Keys } from '../stream/keys.ts';
import { putSigned, readSigned } from './signed-object.ts';
import type { ReadOptions, Store } from './store.ts';

/**
 * Says that a run reads a recovery point, so that expiry keeps it. Not locked: it is deleted when the run is over.
 * Safe to repeat: another version of the same hold holds the same.
 */
export async function writeHold(store: Store, keys: Keys, run: string, point: RecoveryPoint, why: string, options: ReadOptions = {}): Promise<void> {
  const hold: Hold = {
    format: 1,
    kind: 'hold',
    system: point.system,
    run,
    heldAt: new Date().toISOString(),
    why,
    source: point.source,
    timeline: point.timeline,
    backup: point.base.backup,
    from: point.log.from,
    limit: point.limit,
  };
  await putSigned(store, keys, layout.hold(point.system, run), hold, { lockUntil: new Date(0), ...options });
}

/**
 * Every hold that stands. All versions count: a run of several sources, or one that chose twice, holds all of them.
 * A version that is not validly signed holds nothing: it was not written by us.
 */
export async function listHolds(store: Store, keys: Keys, system: string, options: ReadOptions = {}): Promise<Hold[]> {
  const holds: Hold[] = [];
  for await (const version of store.list(layout.holds(system), options)) {
    if (version.isDeleteMarker) continue;
    try {
      holds.push(await readSigned(store, keys, holdSchema, version, options));
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.retryable || error.type === 'NewerFormat') throw error;
    }
  }
  return holds;
}

/**
 * Deletes a run's holds. Safe to repeat.
 * @returns false when one still stands because the bucket itself locks all that is put (a default retention): it can be
 *   released when that lock is over.
 */
export async function releaseHold(store: Store, of: { system: string; run: string }, options: ReadOptions = {}): Promise<boolean> {
  const key = layout.hold(of.system, of.run);
  let released = true;
  for await (const version of store.list(key, options)) {
    if (version.key !== key) break;
    try {
      await store.deleteVersion(version);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'NotPermitted') throw error;
      released = false;
    }
  }
  return released;
}
