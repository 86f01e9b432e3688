import { HoldfastError } from '../domain/errors.ts';
import type { People } from '../domain/people.ts';
import type { CopyMode } from '../domain/restore-mode.ts';
import { findCycle } from '../domain/runbook.ts';
import type { Severity } from '../domain/messages.ts';
import type { GateState, RunState, RunTarget, StepState } from '../domain/run-state.ts';
import { reducerVersion, type GateRequest, type PlannedStep, type RunSnapshot, type StepTrack } from './run-types.ts';

export interface RunPlan {
  system: string;
  /** digest of the system file that it goes by; left out: it is no run, and goes by the file as it is */
  systemFile?: string | undefined;
  /** names the run in the store */
  run?: string | undefined;
  purpose: RunState['purpose'];
  /** it is the gate of this workflow, and no run */
  gateOf?: string | undefined;
  /** namespaces of a partial restore; left out: everything */
  only?: readonly string[] | undefined;
  /** it brings the sources home from the standby */
  homeward?: true | undefined;
  /** it restores the place that the sources live at */
  inPlace?: true | undefined;
  /** what was restored is brought into the living source */
  copies?: CopyMode | undefined;
  /** nobody is there who could answer for a step that fails */
  unattended?: boolean | undefined;
  requestedBy: string;
  incidentAt: string;
  startedAt: string;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  severity?: Severity | undefined;
  /** left out: the latest */
  target?: RunTarget | undefined;
  /** which runbook the steps are of; left out: the main one */
  runbook?: string | undefined;
  /** all that can be escalated to, by name; left out: none */
  runbooks?: Record<string, PlannedStep[]> | undefined;
  /** of the system's sources; left out: nothing is known */
  engines?: string[] | undefined;
  steps: PlannedStep[];
  /** left out: nobody is named, and anybody may do anything */
  people?: People | undefined;
}

export const closedGate = (step: string, request: GateRequest): GateState => ({
  gate: request.gate,
  step,
  description: request.description,
  status: 'pending',
  quorum: request.quorum,
  people: request.people,
  notRequester: request.notRequester,
  ...(request.proof ? { proof: request.proof } : {}),
  ...(request.clocks ? { clocks: request.clocks } : {}),
  ...(request.lastsMs === undefined ? {} : { lastsMs: request.lastsMs }),
  openedAt: null,
  closedAt: null,
  decisions: [],
});

const newTrack = (step: PlannedStep): StepTrack => ({ triesLeft: step.retry.attempts, tryStartedAt: null, retryAt: null, undo: 'none', undoAttempt: 0, afterGate: 'done', overBudget: false });

const newStep = (step: PlannedStep): StepState => ({
  id: step.id,
  uses: step.uses,
  title: step.title,
  needs: step.needs,
  state: 'pending',
  attempt: 0,
  budgetMs: step.budgetMs,
  startedAt: null,
  endedAt: null,
  elapsedMs: 0,
  error: null,
  summary: null,
  undo: false,
});

const plannedGates = (steps: readonly PlannedStep[]): GateState[] => steps.flatMap((step) => gatesOf(step).map((gate) => closedGate(step.id, gate)));

/** The gates that a step is going to open, as planned. */
export const gatesOf = ({ before, gate }: PlannedStep): GateRequest[] => [...(before ? [before] : []), ...(gate ? [gate] : [])];

/** Another runbook in place of the one that runs. Tries go on counting: an answer or a timer of before is nobody's. */
export function replacePlan(snapshot: RunSnapshot, steps: readonly PlannedStep[]): void {
  const tried = new Map(snapshot.state.steps.map(({ id, attempt }) => [id, attempt]));
  const undone = new Map(Object.entries(snapshot.tracks).map(([id, { undoAttempt }]) => [id, undoAttempt]));
  snapshot.plan = [...steps];
  snapshot.tracks = Object.fromEntries(steps.map((step) => [step.id, { ...newTrack(step), undoAttempt: undone.get(step.id) ?? 0 }]));
  snapshot.startOrder = [];
  snapshot.state.steps = steps.map((step) => ({ ...newStep(step), attempt: tried.get(step.id) ?? 0 }));
  // An elevation is the run's, whatever its runbook.
  snapshot.state.gates = [...plannedGates(steps), ...snapshot.state.gates.filter(({ lastsMs }) => lastsMs !== undefined)];
}

/**
 * A run before its first event. The plan is kept in it, and the digest of the file for all that is no plan: a system file that changes never changes a running run.
 * @throws BadInput - a step that needs an unknown one, needs in a circle, an id used twice, or no step at all.
 */
export function createRun(plan: RunPlan): RunSnapshot {
  checkPlan(plan.steps);
  Object.values(plan.runbooks ?? {}).forEach(checkPlan);
  return {
    version: reducerVersion,
    plan: plan.steps,
    runbooks: plan.runbooks ?? {},
    engines: plan.engines ?? [],
    tracks: Object.fromEntries(plan.steps.map((step) => [step.id, newTrack(step)])),
    startOrder: [],
    started: false,
    lastEventAt: plan.startedAt,
    humanMsAtService: null,
    noReturn: null,
    abort: null,
    ...(plan.people ? { people: plan.people } : {}),
    rewind: null,
    state: {
      format: 1,
      system: plan.system,
      ...(plan.run ? { run: plan.run } : {}),
      ...(plan.systemFile ? { systemFile: plan.systemFile } : {}),
      purpose: plan.purpose,
      ...(plan.gateOf !== undefined ? { gateOf: plan.gateOf } : {}),
      ...(plan.only ? { only: [...plan.only] } : {}),
      ...(plan.homeward ? { homeward: plan.homeward } : {}),
      ...(plan.inPlace ? { inPlace: plan.inPlace } : {}),
      ...(plan.copies ? { copies: plan.copies } : {}),
      ...(plan.unattended ? { unattended: true as const } : {}),
      status: 'running',
      ...(plan.severity ? { severity: plan.severity } : {}),
      ...(plan.target && Object.keys(plan.target).length > 0 ? { target: plan.target } : {}),
      requestedBy: plan.requestedBy,
      incidentAt: plan.incidentAt,
      startedAt: plan.startedAt,
      endedAt: null,
      rtoObjectiveMs: plan.rtoObjectiveMs,
      rpoObjectiveMs: plan.rpoObjectiveMs,
      servedAt: null,
      humanMs: 0,
      forecastMs: null,
      forecastBasis: null,
      ...(plan.runbook ? { runbook: plan.runbook } : {}),
      steps: plan.steps.map(newStep),
      gates: plannedGates(plan.steps),
      journal: [],
      warnings: [],
    },
  };
}

function checkPlan(steps: PlannedStep[]): void {
  const ids = new Set(steps.map((step) => step.id));
  if (steps.length === 0) throw new HoldfastError('BadInput', 'The runbook has no step.');
  if (ids.size !== steps.length) throw new HoldfastError('BadInput', 'The runbook uses a step id twice.');
  for (const step of steps) {
    const unknown = step.needs.find((need) => !ids.has(need));
    if (unknown) throw new HoldfastError('BadInput', `Step "${step.id}" needs "${unknown}", which is no step of the runbook.`);
  }
  const cycle = findCycle(steps);
  if (cycle) throw new HoldfastError('BadInput', `Steps need each other in a circle: ${cycle.join(' → ')}.`);
  const gates = steps.flatMap((step) => gatesOf(step).map(({ gate }) => gate));
  const twice = gates.find((gate, index) => gates.indexOf(gate) !== index);
  // One name, one gate: a message that names it must not be able to mean another.
  if (twice) throw new HoldfastError('BadInput', `Gate "${twice}" is opened by two steps.`);
}
