import { CancellationScope, workflowInfo } from '@temporalio/workflow';
import { trySignal } from '../children.ts';
import { incidentSignals, type IncidentRun, type RunTold } from '../domain/incident.ts';
import { lockIds } from '../domain/names.ts';
import type { RunReport } from '../domain/report.ts';
import type { RunSnapshot } from '../runbook/run-types.ts';
import { phaseOf } from '../runbook/show-details.ts';

/**
 * Tells an incident how one of its recoveries stands, whenever that has changed. One signal at a time, in order; while one is on its way only the
 * newest waits. An incident that is gone holds nothing up: a recovery does not depend on the book that is kept of it.
 */
export class IncidentTeller {
  readonly #system: string;
  readonly #incident: string;
  #last = '';
  #next: RunTold | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(system: string, incident: string) {
    this.#system = system;
    this.#incident = incident;
  }

  tell(snapshot: RunSnapshot): void {
    this.#post(this.#told(snapshot.state, phaseOf(snapshot)));
  }

  /** The last word; waits until it is said. */
  async end(report: RunReport): Promise<void> {
    const { state, outcome, rpo, finishedAt } = report;
    this.#post({ ...this.#told(state, state.status === 'aborted' ? 'aborted' : 'done'), endedAt: finishedAt, outcome, rpo });
    await CancellationScope.nonCancellable(() => this.#sending);
  }

  #told(state: RunReport['state'], status: RunTold['status']): RunTold {
    const { workflowId, runId, parent } = workflowInfo();
    const steps = state.steps.flatMap(({ id, state: is }): IncidentRun['steps'] => (is === 'running' || is === 'waiting' || is === 'failed' || is === 'stuck' ? [{ id, state: is }] : []));
    // An end is told with its report, so that it is told once.
    const isEnd = status === 'done' || status === 'aborted';
    return { incident: this.#incident, entry: parent?.workflowId ?? '', workflowId, runId, runbook: state.runbook ?? null, status: isEnd && state.endedAt === null ? 'running' : status, steps, servedAt: state.servedAt, endedAt: null, outcome: null, rpo: null };
  }

  #post(told: RunTold): void {
    const text = JSON.stringify(told);
    if (text === this.#last || ((told.status === 'done' || told.status === 'aborted') && told.outcome === null)) return;
    this.#last = text;
    const idle = this.#next === undefined;
    this.#next = told;
    if (idle) this.#sending = this.#sending.then(() => CancellationScope.nonCancellable(() => this.#send()));
  }

  async #send(): Promise<void> {
    const told = this.#next!;
    this.#next = undefined;
    await trySignal(lockIds.incident(this.#system), incidentSignals.run, told);
  }
}
