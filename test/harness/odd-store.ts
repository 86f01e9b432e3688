import type { Store } from '../../activities/store/store.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { altered } from './altered-store.ts';

/**
 * A store whose user is killed: of many tries, each with one more in `kills`, each gets one act further than the one before; with every second the act is done, and its answer lost.
 * A put that finds its key taken is no act.
 */
export function dyingStore(whole: Store, kills: number, acts: readonly ('put' | 'deleteVersion')[] = ['put', 'deleteVersion']): { store: Store; killed: HoldfastError } {
  const killed = new HoldfastError('StoreUnavailable', 'killed');
  let done = 0;
  const dying = async <R>(act: () => Promise<R>): Promise<R> => {
    done += 1;
    if (done === 2 || kills % 2 === 0) throw killed;
    await act();
    throw killed;
  };
  const isThere = async (key: string): Promise<boolean> => {
    for await (const version of whole.list(key)) return version.key === key;
    return false;
  };
  const store = altered(whole, {
    ...(acts.includes('deleteVersion') ? { deleteVersion: async (version) => await dying(async () => await whole.deleteVersion(version)) } : {}),
    ...(acts.includes('put') ? { put: async (key, body, options) => (options?.ifAbsent && (await isThere(key)) ? await whole.put(key, body, options) : await dying(async () => await whole.put(key, body, options))) } : {}),
  });
  return { store, killed };
}

/** A store on which somebody else does something right before the `at`th call. `met`: whether there were so many. */
export function interruptedStore(whole: Store, at: number, meanwhile: () => Promise<unknown>): { store: Store; met(): boolean } {
  let calls = 0;
  const look = async (): Promise<void> => {
    calls += 1;
    if (calls === at) await meanwhile();
  };
  const between = <A extends unknown[], R>(act: (...given: A) => Promise<R>) => async (...given: A): Promise<R> => {
    await look();
    return await act.apply(whole, given);
  };
  const store = altered(whole, {
    put: between(whole.put), get: between(whole.get), getVersion: between(whole.getVersion), extendLock: between(whole.extendLock), lockedUntil: between(whole.lockedUntil), deleteVersion: between(whole.deleteVersion),
    list: async function* (...given) {
      await look();
      yield* whole.list(...given);
    },
  });
  return { store, met: () => calls >= at };
}
