import { setTimeout as sleep } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';
import type { LogPosition } from '../../workflows/domain/log-position.ts';
import { readPositions } from '../../activities/engines/mongodb/server-facts.ts';

const lookEveryMs = 25;

/**
 * How long the source itself takes from a write until readers of the majority may see it: no archive can be ahead of that, since what is
 * not committed by the majority may be rolled back. Of a single member: until its journal is on disk.
 */
export class CommitLag {
  readonly #client: MongoClient;
  readonly #stopped = new AbortController();
  readonly #tookMs: number[] = [];
  readonly #looking: Promise<void>;

  constructor(client: MongoClient) {
    this.#client = client;
    this.#looking = this.#look();
  }

  /** @returns rising, in milliseconds; each too long by up to the time between two looks. */
  async end(): Promise<number[]> {
    this.#stopped.abort();
    await this.#looking;
    return this.#tookMs.sort((a, b) => a - b);
  }

  async #look(): Promise<void> {
    const written: { position: LogPosition; atMs: number }[] = [];
    while (!this.#stopped.signal.aborted) {
      const atMs = performance.now();
      const { majority, newest } = await readPositions(this.#client);
      if (newest > (written.at(-1)?.position ?? majority)) written.push({ position: newest, atMs });
      while (written.length > 0 && written[0]!.position <= majority) this.#tookMs.push(performance.now() - written.shift()!.atMs);
      await sleep(lookEveryMs);
    }
  }
}
