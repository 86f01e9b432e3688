import type { MongoClient } from 'mongodb';
import { adminOf, fromPrimary } from './connect.ts';

/** What the source's primary counts of all writes since it started. */
export interface WriteLatency {
  writes: number;
  tookUs: number;
}

/** Fewer writes than these say nothing about how long writes take. */
const writesAtLeast = 10;

/** Sections that are large, or wait for locks; a section that a server does not have is passed over. */
const without = Object.fromEntries(
  ['metrics', 'wiredTiger', 'tcmalloc', 'locks', 'repl', 'transactions', 'sharding', 'mirroredReads', 'network', 'security', 'flowControl', 'globalLock', 'electionMetrics'].map((section) => [section, 0]),
);

/**
 * @returns null when no primary answers: an election passes, and a secondary can be read through it.
 * @throws NotPermitted - the user lacks `serverStatus`: without it a limit would be set and never kept.
 * @source MongoDB manual, serverStatus, opLatencies
 */
export async function readWriteLatency(client: MongoClient): Promise<WriteLatency | null> {
  const status = await adminOf(client).command({ serverStatus: 1, ...without }, fromPrimary).catch((error: { code?: unknown }) => {
    if (error.code === 13) throw error;
    return null;
  }) as { opLatencies: { writes: { ops: unknown; latency: unknown } } } | null;
  return status && { writes: Number(status.opLatencies.writes.ops), tookUs: Number(status.opLatencies.writes.latency) };
}

/** How long a write took between two looks, in microseconds; null when there were too few to tell, or it is not the same server's count. */
export function meanWriteUs(before: WriteLatency | null, after: WriteLatency | null): number | null {
  if (!before || !after) return null;
  const writes = after.writes - before.writes;
  const tookUs = after.tookUs - before.tookUs;
  return writes < writesAtLeast || tookUs < 0 ? null : tookUs / writes;
}

/** So many writes have a mean that says something; fewer are looked at together with those that follow. */
export const enoughWrites = 100;

/**
 * The share of its time that a dump may let the source read, so that an application's writes take hardly longer than without it. It is halved
 * while they do, and grows again quickly up to where it hurt, slowly beyond.
 *
 * - *Longer* is by `growth`, and by half a millisecond at least: less is nothing that an application feels.
 * - One look may be a checkpoint, or noise: only the second in a row that says so counts.
 * - What hurts at the least share too is not us: the source is busier than it was, and how long its writes take now is what they may take.
 */
export class Pace {
  /** of a write while nothing was read, or hardly anything; null: nobody wrote then */
  #quietUs: number | null;
  readonly #growth: number;
  share: number;
  #slowLooks = 0;
  /** the share at which it hurt last */
  #hurtAt = 1;

  /** @param growth - 0.2: a write may take a fifth longer. */
  constructor(quietUs: number | null, growth: number) {
    this.#quietUs = quietUs;
    this.#growth = growth;
    this.share = quietUs === null ? 1 : firstShare;
  }

  /** @param nowUs - what a write took lately; null: there are hardly any, so nobody is in the way. */
  look(nowUs: number | null): void {
    if (nowUs === null) {
      this.#slowLooks = 0;
      this.share = Math.min(1, this.share * 2);
    } else if (this.#quietUs === null) {
      // Somebody began to write while we read. How long a write takes without us is told by the next look, at which hardly anything was read.
      if (this.share > leastShare) this.share = leastShare;
      else this.#quietUs = nowUs;
    } else if (this.#isSlow(nowUs, this.#quietUs)) {
      this.#slowLooks += 1;
      if (this.#slowLooks >= 2) this.#giveWay(nowUs);
    } else {
      this.#slowLooks = 0;
      this.share = Math.min(1, this.share * (this.share < this.#hurtAt / 1.5 ? 1.5 : 1.1));
    }
  }

  #isSlow(nowUs: number, quietUs: number): boolean {
    return nowUs > quietUs * (1 + this.#growth) && nowUs - quietUs > feltUs;
  }

  #giveWay(nowUs: number): void {
    this.#slowLooks = 0;
    if (this.share <= leastShare) {
      this.#quietUs = nowUs;
      return;
    }
    this.#hurtAt = this.share;
    this.share = Math.max(leastShare, this.share / 2);
  }

  /** How long the source is to rest after it read for `readMs`. */
  restMs(readMs: number): number {
    return readMs * (1 / this.share - 1);
  }
}

const feltUs = 500;
/** A source that is written to is read with rests at first, for a second. */
const firstShare = 0.5;
/** A backup goes on at any load: one that never ends protects nobody, and one that takes long outlives the instant that it reads. */
const leastShare = 0.1;
