import { randomBytes } from 'node:crypto';
import { ulid } from 'ulid';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import { kib, seconds } from '../../../workflows/domain/units.ts';
import type { StoreProbe } from '../../../workflows/domain/store-setup.ts';
import type { Store } from '../store.ts';
import type { StoreSetup } from './store-setup.ts';

/** No source can be called so: what lies here is nobody's backup. It is where the system's backups are, since rights go by that. */
const probeFolder = (system: string): string => `${system}/_probe/`;
/** What a probe leaves that was locked goes with the next one. */
const lockForMs = seconds(20);

/**
 * Tries what Holdfast relies on, in objects of its own under `<system>/_probe/`, which it deletes again as far as it may; a locked one stays until its lock is over, 20 s later.
 * @param locks - the system file asks for locks. @throws StoreUnavailable, NotPermitted - not even a put is let.
 */
export async function probeStore({ store, setup }: { store: Store; setup: StoreSetup }, { system, locks, governance }: { system: string; locks: boolean; governance: boolean }): Promise<StoreProbe> {
  const run = ulid();
  const folder = probeFolder(system);
  const skewMs = (await store.now()).getTime() - Date.now();
  await sweep(store, folder);
  const free = new Date(0);
  const body = randomBytes(kib(64));
  const startedMs = performance.now();
  const first = await store.put(`${folder}${run}/first`, body, { ifAbsent: true, lockUntil: free });
  const putMs = performance.now() - startedMs;
  const readMs = performance.now();
  await store.get(first);
  const getMs = performance.now() - readMs;
  const ifAbsentHolds = await isRefused('AlreadyExists', store.put(first.key, randomBytes(16), { ifAbsent: true, lockUntil: free }));
  const checksumHolds = setup.refusesWrongChecksum ? await setup.refusesWrongChecksum(`${folder}${run}/checksum`) : null;
  let lockHolds: boolean | null = null;
  let mayBypass: boolean | null = null;
  if (locks) {
    const until = new Date(Date.now() + skewMs + lockForMs);
    const locked = await store.put(`${folder}${run}/locked`, body, { lockUntil: until });
    lockHolds = await isRefused('NotPermitted', store.deleteVersion(locked)) && await isThere(store, locked);
    if (lockHolds && governance && setup.bypassesLock) mayBypass = await setup.bypassesLock(locked);
  }
  const mayDelete = !(await isRefused('NotPermitted', store.deleteVersion(first)));
  await sweep(store, folder);
  return { ifAbsentHolds, lockHolds, checksumHolds, mayDelete, mayBypass, skewMs, putMs, getMs };
}

const isThere = async (store: Store, ref: Parameters<Store['get']>[0]): Promise<boolean> => await store.get(ref).then(() => true, (error: unknown) => {
  if (error instanceof HoldfastError && error.type === 'ObjectMissing') return false;
  throw error;
});

async function isRefused(type: HoldfastError['type'], work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return false;
  } catch (error) {
    if (error instanceof HoldfastError && error.type === type) return true;
    throw error;
  }
}

/** What earlier probes left. What is locked, or not ours to delete, stays. */
async function sweep(store: Store, folder: string): Promise<void> {
  for await (const version of store.list(folder)) {
    await store.deleteVersion(version).catch((error: unknown) => {
      if (!(error instanceof HoldfastError) || error.type !== 'NotPermitted') throw error;
    });
  }
}
