import { CancellationScope, condition, sleep, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import type { ActToRecord } from './contract.ts';
import { minutes } from './domain/units.ts';
import { describeFailure } from './failure.ts';

/** What a person decided, or was refused. */
export type Decision = Pick<ActToRecord, 'by' | 'act' | 'outcome' | 'about'>;

export interface Unrecorded {
  /** in their order */
  decisions: readonly Decision[];
  /** refused messages beyond those that a record is made of */
  beyond: number;
  /** why the first of them was not taken when it was last tried; undefined: no answer yet */
  error?: unknown;
}

const firstPauseMs = minutes(1);
const longestPauseMs = minutes(15);
/** Whoever may send signals could fill a history: what is refused beyond so many stands in the journal only, and that is said. What was obeyed has its record, however much it is. */
const refusedPerRun = 500;
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
 * | the workflow ends, or continues as new, meanwhile | `settled` says what was not written: a report names it, a gate does not let pass by it, the next run writes it |
 */
export class ActRecorder {
  readonly #system: string;
  readonly #onTrouble: (what: string) => void;
  readonly #shield = new CancellationScope({ cancellable: false });
  readonly #waiting: Decision[] = [];
  #refused = 0;
  #beyond = 0;
  #error: unknown;
  #works = false;

  constructor(system: string, onTrouble: (what: string) => void) {
    this.#system = system;
    this.#onTrouble = onTrouble;
  }

  /** Never throws, and waits for nothing. */
  record(decision: Decision): void {
    if (decision.outcome === 'refused') this.#refused += 1;
    if (decision.outcome === 'refused' && this.#refused > refusedPerRun) {
      this.#beyond += 1;
      return;
    }
    this.#waiting.push(decision);
    if (this.#works) return;
    this.#works = true;
    void this.#shield.run(() => this.#write());
  }

  /** Waits, no longer than `withinMs`, until all is written. @returns what is not. */
  async settled(withinMs: number): Promise<Unrecorded> {
    // A timer is a line in the history: none where there is nothing to wait for.
    if (this.#works) await this.#shield.run(() => condition(() => !this.#works, withinMs, { summary: 'what was decided is to be in the audit by then' }));
    return this.unrecorded();
  }

  unrecorded(): Unrecorded {
    return { decisions: [...this.#waiting], beyond: this.#beyond, error: this.#error };
  }

  async #write(): Promise<void> {
    const { workflowId, runId, workflowType } = workflowInfo();
    let pauseMs = firstPauseMs;
    for (let decision = this.#waiting[0]; decision; decision = this.#waiting[0]) {
      try {
        await callControl('recordAct', { system: this.#system, workflow: workflowType, ...decision, workflowId, runId }, `audit: ${decision.by ?? 'nobody named'}, ${decision.act}, ${decision.outcome}`);
        this.#waiting.shift();
        this.#error = undefined;
        pauseMs = firstPauseMs;
      } catch (error) {
        const { type, message } = describeFailure(error);
        this.#error = error;
        if (pauseMs === firstPauseMs) this.#onTrouble(`decisions cannot be written into the audit for now, it is tried again: ${type}: ${message}`.slice(0, 300));
        await sleep(pauseMs, { summary: 'the store did not take a record of the audit' });
        pauseMs = Math.min(longestPauseMs, pauseMs * 2);
      }
    }
    this.#works = false;
  }
}

/** For a report, a sentence each. */
export function describeUnrecorded({ decisions, beyond }: Unrecorded): string[] {
  const named = decisions.slice(0, namedAtMost).map(({ by, act, outcome, about }) => `not in the audit when the report was written, as the store did not take it: ${act} by ${by ?? 'nobody named'}, ${outcome}: ${about}`);
  const more = decisions.length - named.length + beyond;
  return [...named, ...(more > 0 ? [`not in the audit when the report was written: ${more} more messages, which the journal has`] : [])];
}
