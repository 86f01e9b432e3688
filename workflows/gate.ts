import { CancellationScope, CancelledFailure, workflowInfo } from '@temporalio/workflow';
import { ActRecorder } from './act-recorder.ts';
import { HoldfastError } from './domain/errors.ts';
import { anonymous, type MessageName } from './domain/messages.ts';
import type { GatePurpose, GateState } from './domain/run-state.ts';
import type { SystemView } from './domain/system-view.ts';
import { formatDuration, minutes } from './domain/units.ts';
import { RunNotifier } from './notify/run-notifier.ts';
import { nowAt } from './now-at.ts';
import { driveRun, type DrivenRun } from './runbook/drive-run.ts';
import { findDecision } from './runbook/find-decision.ts';
import { handleMessages } from './runbook/messages.ts';
import type { GateRequest } from './runbook/run-types.ts';
import { waiting } from './runbook/show-details.ts';
import { mark } from './search-attributes.ts';
import { fitLines } from './show-lines.ts';
import { gateRequest } from './steps/gate-request.ts';

/** What people can send to a workflow that has a gate. */
const gateMessages: readonly MessageName[] = ['approve', 'reject', 'delegate', 'comment'];

/** A store that is away for a while fails no retention that people have let pass. */
const recordedWithinMs = minutes(10);

export interface GateQuestion {
  view: SystemView;
  purpose: GatePurpose;
  /** names what is asked for, in the store and in what is signed: no two questions have the same */
  run: string;
  /** one of the system's `approvals`; left out: nobody has to approve, and who may reject can say no for as long as it waits */
  gate?: string | undefined;
  /** nothing begins before so long is over; approvals count meanwhile */
  waitMs: number;
  requestedBy: string | undefined;
  /** what people agree to, in a sentence or two: shown, sent to whoever is asked, and signed */
  about: string;
  /** shown below it, as much as the UI takes */
  lines: readonly string[];
}

export interface GateAnswer {
  passed: boolean;
  /** who rejected it, and why; null: nobody did */
  by: string | null;
  reason: string | null;
  /** those of the round that counted */
  decisions: GateState['decisions'];
  /** what happened while it waited, a line each */
  journal: string[];
}

/**
 * The gate of a workflow that is no run of a runbook, before what cannot be taken back: the very gate of a runbook, with its proofs, times, reminders, escalation,
 * delegation, messages to people and journal (docs/approvals.md), for it *is* one: the engine drives a run of this one step, in the workflow itself.
 *
 * Make it at once, synchronously, when the workflow begins, for a message may come with the first task; ask once. Every decision, and what was refused, is in the audit before `ask` answers (act-recorder.ts).
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | the worker, at any line | the history | the replay stands where it stood; timers go on meanwhile |
 * | while a proof is checked | the code is used up by this check | the same check is asked again, and finds its own note |
 */
export class Gate {
  #run: DrivenRun | undefined;
  readonly #early: MessageName[] = [];

  constructor() {
    handleMessages(gateMessages, () => this.#run?.handle, (name) => void this.#early.push(name));
  }

  /** @throws CancelledFailure - the workflow was cancelled while it waited. What keeps the audit from being written. */
  async ask(question: GateQuestion): Promise<GateAnswer> {
    const { view, purpose, run, requestedBy } = question;
    const request = requestOf(question);
    const recorder = new ActRecorder(view.system, (what) => driven.warn('audit', what));
    const notifier = new RunNotifier({ system: view.system, notify: view.notify, run, snapshot: () => driven.snapshot(), state: () => driven.state(), outside: false, onTrouble: (what) => driven.warn('notify', what) });
    const startedAt = nowAt();
    const { workflowId } = workflowInfo();
    const driven: DrivenRun = driveRun({
      plan: {
        system: view.system, run, purpose, gateOf: workflowId, requestedBy: requestedBy ?? anonymous, people: view.people,
        incidentAt: startedAt, startedAt, rtoObjectiveMs: view.rtoObjectiveMs, rpoObjectiveMs: view.rpoObjectiveMs,
        steps: [{ id: request.gate, uses: 'approval', title: request.description, needs: [], budgetMs: null, retry: { attempts: 1, everyMs: 0 }, undo: false, gate: request, skip: 'refused' }],
      },
      workflowId,
      messages: gateMessages,
      act: ({ step, attempt }) => {
        driven.dispatch({ kind: 'step-done', at: nowAt(), step, attempt, summary: null, opens: request });
        return Promise.resolve();
      },
      cancelStep: () => undefined,
      details: (snapshot, at) => fitLines([`**${purpose} ${view.system}: waits for people** as of ${at.slice(11, 19)}Z`, ...waiting(snapshot), ...warningsOf(snapshot.state.warnings), '### What it is about'].join('\n\n'), question.lines),
      stateOf: ({ state }) => state,
      onProgress: () => undefined,
      onTimer: () => undefined,
      // How it goes on is up to the workflow.
      onPhase: (phase) => (phase === 'waiting' ? mark({ phase }) : undefined),
      onSeverity: () => undefined,
      onEvent: (before, event, after) => {
        notifier.onEvent(before, event, after);
        const decision = findDecision(before, event, after);
        if (decision) recorder.record(decision);
      },
    });
    this.#run = driven;
    this.#early.forEach((name) => driven.handle.unreadable(name, 'nothing waited for people yet'));
    const { state } = await driven.finish();
    const unrecorded = await recorder.settled(recordedWithinMs);
    // Whoever was asked is told that it is over; a receiver that is away holds up nothing for long.
    (await driven.shield.run(() => notifier.close(minutes(1)))).forEach((what) => driven.warn('notify', what));
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(`${purpose} of ${view.system}: cancelled while it waited for people`);
    // An approval that nobody can read up later lets nothing go.
    if (unrecorded.decisions.some(({ outcome }) => outcome === 'permitted')) throw unrecorded.error ?? new HoldfastError('StoreUnavailable', `what was decided of ${purpose} of ${view.system} is not in the audit: the store has not answered for ${formatDuration(recordedWithinMs)}`);
    const { status, decisions } = state.gates[0]!;
    const rejected = decisions.find(({ decision }) => decision === 'reject');
    const journal = driven.snapshot().state.journal.map(({ at, about, what, by }) => `${at} ${about}: ${what}${by === null ? '' : ` (${by})`}`);
    return { passed: status === 'approved', by: rejected?.by ?? null, reason: rejected?.reason ?? null, decisions, journal };
  }
}

function requestOf({ view, purpose, gate, waitMs, about }: GateQuestion): GateRequest {
  // One that is asked of nobody has no times and no proof, whatever a gate of that name has.
  const request: GateRequest = gate === undefined ? { ...gateRequest({ ...view, approvals: {} }, purpose), description: `${purpose} of ${view.system}.`, quorum: 0 } : gateRequest(view, gate);
  return { ...request, description: `${request.description} ${about}`, ...(waitMs > 0 ? { waitMs } : {}) };
}

const warningsOf = (warnings: readonly string[]): string[] => (warnings.length === 0 ? [] : [['### Warnings', '', ...warnings.slice(-5).map((warning) => `- ⚠ ${warning.slice(0, 200)}`)].join('\n')]);

/** `erik (totp), fay (signature)`: who let it pass; empty: nobody had to. */
export const approvedBy = ({ decisions }: Pick<GateAnswer, 'decisions'>): string => decisions.filter(({ decision }) => decision === 'approve').map(({ by, proof }) => `${by} (${proof})`).join(', ');
