import type { Owner } from '../harness/cleanup.ts';

/** An owner that ends when it is told to: several cells share what it owns. */
export class Scope implements Owner {
  #cleanUps: (() => void | Promise<void>)[] = [];

  after(cleanUp: () => void | Promise<void>): void {
    this.#cleanUps.push(cleanUp);
  }

  /** Runs all clean-ups in the order in which they were given, as a test does; throws the first failure once all have run. */
  async end(): Promise<void> {
    const failures: unknown[] = [];
    for (const cleanUp of this.#cleanUps.splice(0)) {
      try {
        await cleanUp();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
