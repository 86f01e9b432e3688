import { CancellationScope, CancelledFailure, workflowInfo } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { anonymous, type MessageName } from './domain/messages.ts';
import type { DecisionProof, GatePurpose, GateState, RunState } from './domain/run-state.ts';
import type { SystemView } from './domain/system.ts';
import { minutes } from './domain/units.ts';
import { RunNotifier } from './notify/run-notifier.ts';
import { driveRun, nowAt, type DrivenRun } from './runbook/drive-run.ts';
import { handleMessages } from './runbook/messages.ts';
import type { GateRequest } from './runbook/run-types.ts';
import { waiting } from './runbook/show-details.ts';
import { mark } from './search-attributes.ts';
import { fitLines } from './show-lines.ts';
import { gateRequest } from './steps/gate-request.ts';

/** What people can send to a workflow that has a gate. */
const gateMessages: readonly MessageName[] = ['approve', 'reject', 'delegate', 'comment'];

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
 * Make it at once, synchronously, when the workflow begins, for a message may come with the first task; ask once. Every decision that counts is in the audit before `ask` answers.
 *
 * | killed | left behind | the next attempt |
 * |---|---|---|
 * | the worker, at any line | the history | the replay stands where it stood; timers go on meanwhile |
 * | while a proof is checked | the code is used up by this check | the same check is asked again, and finds its own note |
 * | between a decision and its record | the decision, in the history | writes the record; twice is once |
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
    const records: Promise<unknown>[] = [];
    const keep = (recorded: Promise<unknown>): void => {
      records.push(recorded);
      // It is looked at once all have answered.
      recorded.catch(() => undefined);
    };
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
        const known = saidAt(before.state, purpose).map(({ about }) => about);
        for (const said of saidAt(after.state, purpose).filter(({ about }) => !known.includes(about))) keep(driven.shield.run(() => record(view.system, said)));
      },
    });
    this.#run = driven;
    this.#early.forEach((name) => driven.handle.unreadable(name, 'nothing waited for people yet'));
    const { state } = await driven.finish();
    await Promise.allSettled(records);
    // Whoever was asked is told that it is over; a receiver that is away holds up nothing for long.
    (await driven.shield.run(() => notifier.close(minutes(1)))).forEach((what) => driven.warn('notify', what));
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(`${purpose} of ${view.system}: cancelled while it waited for people`);
    // An approval that nobody can read up later lets nothing go.
    await Promise.all(records);
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

interface Said {
  by: string;
  act: 'approve' | 'reject' | 'delegate';
  about: string;
}

/** What people decided that counts. Each is told apart by its words: the audit takes what says the same for a repetition. */
function saidAt(state: RunState, purpose: GatePurpose): Said[] {
  const { gate, round = 1, decisions, delegations = [] } = state.gates[0]!;
  const at = (when: string): string => `gate ${gate} of ${purpose}, round ${round}, at ${when}`;
  const known = (proof: DecisionProof): string => (proof === 'claimed' ? 'name as claimed' : `proved by ${proof}`);
  return [
    ...decisions.map(({ by, decision, at: when, proof, onBehalfOf, reason }) => ({ by, act: decision, about: `${at(when)}: ${by}${onBehalfOf === undefined ? '' : ` for ${onBehalfOf}`}, ${known(proof)}${reason === null ? '' : `: ${reason}`}` })),
    ...delegations.map(({ from, to, at: when, until, proof }) => ({ by: from, act: 'delegate' as const, about: `${at(when)}: ${from} hands the right to answer to ${to} until ${until}, ${known(proof)}` })),
  ];
}

async function record(system: string, { by, act, about }: Said): Promise<void> {
  const { workflowId, runId, workflowType } = workflowInfo();
  await callControl('recordAct', { system, by, act, outcome: 'permitted', about, workflow: workflowType, workflowId, runId }, `audit: ${by}, ${act}`);
}

/** `erik (totp), fay (signature)`: who let it pass; empty: nobody had to. */
export const approvedBy = ({ decisions }: Pick<GateAnswer, 'decisions'>): string => decisions.filter(({ decision }) => decision === 'approve').map(({ by, proof }) => `${by} (${proof})`).join(', ');
