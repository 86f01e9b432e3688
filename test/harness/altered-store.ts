import type { Store } from '../../activities/store/store.ts';

/** The store, with another way to do some of it. */
export const altered = (store: Store, changes: Partial<Store>): Store => new Proxy(store, {
  get: (_, name: keyof Store) => {
    const real: unknown = changes[name] ?? store[name];
    return typeof real === 'function' && !changes[name] ? (real as (...given: unknown[]) => unknown).bind(store) : real;
  },
});
