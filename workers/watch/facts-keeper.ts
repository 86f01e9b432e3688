import type { Client } from '@temporalio/client';
import { listSystems } from '../../activities/system-files.ts';
import { readSystemFacts, type Kept, type SystemFacts } from '../../activities/watch/system-facts.ts';

/** Read again when they are asked for and older than this. */
const freshMs = 20_000;
/** Whatever was not read again for so long is not shown. */
const staleMs = 300_000;
/** A scrape waits no longer than this for what is under way: Prometheus gives up after ten seconds. */
const waitMs = 8_000;

/**
 * The facts of all systems, for scrapes. Nothing is read while nobody asks. One system after another, so that many of them cost time and not memory; a scrape that
 * cannot wait for all of it gets what there is, each with its own time, and the next one gets the rest.
 */
export class FactsKeeper {
  readonly #client: Client;
  readonly #signal: AbortSignal;
  readonly #kept = new Map<string, Kept>();
  readonly #facts = new Map<string, { facts: SystemFacts; readMs: number }>();
  #reading: Promise<void> | undefined;

  constructor(client: Client, signal: AbortSignal) {
    this.#client = client;
    this.#signal = signal;
  }

  async facts(nowMs = performance.now()): Promise<SystemFacts[]> {
    const due = [...this.#facts.values()].every(({ readMs }) => nowMs - readMs > freshMs);
    if (due) this.#reading ??= this.#readAll().finally(() => void (this.#reading = undefined));
    let timer: NodeJS.Timeout | undefined;
    if (this.#reading) await Promise.race([this.#reading, new Promise((resolve) => void (timer = setTimeout(resolve, waitMs)))]);
    clearTimeout(timer);
    return [...this.#facts.values()].filter(({ readMs }) => performance.now() - readMs < staleMs).map(({ facts }) => facts);
  }

  async #readAll(): Promise<void> {
    const names = await listSystems();
    for (const name of this.#facts.keys()) if (!names.includes(name)) this.#facts.delete(name);
    for (const name of names) {
      if (this.#signal.aborted) return;
      const kept = this.#kept.get(name) ?? { manifests: new Map(), verifications: new Map(), drilled: new Map() };
      this.#kept.set(name, kept);
      const facts = await readSystemFacts(this.#client, name, kept, this.#signal);
      this.#facts.set(name, { facts, readMs: performance.now() });
    }
  }
}
