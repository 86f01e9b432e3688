/**
 * Runs work behind its caller's back, a bounded number at once, so that memory stays bounded too.
 * The first failure is thrown by whichever of `add` and `settle` comes next, and stops what is not yet begun.
 */
export class InFlight {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Waits for a free place, then starts `work` and returns without waiting for it. */
  async add(work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit && !this.#failure) await Promise.race(this.#running);
    this.#throwFailure();
    const running: Promise<void> = work()
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#running.delete(running));
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
