import { CancellationScope, condition, sleep, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import type { ActToRecord } from './contract.ts';
import { minutes } from './domain/units.ts';
import { describeFailure } from './failure.ts';

type Act = Pick<ActToRecord, 'by' | 'act' | 'outcome' | 'about'>;

const firstPauseMs = minutes(1);
const longestPauseMs = minutes(15);
/** Whoever may send signals could fill a history: what is said beyond so many stands in the journal only, and that is said. */
const actsPerRun = 500;
const namedAtMost = 5;

/**
 * Writes what people decide in a workflow into the system's audit, one after another, in the order in which they decided. A decision takes effect at once and its record follows: nobody waits for
 * it but who is about to end, and no longer than they say.
 *
 * | killed | then |
 * |---|---|
 * | the workflow's worker | the replay stands where it stood: what is not written is still to be |
 * | a record was put, its answer lost | the next try finds it at the end of the chain |
 * | the store is away | it is asked again, after a minute, later after fifteen; the decision has long been obeyed |
 * | the workflow ends meanwhile | `settled` says what was not written, and the report names it |
 */
export class ActRecorder {
  readonly #of: { system: string; workflow: string };
  readonly #onTrouble: (what: string) => void;
  readonly #shield = new CancellationScope({ cancellable: false });
  readonly #waiting: Act[] = [];
  #taken = 0;
  #left = 0;
  #works = false;

  constructor(of: { system: string; workflow: string }, onTrouble: (what: string) => void) {
    this.#of = of;
    this.#onTrouble = onTrouble;
  }

  /** Never throws, and waits for nothing. */
  record(act: Act): void {
    if (this.#taken >= actsPerRun) {
      this.#left += 1;
      return;
    }
    this.#taken += 1;
    this.#waiting.push(act);
    if (this.#works) return;
    this.#works = true;
    void this.#shield.run(() => this.#write());
  }

  /** Waits, no longer than `withinMs`, until all is written. @returns what is not, a sentence each. */
  async settled(withinMs: number): Promise<string[]> {
    // A timer is a line in the history: none where there is nothing to wait for.
    if (this.#works) await this.#shield.run(() => condition(() => !this.#works, withinMs));
    const named = this.#waiting.slice(0, namedAtMost).map(({ by, act, outcome, about }) => `not in the audit when the report was written, as the store did not take it: ${act} by ${by ?? 'nobody named'}, ${outcome}: ${about}`);
    const more = this.#waiting.length - named.length + this.#left;
    return [...named, ...(more > 0 ? [`not in the audit when the report was written: ${more} more messages, which the journal has`] : [])];
  }

  async #write(): Promise<void> {
    const { workflowId, runId } = workflowInfo();
    let pauseMs = firstPauseMs;
    for (let act = this.#waiting[0]; act; act = this.#waiting[0]) {
      try {
        await callControl('recordAct', { ...this.#of, ...act, workflowId, runId }, `audit: ${act.by ?? 'nobody named'}, ${act.act}, ${act.outcome}`);
        this.#waiting.shift();
        pauseMs = firstPauseMs;
      } catch (error) {
        const { type, message } = describeFailure(error);
        if (pauseMs === firstPauseMs) this.#onTrouble(`decisions cannot be written into the audit for now, it is tried again: ${type}: ${message}`.slice(0, 300));
        await sleep(pauseMs, { summary: 'the store did not take a record of the audit' });
        pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      }
    }
    this.#works = false;
  }
}
