import { HoldfastError } from '../../workflows/domain/errors.ts';
import { isData, isPart } from '../../workflows/domain/layout.ts';
import { formatBytes } from '../../workflows/domain/units.ts';
import { bytesUnder } from './local-tree.ts';

export const makeRoom = 'let retention take what may go (holdfast retention … --apply), or raise quota in the system file';
export const makeDiskRoom = 'make room on that disk, or let retention take what may go (holdfast retention … --apply)';

/** What is counted is what all processes have put: so often, and again before anything is refused; of a tree that is long to count less often, so that counting takes a twentieth of the time at most. */
const recountAfterMs = 15_000;
const recountAtMostEveryMs = 1_000;
const shareOfTime = 20;

/** Keeps data out of a directory that is full, so that what is small, and what makes room again, can still be put. Parts that several processes write at once may pass it by what is on its way between two counts. */
export class Quota {
  readonly #name: string;
  readonly #path: string;
  readonly #bytes: number;
  #counted = { bytes: 0, atMs: -Infinity, tookMs: 0 };
  #putSince = 0;
  #counting: Promise<void> | undefined;

  constructor(name: string, path: string, bytes: number) {
    this.#name = name;
    this.#path = path;
    this.#bytes = bytes;
  }

  /** @throws StoreFull - of a part of a base: another try would not help. StoreUnavailable - of log, which waits for room. */
  async require(key: string, bytes: number): Promise<void> {
    if (!isData(key)) return;
    const { atMs, tookMs } = this.#counted;
    const sinceMs = performance.now() - atMs;
    const fits = (): boolean => this.#counted.bytes + this.#putSince + bytes <= this.#bytes;
    if (sinceMs > Math.max(recountAfterMs, shareOfTime * tookMs) || (!fits() && sinceMs > Math.max(recountAtMostEveryMs, tookMs))) await (this.#counting ??= this.#count());
    if (!fits()) {
      const what = `store ${this.#name} is full: ${formatBytes(this.#counted.bytes + this.#putSince)} of its quota of ${formatBytes(this.#bytes)}, and ${key} has ${formatBytes(bytes)}`;
      throw new HoldfastError(isPart(key) ? 'StoreFull' : 'StoreUnavailable', what, { hint: makeRoom });
    }
    this.#putSince += bytes;
  }

  async #count(): Promise<void> {
    const [beganMs, before] = [performance.now(), this.#putSince];
    try {
      const bytes = await bytesUnder(this.#path);
      // What is put while it counts may be counted twice; what was on its way when it began, not at all.
      this.#putSince -= before;
      this.#counted = { bytes, atMs: performance.now(), tookMs: performance.now() - beganMs };
    } finally {
      this.#counting = undefined;
    }
  }
}
