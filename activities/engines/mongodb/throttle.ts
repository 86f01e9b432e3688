import { setTimeout as sleep } from 'node:timers/promises';
import type { Document, MongoClient } from 'mongodb';
import type { Source } from '../../../workflows/domain/system.ts';
import { formatDuration, seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { adminOf } from './connect.ts';
import { enoughWrites, meanWriteUs, Pace, readWriteLatency, type WriteLatency } from './write-latency.ts';

const lookEveryMs = seconds(5);
/** How often the source's writes are looked at. */
const paceEveryMs = 400;
/** Few writes are gathered for so long until they are judged. */
const judgedAfterMs = seconds(3);
/** A source that takes long for one answer is not left alone for many times as long. */
const restAtMostMs = seconds(2);

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

let last: { of: string; pace: Pace } | undefined;

/**
 * The pace of a backup in this process: groups follow one another, and what the source bears is not found anew for each.
 * @param quietWriteUs - what a write took before anything was read; null: nobody wrote.
 */
export function paceOf(backup: string, limits: Limits, quietWriteUs: number | null): Pace {
  const of = JSON.stringify([backup, limits.writeLatencyGrowth, quietWriteUs]);
  if (last?.of !== of) last = { of, pace: new Pace(quietWriteUs, limits.writeLatencyGrowth) };
  return last.pace;
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
  #askedAtMs = performance.now();
  #arrivedAtMs: number | undefined;
  #seen: { latency: WriteLatency; atMs: number } | undefined;

  constructor(context: SourceContext, client: MongoClient, limits: Limits, pace: Pace) {
    this.#context = context;
    this.#client = client;
    this.#limits = limits;
    this.#pace = pace;
  }

  /** of its time that the source reads for us at present */
  get share(): number {
    return this.#pace.share;
  }

  /** Call when the source has answered: what is done with the answer is no work for it. */
  arrived(): void {
    this.#arrivedAtMs = performance.now();
  }

  /** Call when `bytes` that were read are done with: returns when the next read may begin. */
  async spent(bytes: number): Promise<void> {
    const { signal } = this.#context;
    const { bytesPerSecond } = this.#limits;
    const nowMs = performance.now();
    const arrivedAtMs = this.#arrivedAtMs ?? nowMs;
    this.#arrivedAtMs = undefined;
    const restedAtMs = arrivedAtMs + Math.min(restAtMostMs, this.#pace.restMs(arrivedAtMs - this.#askedAtMs));
    if (bytesPerSecond !== undefined) {
      // Time that was not used is not saved up: a burst after a pause is what the limit is there to prevent.
      this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes / bytesPerSecond) * 1000;
    }
    const waitMs = Math.max(restedAtMs, this.#freeAtMs) - nowMs;
    if (waitMs >= 1) await sleep(waitMs, undefined, { signal });
    await this.#look();
    if (performance.now() >= this.#lookAtMs) await this.#waitForSecondaries();
    this.#askedAtMs = performance.now();
  }

  async #look(): Promise<void> {
    if (performance.now() < this.#paceAtMs) return;
    const latency = await readWriteLatency(this.#client);
    const atMs = performance.now();
    // Where no primary answers, each question takes long.
    this.#paceAtMs = atMs + (latency ? paceEveryMs : lookEveryMs);
    const before = this.#seen;
    const few = before && latency && latency.writes - before.latency.writes < enoughWrites;
    if (few && atMs - before.atMs < judgedAfterMs) return;
    if (before && latency) this.#pace.look(meanWriteUs(before.latency, latency));
    this.#seen = latency ? { latency, atMs } : undefined;
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
