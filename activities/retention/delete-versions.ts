import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Expired } from '../../workflows/domain/retention/describe-retention.ts';
import type { SourceContext } from '../context.ts';
import { inParallel } from '../store/in-parallel.ts';
import type { ObjectVersion } from '../store/store.ts';

/** How many deletions go on side by side: each is a small request. */
const atOnce = 8;
const leftListed = 100;

/** Deletes versions for ever, counts them, and names what the store refuses: a lock is for the next run. */
export class Deleter {
  readonly #context: SourceContext;
  readonly done: Expired;
  readonly #asksLocks: boolean;
  /** the last end of a lock that kept something, by the store; null: it told of none */
  lockedUntil: string | null = null;

  /** @param asksLocks - until when the store keeps what it refuses: another request for each. */
  constructor(context: SourceContext, { asksLocks = false } = {}) {
    this.#context = context;
    this.#asksLocks = asksLocks;
    this.done = { system: context.system.system, source: context.sourceName, bases: 0, slices: 0, unfinished: 0, objects: 0, bytes: 0, left: [], leftCount: 0 };
  }

  leave(what: string, why: string): void {
    this.done.leftCount += 1;
    if (this.done.left.length < leftListed) this.done.left.push({ what, why });
  }

  /** @returns whether it is gone. */
  async delete(version: ObjectVersion): Promise<boolean> {
    const { store, signal, progress } = this.#context;
    signal.throwIfAborted();
    try {
      await store.deleteVersion(version);
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.type !== 'NotPermitted') throw error;
      const until = this.#asksLocks ? await store.lockedUntil(version, { signal }) : null;
      if (until !== null && (this.lockedUntil === null || until > this.lockedUntil)) this.lockedUntil = until;
      this.leave(version.key, until === null ? error.message : `locked until ${until}`);
      return false;
    }
    this.done.objects += 1;
    this.done.bytes += version.bytes;
    progress({ phase: 'delete', done: this.done.objects, of: 0, unit: 'objects' });
    return true;
  }

  /** Every version below a prefix, delete markers too. @returns whether nothing is left of it. */
  async deleteBelow(prefix: string): Promise<boolean> {
    const { store, signal } = this.#context;
    let whole = true;
    await inParallel(store.list(prefix, { signal }), atOnce, async (version) => {
      if (!(await this.delete(version))) whole = false;
    }, signal);
    return whole;
  }

  /** Every version of one key, the newest first, so that what is believed, the oldest, is there until the end. @returns whether all are gone. */
  async deleteKey(key: string): Promise<boolean> {
    const { store, signal } = this.#context;
    const versions: ObjectVersion[] = [];
    for await (const version of store.list(key, { signal })) {
      if (version.key !== key) break;
      versions.push(version);
    }
    for (const version of versions.reverse()) if (!(await this.delete(version))) return false;
    return true;
  }

  /** Of a stream of versions in the order of their keys, all; `atOnce` side by side. */
  async deleteAll(versions: AsyncIterable<ObjectVersion>): Promise<void> {
    await inParallel(versions, atOnce, async (version) => void (await this.delete(version)), this.#context.signal);
  }
}
