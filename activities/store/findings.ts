import { HoldfastError } from '../../workflows/domain/errors.ts';

/** What a verification has read so far, and what was found wrong. */
export interface Findings {
  objects: number;
  bytes: number;
  parts: number;
  slices: number;
  entries: number;
  problems: { key: string; problem: string }[];
}

/**
 * Reads one object, and notes under its key what no further try can mend. Undefined: it was noted.
 *
 * A bit that rots below S3 comes back as a server error for that object, for ever, and looks like an outage. So when one
 * object is refused, `probe` reads another: if that is given and the first is refused again, the object is damaged.
 *
 * @throws StoreUnavailable - the store gives the other one neither.
 */
export async function readOrNote<T>(found: Findings, key: string, probe: () => Promise<unknown>, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read().catch(async (error: unknown) => {
      if (!isUnavailable(error)) throw error;
      await probe();
      return await read();
    });
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (error.retryable) {
      if (!isUnavailable(error)) throw error;
      await probe();
      found.problems.push({ key, problem: `the store answers, but does not give this object: ${error.message}` });
      return undefined;
    }
    found.problems.push({ key, problem: error.message });
    return undefined;
  }
}

const isUnavailable = (error: unknown): boolean => error instanceof HoldfastError && error.type === 'StoreUnavailable';
