import type { GateRung } from './contacts.ts';
import type { Elevation } from './elevation.ts';
import type { JournalLine } from './journal.ts';
import type { ProofKind } from './people.ts';
import type { Severity } from './messages.ts';
import type { Progress, Work } from './progress.ts';
import type { RecoveryTarget } from './recovery-point.ts';
import type { CopyMode } from './restore-mode.ts';
import { formatDuration } from './units.ts';

/** The whole state of a run, as the query `state` answers it and the report keeps it. */

export type StepStatus = 'pending' | 'waiting' | 'running' | 'done' | 'skipped' | 'failed' | 'undone' | 'stuck';

/** `held`: no new step starts until somebody resumes. `rewinding`: steps are stopped and undone, to start again from another recovery point. */
export type RunStatus = 'running' | 'paused' | 'held' | 'rewinding' | 'compensating' | 'done' | 'aborted' | 'stuck';

export interface StepState {
  id: string;
  uses: string;
  title: string;
  needs: string[];
  state: StepStatus;
  /** number of the try that is running or was the last; 0 before the first */
  attempt: number;
  budgetMs: number | null;
  startedAt: string | null;
  endedAt: string | null;
  /** over all tries, without waiting for people */
  elapsedMs: number;
  error: { type: string; message: string } | null;
  /** one line for people: what came of it */
  summary: string | null;
  /** who asked to go on without it; left out: nobody, whatever the state */
  skippedBy?: string | undefined;
  /** what activities of this try have finished; what is under way says so itself, by heartbeat. Left out: not known */
  work?: Work | undefined;
  /** how far it is, as the workers last told the workflow; a heartbeat knows better. Left out: not known */
  progress?: Progress | undefined;
  /** there is something to undo */
  undo: boolean;
  /** a checklist that people confirm, item by item; left out: none, or it has not been asked for yet */
  items?: ChecklistItem[] | undefined;
}

export interface ChecklistItem {
  id: string;
  do: string;
  /** who confirmed it, and when; null: nobody yet */
  by: string | null;
  at: string | null;
  /** it takes back what the step did; left out: it is what the step does */
  undo?: true | undefined;
}

/** One runbook given up for another. */
export interface Escalation {
  from: string;
  to: string;
  by: string;
  why: string;
  at: string;
  /** of the runbook that was given up, as they were before the way back */
  steps: { id: string; uses: string; state: StepStatus; elapsedMs: number; summary: string | null; error: StepState['error'] }[];
}

export interface GateState {
  gate: string;
  step: string;
  description: string;
  status: 'pending' | 'open' | 'approved' | 'rejected';
  /** 0: nobody is asked, and who may answer can say no until `notBefore` */
  quorum: number;
  people: string[];
  notRequester: boolean;
  /** people who may not approve it because they approved another gate of this run; left out: nobody */
  notBy?: string[] | undefined;
  /** what an approval must be proved by; left out: nothing, and names are claimed */
  proof?: GateProof | undefined;
  /** how often it was asked: approvals that did not come together in time lapse, and it is asked anew; left out: once */
  round?: number | undefined;
  /** when the approvals of this round lapse; left out: never */
  lapsesAt?: string | undefined;
  /** nothing goes on before, however many approved; left out: at once */
  notBefore?: string | undefined;
  clocks?: GateClocks | undefined;
  /** what it lends holds for so long; left out: it lends nothing */
  lastsMs?: number | undefined;
  /** who was called because nobody had answered; they may answer too */
  escalatedTo?: string[] | undefined;
  /** rights to answer that people handed on, for a time */
  delegations?: { from: string; to: string; at: string; until: string; proof: DecisionProof }[] | undefined;
  openedAt: string | null;
  closedAt: string | null;
  decisions: { by: string; decision: 'approve' | 'reject'; reason: string | null; at: string; proof: DecisionProof; onBehalfOf?: string | undefined }[];
}

/** What is known of who decided: only what they say, or what a code or a signature proved. */
export type DecisionProof = 'claimed' | ProofKind;
export type GateProof = ProofKind | 'any';

/** What happens while a gate is open and nobody answers, counted from its opening. */
export interface GateClocks {
  expiresAfterMs?: number | undefined;
  remindEveryMs?: number | undefined;
  escalate?: GateRung[] | undefined;
}

export type JournalEntry = JournalLine & { about: string };

export type RunTarget = RecoveryTarget & { older?: number | undefined };

/** What waits at a gate and is no run of a runbook (workflows/gate.ts). */
export type GatePurpose = 'retention' | 'disposal';

export interface RunState {
  format: 1;
  system: string;
  /** names the run in the store; left out: not known */
  run?: string | undefined;
  /** SHA-256 of the text of the system file that it goes by: that of its start, or another that a person let it go on by. Left out: it is no run */
  systemFile?: string | undefined;
  purpose: 'recovery' | 'drill' | 'backup' | GatePurpose;
  /** it is no run, but the gate of the workflow of this id, which takes its messages: no time to recover counts, and a rejection ends it. Left out: a run */
  gateOf?: string | undefined;
  /** namespaces of a partial restore, as typed: it has no RTO and moves no traffic. Left out: everything */
  only?: string[];
  /** a failback: the sources go home from the standby; left out: to the standby */
  homeward?: true;
  /** the place that the sources live at is restored; left out: a place of the run's own */
  inPlace?: true;
  /** what was chosen is copied into the living source, and for a swap takes its place; left out: it waits on a server of its own */
  copies?: CopyMode;
  /** a step that fails ends it, and it is undone: nobody is there to answer. Left out: it waits for people */
  unattended?: true;
  status: RunStatus;
  /** as people judge it now; left out: nobody has said */
  severity?: Severity | undefined;
  /** who asked that nothing new starts; null, or left out: nobody */
  held?: { by: string; reason: string | null; at: string } | null;
  /** what was asked for first, or chosen since; `older`: how many bases were given up for an older one. Left out: the latest */
  target?: RunTarget | undefined;
  /** which of the system's runbooks runs; left out: the main one */
  runbook?: string | undefined;
  /** left out: none */
  escalations?: Escalation[] | undefined;
  requestedBy: string;
  /** the newest, in force or over; left out: who asked needs none, or has not got it */
  elevation?: Elevation | undefined;
  incidentAt: string;
  startedAt: string;
  endedAt: string | null;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  /** service was back: the clock's end */
  servedAt: string | null;
  /** while no machine worked and a person was waited for */
  humanMs: number;
  forecastMs: number | null;
  forecastBasis: string | null;
  steps: StepState[];
  gates: GateState[];
  /** the newest; in a written report all */
  journal: JournalEntry[];
  /** how many pages of older lines are in the store, and not in `journal`; left out: none */
  journalPages?: number | undefined;
  warnings: string[];
}

/** A gate's own work is none, and a checklist's is its people's. */
export const isWait = ({ uses, items }: StepState): boolean => uses === 'approval' || items?.some(({ undo }) => undo !== true) === true;

/** How long people were waited for, by a step that is nothing else and has ended; null of any other. */
export const waitedMsOf = (step: StepState): number | null =>
  isWait(step) && step.startedAt !== null && step.endedAt !== null ? Date.parse(step.endedAt) - Date.parse(step.startedAt) : null;

/** How long a step took; of one that only waits, how long it waited. */
export function tookOf(step: StepState): string {
  const waitedMs = waitedMsOf(step);
  return waitedMs === null ? formatDuration(step.elapsedMs) : `waited ${formatDuration(waitedMs)}`;
}

/** A person is to take back by hand what the step did, and nothing else is undone before. */
export const isUndoneByHand = ({ state, items }: Pick<StepState, 'state' | 'items'>): boolean => state === 'waiting' && items?.some(({ undo, by }) => undo === true && by === null) === true;

export const approvalsAt = ({ decisions }: GateState): number => decisions.filter(({ decision }) => decision === 'approve').length;

/**
 * Traffic has been let in to the new side, all of it, and this is what is still to be done of the runbook, or has failed; the time to recover is over.
 * Undefined: service is not back, or the run has ended.
 */
export function leftAfterService({ servedAt, endedAt, steps }: Pick<RunState, 'servedAt' | 'endedAt' | 'steps'>): StepState[] | undefined {
  const isOver = ({ state }: StepState): boolean => state === 'done' || state === 'skipped';
  if (servedAt === null || endedAt !== null || steps.some((step) => step.uses === 'switch' && !isOver(step))) return undefined;
  return steps.filter((step) => !isOver(step));
}

/** `recovered; 2 things left: warm-cache (failed), report`. */
export const describeLeft = (left: readonly StepState[]): string =>
  `recovered; ${left.length} ${left.length === 1 ? 'thing' : 'things'} left: ${left.map(({ id, state }) => `${id}${state === 'pending' ? '' : ` (${state})`}`).join(', ')}`;

/**
 * Another control plane has the command: no try of this run can change anything any more, and what it has done is that one's to keep or to take back.
 * That stays true of a step that was undone, left as it is or passed over after it had been refused.
 */
export const isSuperseded = ({ steps }: Pick<RunState, 'steps'>): boolean => steps.some(({ error }) => error?.type === 'EpochSuperseded');
