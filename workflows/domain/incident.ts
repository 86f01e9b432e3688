import type { Alert } from './alert.ts';
import { mainRunbook } from './expand-runbook.ts';
import type { JournalLine } from './journal.ts';
import type { Severity } from './messages.ts';
import type { Phase } from './names.ts';
import type { RunReport } from './report.ts';

/** An incident: the clock that recoveries run against, what people say of it, who owns what, and its runs. */

export const incidentStatuses = ['investigating', 'identified', 'monitoring', 'resolved'] as const;
export type IncidentStatus = (typeof incidentStatuses)[number];

export interface IncidentState {
  format: 1;
  id: string;
  system: string;
  summary: string;
  status: IncidentStatus;
  severity: Severity | null;
  impact: string | null;
  /** service was lost: the RTO clock of its recoveries starts here */
  startedAt: string;
  openedAt: string;
  openedBy: string;
  /** as the system file had them at the opening */
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  /** by when people are promised to hear again; once it is resolved, by when it is to be reviewed; null: closed */
  nextUpdateAt: string | null;
  /** the system's runbooks that lead home */
  homeward: string[];
  owners: StepOwner[];
  /** when a person first said or did something about it; null: nobody has, and ladders go on */
  answeredAt: string | null;
  /** who is called while nobody answers */
  ladders: ClimbedLadder[];
  /** what people outside were told; left out: nothing, or it is over for them */
  outside?: { nextAt: string | null; count: number; served: boolean } | undefined;
  /** the newest 100 */
  alerts: SeenAlert[];
  runs: IncidentRun[];
  resolvedAt: string | null;
  resolvedBy: string | null;
  review: Review | null;
  closedAt: string | null;
  /** the newest; in a written record all */
  journal: JournalLine[];
  /** how many pages of older lines are in the store, and not in `journal`; left out: none */
  journalPages?: number | undefined;
  warnings: string[];
}

export interface ClimbedLadder {
  /** of the system's contacts */
  name: string;
  from: string;
  /** rungs that were reached; `over`: who was called there has been told that they are not needed any more */
  called: { rung: number; over: boolean }[];
}

export interface StepOwner {
  step: string;
  role: string;
  person: string | null;
}

export interface SeenAlert extends Pick<Alert, 'key' | 'from' | 'rule' | 'name' | 'summary' | 'link'> {
  firing: boolean;
  /** when it began */
  at: string;
  lastAt: string;
  /** how often it was told of */
  count: number;
}

export type RunKind = 'component' | 'full' | 'failback';

/** `proposed`: waits for a person; `starting`: asked for, its run has not said anything yet; `refused`: it never ran; `lost`: it ended without a word. */
export type IncidentRunStatus = Phase | 'proposed' | 'starting' | 'dismissed' | 'refused' | 'lost';

export interface IncidentRun {
  /** within the incident: r1, r2 … */
  id: string;
  kind: RunKind;
  /** null: the main one */
  runbook: string | null;
  status: IncidentRunStatus;
  /** why it was proposed or started; of a refused one why it was refused */
  why: string;
  /** who started it, or the alert that proposed it */
  by: string;
  proposedAt: string;
  /** workflow ids: the entry that was started, and the run itself */
  entry: string | null;
  workflowId: string | null;
  runId: string | null;
  /** what runs, waits or has failed, as the run said last */
  steps: { id: string; state: 'running' | 'waiting' | 'failed' | 'stuck' }[];
  servedAt: string | null;
  endedAt: string | null;
  outcome: RunReport['outcome'] | null;
  rpo: RunReport['rpo'] | null;
}

export interface Review {
  by: string;
  at: string;
  cause: string;
  lessons: string[];
  actions: string[];
}

/** A component's recovery may escalate to the full one: what it is called is what it has become. @param homeward - the runbooks that lead home */
export const kindOf = (runbook: string | null | undefined, homeward: readonly string[]): RunKind => (!runbook || runbook === mainRunbook ? 'full' : homeward.includes(runbook) ? 'failback' : 'component');

const endings: readonly IncidentRunStatus[] = ['done', 'aborted', 'dismissed', 'refused', 'lost'];
export const isOver = ({ status }: Pick<IncidentRun, 'status'>): boolean => endings.includes(status);
/** It has been started, and has not ended. */
export const goesOn = (run: Pick<IncidentRun, 'status'>): boolean => run.status !== 'proposed' && !isOver(run);

/** What a recovery tells its incident, whenever it changes. It names the end and not the way there, so that said twice it says nothing new. */
export interface RunTold {
  incident: string;
  entry: string;
  workflowId: string;
  runId: string;
  runbook: string | null;
  status: Phase | 'refused';
  why?: string | undefined;
  steps: IncidentRun['steps'];
  servedAt: string | null;
  endedAt: string | null;
  outcome: RunReport['outcome'] | null;
  rpo: RunReport['rpo'] | null;
}

/** From a recovery that begins to its incident, and back: what it is to be measured against. */
export interface JoinAsked {
  /** an incident's id, or `open` */
  incident: string;
  entry: string;
  runbook: string | null;
  by: string;
  why: string | null;
}
export type JoinAnswer = { incident: string; startedAt: string; severity: Severity | null } | { refused: string };

/** Signals between an incident and its runs; nothing for people to send. */
export const incidentSignals = { alert: 'alert', join: 'join', joined: 'joined', run: 'run' } as const;

/** Who starts a run that the system file lets start by itself. Nobody of the system's people is called so, and it may approve nothing. */
export const automatic = 'holdfast (auto: true)';

/** When service was back: by the first run that brought it, or when people said that it is over. Null: it is not. */
export function recoveredAt({ runs, resolvedAt }: Pick<IncidentState, 'runs' | 'resolvedAt'>): string | null {
  const served = runs.flatMap((run) => (run.servedAt !== null && run.status !== 'aborted' ? [run.servedAt] : [])).sort();
  return served[0] ?? resolvedAt;
}
