import { kib } from '../../../workflows/domain/units.ts';

/**
 * Runs work behind its caller's back, a bounded amount at once, so that memory stays bounded too: small pieces count as less, since of thousands of
 * them each would otherwise wait for the answer to the one before.
 * The first failure is thrown by whichever of `add` and `settle` comes next, and stops what is not yet begun.
 */
export class InFlight {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #taken = 0;
  #failure: { error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for room, then starts `work` and returns without waiting for it. @param share - of one place that it takes, at most 1. */
  async add(work: () => Promise<void>, share = 1): Promise<void> {
    while (this.#taken + share > this.#limit && this.#running.size > 0 && !this.#failure) await Promise.race(this.#running);
    this.#throwFailure();
    this.#taken += share;
    const running: Promise<void> = work()
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => {
        this.#running.delete(running);
        this.#taken -= share;
      });
    this.#running.add(running);
  }

  /** Waits until nothing runs any more. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
    this.#throwFailure();
  }

  /** As `settle`, for cleaning up behind another error: never throws. */
  async abandon(): Promise<void> {
    this.#failure ??= { error: new Error('abandoned') };
    await Promise.all(this.#running);
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

const tinyBytes = kib(256);
/** Of fewer pieces each counts whole: what a kill makes be done again is then as many as there are places. */
const fewPieces = 20;

/** What one of `pieces` pieces takes of a place: of many tiny ones a quarter. */
export const shareOfPlace = (bytes: number, pieces: number): number => (pieces > fewPieces && bytes <= tinyBytes ? 0.25 : 1);
