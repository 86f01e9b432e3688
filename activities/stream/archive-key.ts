import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, type TimelineScope } from '../../workflows/domain/layout.ts';
import { hours, minutes } from '../../workflows/domain/units.ts';
import type { Store } from '../store/store.ts';
import { readKeyObjects } from './backup-key.ts';
import { archiveKeyContext } from './contexts.ts';
import type { DataKey, Keys } from './keys.ts';
import { makeKey } from './make-key.ts';

const scopeName = (of: TimelineScope): string => `${of.system}/${of.source}/${of.timeline}`;

/**
 * The keys that slices are sealed under: a new one each hour, so that a wrapper far away (KMS) is called once an hour
 * and not once a slice. One instance a process; safe to use from many jobs at once.
 */
export class ArchiveKeys {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #nowMs: () => number;
  readonly #writing = new Map<string, { key: Promise<DataKey>; untilMs: number }>();
  readonly #reading = new Map<string, Promise<DataKey>>();

  constructor(store: Store, keys: Keys, nowMs: () => number = () => performance.now()) {
    this.#store = store;
    this.#keys = keys;
    this.#nowMs = nowMs;
  }

  /**
   * The key for the next slice. Its key objects lie in the store before it is handed out: no slice without its key.
   * While no new one can be made (a recipient that is far away does not answer, or a rotation retires one that this worker's file still names) the last one serves on: log that waits would be lost with its source.
   */
  forWriting(scope: TimelineScope): Promise<DataKey> {
    const name = scopeName(scope);
    const last = this.#writing.get(name);
    if (last && this.#nowMs() < last.untilMs) return last.key;
    const next = { key: this.#make(scope), untilMs: this.#nowMs() + hours(1) };
    next.key = next.key.catch(async (error: unknown) => {
      if (last && error instanceof HoldfastError && error.retryable) {
        next.untilMs = this.#nowMs() + minutes(1);
        return await last.key;
      }
      // A failed one must not be remembered for an hour.
      this.#writing.delete(name);
      throw error;
    });
    this.#writing.set(name, next);
    return next.key;
  }

  /**
   * The key that a slice names (`keyIdOf`).
   * @throws ObjectMissing - no object of that key; WrongKey - none that we can open.
   */
  forReading(scope: TimelineScope, keyId: string): Promise<DataKey> {
    const name = `${scopeName(scope)}/${keyId}`;
    const known = this.#reading.get(name);
    if (known) return known;
    const key = this.#find(scope, keyId);
    this.#reading.set(name, key);
    key.catch(() => this.#reading.delete(name));
    return key;
  }

  async #make(scope: TimelineScope): Promise<DataKey> {
    const { key } = await makeKey(this.#store, this.#keys, scope.system, archiveKeyContext(scope), ({ id }, recipient) => layout.archiveKey(scope, id, recipient));
    this.#reading.set(`${scopeName(scope)}/${key.id}`, Promise.resolve(key));
    return key;
  }

  async #find(scope: TimelineScope, keyId: string): Promise<DataKey> {
    const prefix = `${layout.archiveKeys(scope)}${keyId}.`;
    const objects = await readKeyObjects(this.#store, prefix);
    if (objects.length === 0) {
      throw new HoldfastError('ObjectMissing', `${prefix}*: the key that slices were sealed under is not in the store`);
    }
    return this.#keys.open(objects, archiveKeyContext(scope), keyId);
  }
}
