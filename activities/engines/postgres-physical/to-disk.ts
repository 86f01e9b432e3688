import { closeSync, fsync } from 'node:fs';
import { promisify } from 'node:util';

const sync = promisify(fsync);
/** So many at once: more would hold the threads that the next parts are opened and written in. */
const atOnce = 2;
/** Files that are kept open for it at most. */
const keptOpen = 64;

/**
 * Sends files to the disk while others are written, and while all are checked: disk and processors work at the same time then. Whoever starts the server has everything sent, and waits for
 * that, which takes no time of what lies there by then.
 */
export class ToDisk {
  readonly #waiting: number[] = [];
  readonly #sending = new Set<Promise<void>>();
  #failure: { error: unknown } | undefined;

  /** Takes an open file, and closes it. */
  send(descriptor: number): void {
    this.#waiting.push(descriptor);
    this.#next();
  }

  /** Waits while too many are kept open. @throws what the disk said. */
  async room(): Promise<void> {
    while (this.#waiting.length > keptOpen && !this.#failure) await Promise.race(this.#sending);
    this.#throwFailure();
  }

  /** Waits for all. @throws what the disk said. */
  async end(): Promise<void> {
    while (this.#sending.size > 0) await Promise.race(this.#sending);
    this.#throwFailure();
  }

  /** Begins no other; for cleaning up behind another error. */
  async leave(): Promise<void> {
    for (const descriptor of this.#waiting.splice(0)) closeSync(descriptor);
    await Promise.all(this.#sending);
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }

  #next(): void {
    if (this.#sending.size >= atOnce) return;
    const descriptor = this.#waiting.shift();
    if (descriptor === undefined) return;
    const sending = sync(descriptor).catch((error: unknown) => void (this.#failure ??= { error })).finally(() => {
      closeSync(descriptor);
      this.#sending.delete(sending);
      this.#next();
    });
    this.#sending.add(sending);
  }
}
