import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient } from 'mongodb';
import type { Source } from '../../../workflows/domain/system.ts';
import { formatDuration, seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { adminOf } from './connect.ts';
import { meanWriteUs, Pace, readWriteLatency, type WriteLatency } from './write-latency.ts';

const lookEveryMs = seconds(5);
/** How often the source's writes are looked at. */
const paceEveryMs = 500;
/** Work that took long because the store did was no work for the source. */
const restAtMostMs = 2_000;

type Limits = Source['limits'];

/** The share of one of `width` processes that read the source side by side: the limits are the source's, not a process's. */
export function shareOf(limits: Limits, width: number): Limits {
  const { bytesPerSecond, connections } = limits;
  return {
    ...limits,
    connections: Math.max(1, Math.floor(connections / width)),
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond: Math.max(1, Math.floor(bytesPerSecond / width)) }),
  };
}

/**
 * Keeps one process of a dump inside its share of the limits that the system file sets for the source: a rate of bytes, less reading while
 * the application's writes take longer for it, and none at all while a secondary is further behind than allowed.
 */
export class Throttle {
  readonly #context: SourceContext;
  readonly #client: MongoClient;
  readonly #limits: Limits;
  #freeAtMs = 0;
  #lookAtMs = 0;
  readonly #pace: Pace;
  #paceAtMs = 0;
  #workedSinceMs = performance.now();
  #seen: WriteLatency | null = null;

  /** @param quietWriteUs - what a write took before anything was read; null: nobody wrote. */
  constructor(context: SourceContext, client: MongoClient, limits: Limits, quietWriteUs: number | null) {
    this.#context = context;
    this.#client = client;
    this.#limits = limits;
    this.#pace = new Pace(quietWriteUs, limits.writeLatencyGrowth);
  }

  /** of its time that it reads at present */
  get share(): number {
    return this.#pace.share;
  }

  /** Call after reading `bytes`: returns when the next read may begin. */
  async spent(bytes: number): Promise<void> {
    const { signal } = this.#context;
    const { bytesPerSecond } = this.#limits;
    const workedMs = performance.now() - this.#workedSinceMs;
    if (bytesPerSecond !== undefined) {
      const nowMs = performance.now();
      // Time that was not used is not saved up: a burst after a pause is what the limit is there to prevent.
      this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes / bytesPerSecond) * 1000;
      if (this.#freeAtMs > nowMs) await sleep(this.#freeAtMs - nowMs, undefined, { signal });
    }
    await this.#rest(workedMs);
    if (performance.now() >= this.#lookAtMs) await this.#waitForSecondaries();
    this.#workedSinceMs = performance.now();
  }

  async #rest(workedMs: number): Promise<void> {
    const { signal } = this.#context;
    const restMs = Math.min(restAtMostMs, this.#pace.restMs(workedMs));
    if (restMs >= 1) await sleep(restMs, undefined, { signal });
    if (performance.now() < this.#paceAtMs) return;
    const seen = await readWriteLatency(this.#client);
    if (this.#seen && seen) this.#pace.look(meanWriteUs(this.#seen, seen));
    this.#seen = seen;
    // Where no primary answers, each question takes long.
    this.#paceAtMs = performance.now() + (seen ? paceEveryMs : lookEveryMs);
  }

  async #waitForSecondaries(): Promise<void> {
    for (;;) {
      const lagMs = await readReplicationLagMs(this.#client);
      this.#lookAtMs = performance.now() + lookEveryMs;
      if (lagMs <= this.#limits.pauseAboveReplicationLag) return;
      this.#context.progress({ phase: `paused: a secondary is ${formatDuration(lagMs)} behind`, done: 0, of: 0, unit: 'bytes' });
      await sleep(lookEveryMs, undefined, { signal: this.#context.signal });
    }
  }
}

/**
 * How far the slowest secondary that answers is behind the primary; 0 without secondaries.
 * @source MongoDB manual, replSetGetStatus
 */
async function readReplicationLagMs(client: MongoClient): Promise<number> {
  const status = await adminOf(client).command({ replSetGetStatus: 1 }).catch((error: { code?: unknown }): Document => {
    // Without the right the limit would be set and never kept. An election passes, and a secondary can be read through it.
    if (error.code === 13) throw error;
    return {};
  });
  const members = (status['members'] ?? []) as { stateStr: string; optimeDate?: Date; health: number }[];
  const primary = members.find(({ stateStr }) => stateStr === 'PRIMARY')?.optimeDate;
  if (!primary) return 0;
  const behind = members
    .filter(({ stateStr, health, optimeDate }) => stateStr === 'SECONDARY' && health === 1 && optimeDate)
    .map(({ optimeDate }) => primary.getTime() - optimeDate!.getTime());
  return Math.max(0, ...behind);
}
