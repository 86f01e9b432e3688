import type { People } from '../domain/people.ts';
import type { DecisionSaid, Proof, ShownGate } from '../domain/approval.ts';
import type { ProofKind } from '../domain/people.ts';
import type { GateClocks, GateProof, RunState } from '../domain/run-state.ts';
import type { Condition } from '../domain/condition.ts';
import type { Severity } from '../domain/messages.ts';
import type { RecoveryTarget } from '../domain/recovery-point.ts';
import type { StepUndo } from '../domain/step-undo.ts';

/**
 * The engine's words. All of it is JSON, and no time is read: times come in with the events. So a run can be checked,
 * replayed and explained outside Temporal.
 */

/** A changed meaning of an event, or other commands for the same event, is a new version: running runs keep theirs. */
export const reducerVersion = 2;

/** A gate as asked for, by the runbook or by a step that found something only people may accept. */
export interface GateRequest {
  gate: string;
  description: string;
  /** 0: nobody is asked, and who may answer can say no while it waits */
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
  /** what it lends holds for so long from its approval on; left out: it lends nothing */
  lastsMs?: number | undefined;
  /** approvals count from its opening on, and nothing goes on before so long after it; left out: at once */
  waitMs?: number | undefined;
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
  /** what the runbook itself says of it; left out: the step type alone takes back what it did */
  undoBy?: StepUndo | undefined;
  /** the gate that it is going to open, so that people see it coming; null: none is planned */
  gate: GateRequest | null;
  /** what a person's skip of the failed step does: `refused`, or a gate that others must approve first */
  skip: 'allowed' | 'refused' | GateRequest;
  /** for another recovery point it is undone, and it and all that needs it start again; left out: no */
  renews?: boolean | undefined;
  /** settings of the step type, as in the system file */
  with?: unknown;
  /** of these sources only; left out: of all */
  sources?: string[] | undefined;
  /** of each group one condition must hold, or it is passed over; left out: always */
  when?: Condition[][] | undefined;
  /** a try that takes longer is cancelled */
  timeoutMs?: number | undefined;
  /** left out: pause */
  onFailure?: OnFailure | undefined;
  /** a gate that is opened before it starts */
  before?: GateRequest | undefined;
  /** it leaves production alone in a drill or partial restore, so nobody is asked about it then */
  production?: boolean | undefined;
}

/** What a step's failure does once its automatic tries are used up. */
export type OnFailure = 'pause' | 'continue' | { retry: number } | { goto: string; atMost: number } | { escalate: string };

/** What the engine remembers of a step beyond what people see. */
export interface StepTrack {
  triesLeft: number;
  tryStartedAt: string | null;
  /** when the next try starts by itself */
  retryAt: string | null;
  undo: 'none' | 'registered' | 'running' | 'failed' | 'done' | 'left';
  undoAttempt: number;
  /** what the step becomes once its gate is approved */
  afterGate: 'done' | 'skipped' | 'start';
  /** the gate before its start was approved */
  approved?: boolean;
  /** when this try is cancelled; a timer that comes earlier is one of before an extension. Null, or left out: never */
  timeoutAt?: string | null;
  /** this try was cancelled for its timeout */
  timedOut?: boolean;
  /** how often onFailure has tried it again, and gone back from it to another recovery point */
  restarts?: number;
  gotos?: number;
  /** its overrun was warned of */
  overBudget: boolean;
  /** when the budget of this try is spent; a timer that comes earlier is one of before an extension. Null, or left out: no budget */
  budgetEndsAt?: string | null;
}

/** Steps are on their way back, to start again from another recovery point: what runs is stopped, then undone, one by one. */
export interface Rewind {
  steps: string[];
  by: string;
  why: string;
  /** the runbook that runs then, in place of this one; left out: the same steps start again */
  to?: string | undefined;
}

export interface RunSnapshot {
  version: typeof reducerVersion;
  state: RunState;
  plan: PlannedStep[];
  /** all runbooks of the system as they were at the start, by name, to escalate to */
  runbooks: Record<string, PlannedStep[]>;
  /** engines of the system's sources */
  engines: string[];
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
  rewind: Rewind | null;
  /** when the forecast is looked at again, whatever happens; null, or left out: no timer runs for it */
  forecastDueAt?: string | null;
}

export type TimerRef =
  | { kind: 'retry' | 'budget' | 'timeout'; step: string; attempt: number }
  | { kind: 'rto'; percent: number }
  /** the forecast may pass the objective by then, if nothing happens before */
  | { kind: 'forecast' }
  /** `openedAt` says which opening of the gate; `n`: the round, the reminder, the rung of the escalation; of a wait 0 */
  | { kind: 'gate-lapse' | 'gate-reminder' | 'gate-escalation' | 'gate-wait'; gate: string; openedAt: string; n: number };

export type RunEvent = { at: string } & (
  | { kind: 'run-started' }
  | { kind: 'step-done'; step: string; attempt: number; summary: string | null; passedOver?: boolean; opens?: GateRequest; confirms?: { id: string; do: string }[] }
  | { kind: 'step-failed'; step: string; attempt: number; error: { type: string; message: string }; helpable: boolean }
  /** `confirms`: what is left of it people do by hand */
  | { kind: 'undo-done'; step: string; attempt: number; summary: string | null; confirms?: { id: string; do: string }[] }
  | { kind: 'undo-failed'; step: string; attempt: number; error: { type: string; message: string } }
  | { kind: 'timer-due'; timer: TimerRef }
  /** service is back since `servedAt`; `noReturn` says why turning back is over, or is null while it is not */
  | { kind: 'served'; servedAt: string | null; noReturn: string | null }
  | { kind: 'warned'; about: string; what: string }
  /** the oldest lines of the journal are in the store, as this page */
  | { kind: 'journal-kept'; page: number }
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
  /** `file`: the digest of the system file that the run goes on by; left out: as before */
  | { kind: 'retry'; step?: string | undefined; file?: string | undefined; by: string; reason?: string | undefined }
  | { kind: 'skip'; step?: string | undefined; by: string; reason: string }
  | { kind: 'abort'; by: string; reason?: string | undefined }
  | CommandEvent;

/** What a person tells the run as a whole, or a step that has not failed. */
export type CommandEvent =
  | { kind: 'hold' | 'resume'; by: string; reason?: string | undefined }
  | { kind: 'comment'; by: string; text: string }
  | { kind: 'escalate'; runbook: string; by: string; reason: string }
  | { kind: 'confirm'; step?: string | undefined; item?: string | undefined; by: string; reason?: string | undefined }
  | { kind: 'extend'; step?: string | undefined; budgetMs: number; by: string; reason: string }
  | { kind: 'severity'; severity: Severity; by: string; reason?: string | undefined }
  | ({ kind: 'choose'; latest?: true | undefined; older?: true | undefined; by: string; reason: string } & RecoveryTarget);

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
