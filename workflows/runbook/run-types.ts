import type { People } from '../domain/people.ts';
import type { DecisionSaid, Proof, ShownGate } from '../domain/approval.ts';
import type { ProofKind } from '../domain/people.ts';
import type { GateClocks, GateProof, RunState } from '../domain/run-state.ts';

/**
 * The engine's words. All of it is JSON, and no time is read: times come in with the events. So a run can be checked,
 * replayed and explained outside Temporal.
 */

/** A changed meaning of an event, or other commands for the same event, is a new version: running runs keep theirs. */
export const reducerVersion = 1;

/** A gate as asked for, by the runbook or by a step that found something only people may accept. */
export interface GateRequest {
  gate: string;
  description: string;
  quorum: number;
  /** names that may answer; empty: anybody */
  people: string[];
  notRequester: boolean;
  /** nobody who approved another gate of this run may approve this one, and it takes a name */
  otherPeople: boolean;
  /** what an approval must be proved by; left out: nothing */
  proof?: GateProof | undefined;
  clocks?: GateClocks | undefined;
  /** a run of this purpose needs nobody: the system file approved it */
  preApprovedFor?: 'drill' | undefined;
}

export interface PlannedStep {
  id: string;
  uses: string;
  title: string;
  needs: string[];
  budgetMs: number | null;
  retry: { attempts: number; everyMs: number };
  /** it has an undo, to be registered before the step acts */
  undo: boolean;
  /** the gate that it is going to open, so that people see it coming; null: none is planned */
  gate: GateRequest | null;
  /** what a person's skip of the failed step does: `refused`, or a gate that others must approve first */
  skip: 'allowed' | 'refused' | GateRequest;
}

/** What the engine remembers of a step beyond what people see. */
export interface StepTrack {
  triesLeft: number;
  tryStartedAt: string | null;
  /** when the next try starts by itself */
  retryAt: string | null;
  undo: 'none' | 'registered' | 'running' | 'failed' | 'done' | 'left';
  undoAttempt: number;
  /** what the step becomes once its gate is approved */
  afterGate: 'done' | 'skipped';
  /** its overrun was warned of */
  overBudget: boolean;
}

export interface RunSnapshot {
  version: typeof reducerVersion;
  state: RunState;
  plan: PlannedStep[];
  tracks: Record<string, StepTrack>;
  /** steps in the order of their first start: undone from the end */
  startOrder: string[];
  started: boolean;
  lastEventAt: string;
  /** human time up to the moment that service was back; null: it is not */
  humanMsAtService: number | null;
  /** why the run cannot be turned back any more; null: it can */
  noReturn: string | null;
  abort: { by: string | null; reason: string | null; at: string } | null;
  /** the system's people as they were when the run began; left out: nobody is named */
  people?: People | undefined;
  /** proofs that are or were checked; left out: none */
  checks?: Checks | undefined;
}

export type TimerRef =
  | { kind: 'retry' | 'budget'; step: string; attempt: number }
  | { kind: 'rto'; percent: number }
  /** `openedAt` says which opening of the gate; `n`: the round, the reminder, the rung of the escalation */
  | { kind: 'gate-lapse' | 'gate-reminder' | 'gate-escalation'; gate: string; openedAt: string; n: number };

export type RunEvent = { at: string } & (
  | { kind: 'run-started' }
  | { kind: 'step-done'; step: string; attempt: number; summary: string | null; passedOver?: boolean; opens?: GateRequest }
  | { kind: 'step-failed'; step: string; attempt: number; error: { type: string; message: string }; helpable: boolean }
  | { kind: 'undo-done'; step: string; attempt: number; summary: string | null }
  | { kind: 'undo-failed'; step: string; attempt: number; error: { type: string; message: string } }
  | { kind: 'timer-due'; timer: TimerRef }
  /** service is back since `servedAt`; `noReturn` says why turning back is over, or is null while it is not */
  | { kind: 'served'; servedAt: string | null; noReturn: string | null }
  | { kind: 'warned'; about: string; what: string }
  | { kind: 'noted'; about: string; what: string; by?: string | null }
  /** `wrong`: it proves nothing, as against what could not be checked */
  | { kind: 'proof-checked'; check: number; ok: boolean; proof: ProofKind; wrong: boolean; why: string }
  | { kind: 'forecast'; forecastMs: number; basis: string }
  | PersonsEvent
);

/** What a person says of a gate. `proof` leaves the snapshot out: it goes to the check, and is used up. */
export type GateEvent =
  | { kind: 'approve' | 'reject'; gate?: string | undefined; by: string; reason?: string | undefined; proof?: Proof | undefined }
  /** `for`: milliseconds; left out: an hour */
  | { kind: 'delegate'; gate?: string | undefined; to: string; for?: number | undefined; by: string; reason?: string | undefined; proof?: Proof | undefined };

/** A decision whose proof is being checked by an activity. */
export interface PendingCheck {
  check: number;
  person: string;
  /** which opening and round of the gate it is about */
  asked: string;
  event: GateEvent;
}

export interface Checks {
  next: number;
  pending: PendingCheck[];
  /** what came of the last twenty; `refused` null: it counts */
  results: { check: number; refused: { type: 'NotWaiting' | 'NotPermitted' | 'BadInput'; message: string } | null }[];
  /** wrong codes on end, by person's id */
  wrong: Record<string, { count: number; lockedUntil: string | null }>;
}

export type PersonsEvent =
  | GateEvent
  | { kind: 'retry'; step?: string | undefined; by: string; reason?: string | undefined }
  | { kind: 'skip'; step?: string | undefined; by: string; reason: string }
  | { kind: 'abort'; by: string; reason?: string | undefined };

export type RunCommand =
  | { kind: 'run-step'; step: string; attempt: number }
  | { kind: 'cancel-step'; step: string }
  | { kind: 'run-undo'; step: string; attempt: number }
  | { kind: 'start-timer'; timer: TimerRef; dueAt: string }
  | { kind: 'check-proof'; check: number; person: string; by: string; proof: Proof; shown: ShownGate; decision: DecisionSaid };

export interface Reduced {
  snapshot: RunSnapshot;
  commands: RunCommand[];
}

export const isGateEvent = (event: PersonsEvent): event is GateEvent => event.kind === 'approve' || event.kind === 'reject' || event.kind === 'delegate';

/** Nothing happens any more: the run is done, or everything that could be undone is. */
export const isEnded = (snapshot: RunSnapshot): boolean => snapshot.state.status === 'done' || snapshot.state.status === 'aborted';
