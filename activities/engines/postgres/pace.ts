import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Source } from '../../../workflows/domain/system.ts';
import { formatDuration, seconds } from '../../../workflows/domain/units.ts';
import type { SourceContext } from '../../context.ts';
import { ask } from './connect.ts';

const lookEveryMs = seconds(5);

/** Keeps one of `width` groups inside its share of the limits that the system file sets for the source. */
export class Pace {
  readonly #context: SourceContext;
  readonly #client: pg.Client;
  readonly #limits: Source['limits'];
  readonly #bytesPerSecond: number | undefined;
  #freeAtMs = 0;
  #lookAtMs = 0;

  constructor(context: SourceContext, client: pg.Client, width: number) {
    this.#context = context;
    this.#client = client;
    this.#limits = context.source.limits;
    this.#bytesPerSecond = this.#limits.bytesPerSecond === undefined ? undefined : Math.max(1, this.#limits.bytesPerSecond / width);
  }

  /** Call when `bytes` that were read are done with: returns when more may be read. The server waits meanwhile: what is not taken from it fills its buffer. */
  async spent(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    const nowMs = performance.now();
    // Time that was not used is not saved up: a burst after a pause is what the limit is there to prevent.
    this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + (bytes / this.#bytesPerSecond) * 1000;
    if (this.#freeAtMs - nowMs >= 1) await sleep(this.#freeAtMs - nowMs, undefined, { signal: this.#context.signal });
  }

  /** Between two tables, and two ranges of one: waits while a standby is further behind than allowed. */
  async betweenRanges(): Promise<void> {
    while (performance.now() >= this.#lookAtMs) {
      const lagMs = await replicationLagMs(this.#client);
      this.#lookAtMs = performance.now() + lookEveryMs;
      if (lagMs <= this.#limits.pauseAboveReplicationLag) return;
      this.#context.progress({ phase: `paused: a standby is ${formatDuration(lagMs)} behind`, done: 0, of: 0, unit: 'bytes' });
      await sleep(lookEveryMs, undefined, { signal: this.#context.signal });
    }
  }
}

/** Of the standby that is farthest behind in replaying; 0 without one, and where the user may not see. */
const replicationLagMs = async (client: pg.Client): Promise<number> =>
  Number(await ask<string>(client, `SELECT COALESCE(max(extract(epoch FROM replay_lag)) * 1000, 0)::int8::text FROM pg_stat_replication`));
