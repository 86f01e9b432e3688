import { HoldfastError, type ErrorType } from '../../workflows/domain/errors.ts';
import { describeExposed } from './local-tree.ts';
import type { Store } from './store.ts';

/** How much is read whole. */
export interface ReadLimits {
  /** objects read side by side: each lies in memory stored (16 MiB) and opened */
  atOnce: number;
  /** from then on nothing more is read, and what is left is looked at by listing alone; milliseconds of `performance.now()`, or Infinity */
  untilMs: number;
}

/** What a verification has read so far, and what was found wrong. `type` left out: Tampered. */
export interface Findings {
  objects: number;
  bytes: number;
  parts: number;
  slices: number;
  entries: number;
  problems: { key: string; problem: string; type?: ErrorType }[];
}

/**
 * Reads one object, or gives the fault that no further try can mend.
 *
 * A bit that rots below S3 comes back as a server error for that object, for ever, and looks like an outage. So when one
 * object is refused, `probe` reads another: if that is given and the first is refused again, the object is damaged.
 *
 * @param probe - left out: there is no other, and a refusal stays an outage.
 * @throws StoreUnavailable - the store gives the other one neither.
 */
export async function readOrFault<T>(read: () => Promise<T>, probe?: () => Promise<unknown>): Promise<{ value: T } | { fault: HoldfastError }> {
  try {
    return { value: await read().catch(async (error: unknown) => {
      if (!probe || !isUnavailable(error)) throw error;
      await probe();
      return await read();
    }) };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (!error.retryable) return { fault: error };
    if (!probe || !isUnavailable(error)) throw error;
    await probe();
    return { fault: new HoldfastError('Tampered', `the store answers, but does not give this object: ${error.message}`, { cause: error }) };
  }
}

/** As `readOrFault`, with the fault noted under the object's key. Undefined: it was noted. */
export async function readOrNote<T>(found: Findings, key: string, probe: () => Promise<unknown>, read: () => Promise<T>): Promise<T | undefined> {
  const outcome = await readOrFault(read, probe);
  if ('value' in outcome) return outcome.value;
  const { type, message } = outcome.fault;
  found.problems.push({ key, problem: message, type });
  return undefined;
}

const isUnavailable = (error: unknown): boolean => error instanceof HoldfastError && error.type === 'StoreUnavailable';

const exposedTold = 20;

/** Notes what of a directory store others than its owner may read or change: it is whole all the same. */
export async function noteExposed({ store, signal }: { store: Store; signal: AbortSignal }, found: Findings): Promise<void> {
  const exposed = (await store.exposed?.({ signal })) ?? [];
  for (const one of exposed.slice(0, exposedTold)) found.problems.push({ key: one.path, problem: describeExposed(one), type: 'NotPermitted' });
  if (exposed.length > exposedTold) found.problems.push({ key: store.name, problem: `${exposed.length - exposedTold} more are open to others than their owner`, type: 'NotPermitted' });
}

/** The items of a list until the time is over. */
export async function* untilTime<T>(items: AsyncIterable<T> | Iterable<T>, untilMs: number): AsyncGenerator<T> {
  for await (const item of items) {
    if (performance.now() >= untilMs) return;
    yield item;
  }
}
