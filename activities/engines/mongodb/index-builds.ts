import type { Document, MongoClient } from 'mongodb';
import { seconds } from '../../../workflows/domain/units.ts';

const askEveryMs = seconds(1);

/** One collection's build: first one scan for all its indexes, then the sorted keys of one index after another. */
interface Build {
  indexes: number;
  scanned: number;
  /** indexes whose keys are in, as far as was seen: one that goes in between two questions is counted with the next */
  filled: number;
  filling: number;
}

/**
 * How far the server is with index builds, as its own operations say it, asked about once a second. Only watches: a question that is
 * not answered changes nothing, since the build itself fails when the server is gone.
 */
export class IndexBuilds {
  readonly #client: MongoClient;
  readonly #news: () => void;
  readonly #everyMs: number;
  readonly #builds = new Map<string, Build>();
  #timer: NodeJS.Timeout | undefined;
  #asking = false;

  /** @param news - called when there was something to see. */
  constructor(client: MongoClient, news: () => void, everyMs = askEveryMs) {
    this.#client = client;
    this.#news = news;
    this.#everyMs = everyMs;
  }

  begin(ns: string, indexes: number): void {
    this.#builds.set(ns, { indexes, scanned: 0, filled: 0, filling: 0 });
    this.#timer ??= setInterval(() => void this.#ask(), this.#everyMs);
  }

  end(ns: string): void {
    this.#builds.delete(ns);
    if (this.#builds.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Of each build under way the share that is done, 0 to 1: half of it is the scan, half are the keys. */
  get shares(): ReadonlyMap<string, number> {
    return new Map([...this.#builds].map(([ns, { indexes, scanned, filled, filling }]) => [ns, scanned / 2 + Math.min(1, (filled + filling) / indexes) / 2]));
  }

  async #ask(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const running = this.#client.db('admin').aggregate([{ $currentOp: { allUsers: true } }, { $match: { msg: /^Index Build/ } }, { $project: { ns: 1, msg: 1, progress: 1 } }], { maxTimeMS: askEveryMs });
      for (const operation of await running.toArray()) this.#see(operation);
      this.#news();
    } catch {
      // The build says itself when the server is gone.
    } finally {
      this.#asking = false;
    }
  }

  #see({ ns, msg, progress }: Document): void {
    const build = this.#builds.get(String(ns));
    if (!build) return;
    // The server gives its message with the first count, and keeps it when the count is over: while it sorts, for one.
    const { done = 0, total = 0 } = (progress ?? {}) as { done?: number; total?: number };
    const share = total > 0 ? Math.min(1, done / total) : undefined;
    if (String(msg).startsWith('Index Build: scanning')) {
      build.scanned = share ?? 1;
      return;
    }
    build.scanned = 1;
    if (build.filling > (share ?? 0)) build.filled += 1;
    build.filling = share ?? 0;
  }
}
