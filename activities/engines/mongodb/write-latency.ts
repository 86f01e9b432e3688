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

/**
 * The share of its time that a dump may spend on reading, so that an application's writes take hardly longer than without it. It is halved
 * while they do, and grows again slowly: what fits is found from below.
 */
export class Pace {
  /** of a write while nothing was read; null: nobody wrote then */
  #quietUs: number | null;
  readonly #growth: number;
  share: number;

  /** @param growth - 0.2: a write may take a fifth longer. */
  constructor(quietUs: number | null, growth: number) {
    this.#quietUs = quietUs;
    this.#growth = growth;
    this.share = quietUs === null ? 1 : firstShare;
  }

  /** @param nowUs - what a write took lately; null: there are hardly any, so nobody is in the way. */
  look(nowUs: number | null): void {
    if (nowUs === null) {
      this.share = Math.min(1, this.share * 2);
    } else if (this.#quietUs === null) {
      // Somebody began to write while we read. How long a write takes without us is told by the next look, at which hardly anything was read.
      if (this.share > leastShare) this.share = leastShare;
      else this.#quietUs = nowUs;
    } else {
      this.share = nowUs > this.#quietUs * (1 + this.#growth) ? Math.max(leastShare, this.share / 2) : Math.min(1, this.share * 1.2);
    }
  }

  /** How long to rest after work that took `workMs`. */
  restMs(workMs: number): number {
    return workMs * (1 / this.share - 1);
  }
}

/** A source that is written to is read slowly at first. */
const firstShare = 0.25;
/** A backup goes on at any load: one that never ends protects nobody, and one that takes long outlives the instant that it reads. */
const leastShare = 0.1;
