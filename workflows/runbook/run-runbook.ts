import { allHandlersFinished, CancellationScope, condition, isCancellation, patched, setCurrentDetails, sleep } from '@temporalio/workflow';
import { errorTable, isErrorType } from '../domain/errors.ts';
import { amountsOf, forecastRto } from '../domain/forecast-rto.ts';
import { messageDescriptions, messageNames, type ToldProgress } from '../domain/messages.ts';
import type { Phase } from '../domain/names.ts';
import { journalStateLines } from '../domain/journal.ts';
import { bytesToRestore } from '../domain/recovery-point.ts';
import type { RunState, StepStatus } from '../domain/run-state.ts';
import { progressOfStep } from '../domain/step-progress.ts';
import { describeFailure } from '../failure.ts';
import { minutes } from '../domain/units.ts';
import { stepTypes } from '../steps/index.ts';
import type { RunResults, StepContext } from '../steps/step.ts';
import { isIdle } from './clocks.ts';
import { createRun, type RunPlan } from './create-run.ts';
import { handleMessages } from './messages.ts';
import { JournalKeeper } from '../journal-keeper.ts';
import { passedOver } from './passed-over.ts';
import { reduceRun } from './reduce-run.ts';
import { waitsFor } from './refusal.ts';
import { isEnded, type Checks, type PlannedStep, type RunCommand, type RunEvent, type RunSnapshot } from './run-types.ts';
import { phaseOf, showDetails } from './show-details.ts';

/** What the steps are given, but for what the engine itself answers. */
export type GivenContext = Omit<StepContext, 'stepId' | 'sources' | 'now' | 'warn' | 'moved' | 'served' | 'sleep' | 'waits' | 'stillWaitsAfter' | 'results'>;

export interface RunbookOptions {
  plan: RunPlan;
  results: RunResults;
  context(stepId: string): GivenContext;
  /** told whenever what people see has changed */
  onPhase(phase: Phase, details: string): void;
  onSeverity(severity: RunState['severity']): void;
  /** told of every event, before anything comes of it; must not throw */
  onEvent?(before: RunSnapshot, event: RunEvent, after: RunSnapshot): void;
  workflowId: string;
}

/** What drives a run: `snapshot` is read by whoever writes the report; `finished` resolves once the run has ended. */
export interface RunbookRun {
  snapshot(): RunSnapshot;
  /** as people see it now, with how far its steps are */
  state(): RunState;
  /** a warning from outside of the steps: in the journal and the report */
  warn(about: string, what: string): void;
  /** waits, so long at most, until the journal's older lines are in the store */
  journalKept(withinMs: number): Promise<void>;
  finish(): Promise<RunSnapshot>;
}

const nowAt = (): string => new Date(Date.now()).toISOString();

/**
 * Sets up the handlers and the state at once, synchronously; `finish` runs the runbook to its end.
 *
 * The engine decides (reduceRun), this carries out: commands become step functions, undos and timers, and their ends become
 * events. Cancelling the workflow means abort: what runs is cancelled, then everything is undone, out of the cancel's reach.
 */
export function startRunbook(options: RunbookOptions): RunbookRun {
  let snapshot = createRun(options.plan);
  const scopes = new Map<string, CancellationScope>();
  // A cancel of the workflow must reach steps only as an abort, and undos and timers not at all.
  const shield = new CancellationScope({ cancellable: false });
  const timers = new CancellationScope({ cancellable: true, parent: shield });
  let shownPhase: Phase | undefined;
  let shownSeverity = options.plan.severity;
  let told: { heardMs: number; progress: ToldProgress } | undefined;
  /** What the workers last told, unless they have fallen silent: they tell at least every twentieth part of the time, and every 15 s at first. */
  const toldNow = (): ToldProgress | undefined => {
    const silentMs = Date.now() - (told?.heardMs ?? 0);
    return silentMs <= Math.max(minutes(2), (Date.now() - Date.parse(snapshot.state.startedAt)) / 10) ? told?.progress : undefined;
  };

  const dispatch = (event: RunEvent): RunCommand[] => {
    const before = snapshot;
    const reduced = reduceRun(snapshot, event);
    snapshot = reduced.snapshot;
    options.onEvent?.(before, event, snapshot);
    reduced.commands.forEach(carryOut);
    publish();
    return reduced.commands;
  };

  const publish = (): void => {
    const at = nowAt();
    const details = showDetails({ ...snapshot, state: withProgress(snapshot.state, snapshot, options.results, toldNow()) }, at);
    setCurrentDetails(details);
    const phase = phaseOf(snapshot);
    if (phase !== shownPhase) options.onPhase(phase, details);
    shownPhase = phase;
    if (snapshot.state.severity !== shownSeverity) options.onSeverity(snapshot.state.severity);
    shownSeverity = snapshot.state.severity;
    keeper.look();
  };

  /** After a step began or ended: the forecast is only as good as what it is made of, and that has just changed. */
  const refreshForecast = (): void => {
    if (isEnded(snapshot) || snapshot.abort || snapshot.state.only) return;
    const { history, points } = options.results;
    const facts = { history, amounts: amountsOf(Object.values(points)), passedOver: passedOver(snapshot) };
    dispatch({ kind: 'forecast', at: nowAt(), ...forecastRto(withProgress(sinceThisTry(snapshot), snapshot, options.results, toldNow()), facts, nowAt()) });
  };

  const state = (): RunState => ({ ...withProgress(stateNow(snapshot, nowAt()), snapshot, options.results, toldNow()), journal: snapshot.state.journal.slice(-journalStateLines) });

  const carryOut = (command: RunCommand): void => {
    if (command.kind === 'cancel-step') scopes.get(command.step)?.cancel();
    else void shield.run(() => begin(command));
  };

  const begin = (command: Exclude<RunCommand, { kind: 'cancel-step' }>): Promise<void> => {
    if (command.kind === 'start-timer') return runTimer(command);
    if (command.kind === 'check-proof') return runCheck(command);
    return command.kind === 'run-step' ? runStep(command.step, command.attempt) : runUndo(command.step, command.attempt);
  };

  const contextOf = (stepId: string, attempt?: number): StepContext => {
    const given = options.context(stepId);
    const isTry = (...states: StepStatus[]): boolean => snapshot.state.steps.some((step) => step.id === stepId && states.includes(step.state) && (attempt === undefined || step.attempt === attempt));
    return {
      ...given,
      stepId,
      sources: plannedOf(stepId).sources ?? Object.keys(given.view.sources),
      results: options.results,
      now: nowAt,
      sleep: (ms, summary) => sleep(ms, { summary }),
      waits: () => isTry('waiting'),
      stillWaitsAfter: async (ms, summary) => {
        // It is asked before the gate opens, while the step itself still runs.
        await condition(() => !isTry('running', 'waiting'), ms, { summary });
        return isTry('waiting');
      },
      moved: () => {
        // It may have told of the very piece that has finished: counted twice, it would be too much.
        told = undefined;
        publish();
      },
      warn: (what) => void dispatch({ kind: 'warned', at: nowAt(), about: stepId, what }),
      served: (servedAt, noReturn) => void dispatch({ kind: 'served', at: nowAt(), servedAt, noReturn }),
    };
  };

  /** One step function, to its end. What it throws is the step's failure; nothing it throws can suspend the workflow. */
  const runStep = async (step: string, attempt: number): Promise<void> => {
    const scope = new CancellationScope({ cancellable: true, parent: shield });
    scopes.set(step, scope);
    try {
      const planned = plannedOf(step);
      const type = stepTypes[planned.uses]!;
      const outcome = await scope.run(async () => await type.run(contextOf(step, attempt), planned.with));
      dispatch({ kind: 'step-done', at: nowAt(), step, attempt, ...outcome });
    } catch (error) {
      const described = isCancellation(error) ? { type: 'Aborted', message: 'cancelled' } : describeFailure(error);
      dispatch({ kind: 'step-failed', at: nowAt(), step, attempt, error: described, helpable: canHelp(described.type) });
    }
    refreshForecast();
  };

  const runUndo = async (step: string, attempt: number): Promise<void> => {
    try {
      const planned = plannedOf(step);
      const { summary } = await stepTypes[planned.uses]!.undo!(contextOf(step), planned.with);
      dispatch({ kind: 'undo-done', at: nowAt(), step, attempt, summary });
    } catch (error) {
      dispatch({ kind: 'undo-failed', at: nowAt(), step, attempt, error: describeFailure(error) });
    }
  };

  const runTimer = async ({ timer, dueAt }: RunCommand & { kind: 'start-timer' }): Promise<void> => {
    // A run that began before the engine looked by itself goes on without.
    if (timer.kind === 'forecast' && !patched('watch-forecast')) return;
    const summary = timer.kind === 'forecast' ? 'look whether the forecast passes the RTO objective' : timer.kind === 'rto' ? `${timer.percent} % of the RTO objective` : `${timer.kind} of ${'gate' in timer ? timer.gate : timer.step}`;
    try {
      // One that nobody needs any more would stand in the UI's timeline as if something were still awaited.
      if (await timers.run(() => condition(() => isIdle(snapshot, timer, dueAt), Math.max(1, Date.parse(dueAt) - Date.now()), { summary }))) return;
    } catch (error) {
      if (isCancellation(error)) return;
      throw error;
    }
    dispatch({ kind: 'timer-due', at: nowAt(), timer });
    refreshForecast();
  };

  /** Opens the secret on a worker; what it cannot check does not count. Out of the reach of an abort: whoever sent it waits for an answer. */
  const runCheck = async ({ check, person, by, proof, shown, decision }: RunCommand & { kind: 'check-proof' }): Promise<void> => {
    try {
      const { call } = options.context('');
      const result = await call('checkProof', { system: shown.system, check: `${shown.run}/${check}`, person, by, proof, shown, decision }, `check who ${by} is`);
      dispatch({ kind: 'proof-checked', at: nowAt(), check, proof: proof.kind, ...result });
    } catch (error) {
      const { type, message } = describeFailure(error);
      dispatch({ kind: 'proof-checked', at: nowAt(), check, proof: proof.kind, ok: false, wrong: false, why: `it could not be checked: ${type}: ${message}` });
    }
  };

  const plannedOf = (step: string): PlannedStep => snapshot.plan.find(({ id }) => id === step)!;

  const keeper = new JournalKeeper({
    system: options.plan.system,
    of: { in: 'runs', id: options.plan.run ?? options.workflowId },
    lines: () => snapshot.state.journal,
    pages: () => snapshot.state.journalPages ?? 0,
    onKept: (page) => void dispatch({ kind: 'journal-kept', at: nowAt(), page }),
    onTrouble: (what) => void dispatch({ kind: 'warned', at: nowAt(), about: 'journal', what }),
  });

  handleMessages({
    snapshot: () => snapshot,
    ask: (event) => dispatch({ ...event, at: nowAt() }).find((command) => command.kind === 'check-proof')?.check,
    outcome: async (check) => {
      const result = (): Checks['results'][number] | undefined => snapshot.checks?.results.find((one) => one.check === check);
      await shield.run(() => condition(() => result() !== undefined));
      return result()!.refused;
    },
    now: nowAt,
    unreadable: (name, problem) => void dispatch({ kind: 'noted', at: nowAt(), about: 'run', what: `${name} not accepted: ${problem}` }),
    answer: () => ({ accepted: true, status: snapshot.state.status, waitsFor: waitsFor(snapshot) }),
    progress: (sent) => {
      told = { heardMs: Date.now(), progress: sent };
      refreshForecast();
      publish();
    },
    state,
    help: () => help(options.workflowId, snapshot),
  });

  return {
    snapshot: () => snapshot,
    state,
    warn: (about, what) => void dispatch({ kind: 'warned', at: nowAt(), about, what }),
    journalKept: (withinMs) => keeper.settled(withinMs),
    finish: async () => {
      void abortOnCancel(dispatch, () => snapshot);
      await shield.run(async () => {
        dispatch({ kind: 'run-started', at: nowAt() });
        refreshForecast();
        await condition(() => isEnded(snapshot));
        timers.cancel();
        await condition(allHandlersFinished);
      });
      return snapshot;
    },
  };
}

/** Cancel asks for the same as the message abort: an orderly way back. Where there is none, the run says so and finishes. */
async function abortOnCancel(dispatch: (event: RunEvent) => unknown, snapshot: () => RunSnapshot): Promise<void> {
  try {
    await CancellationScope.current().cancelRequested;
  } catch {
    if (!isEnded(snapshot())) dispatch({ kind: 'abort', at: nowAt(), by: 'cancel', reason: 'the workflow was cancelled' });
  }
}

/** Whether the runbook's own retries may try again: not what the table of errors knows to be beyond help. */
const canHelp = (type: string): boolean => !isErrorType(type) || errorTable[type].retryable;

/** For the forecast a step has begun when its present try has: what an earlier one took is no part of what this one takes. */
const sinceThisTry = ({ state, tracks }: RunSnapshot): RunState => ({ ...state, steps: state.steps.map((step) => ({ ...step, startedAt: tracks[step.id]!.tryStartedAt ?? step.startedAt })) });

/** How far the steps are that run: the state's own events do not know. */
function withProgress(state: RunState, { plan }: Pick<RunSnapshot, 'plan'>, { points, restored }: RunResults, told: ToldProgress | undefined): RunState {
  // Where each source is restored by a step of its own, each is told of what is its own.
  const bytesOf = (stepId: string): number => (plan.find(({ id }) => id === stepId)!.sources ?? Object.keys(points)).reduce((sum, source) => sum + (points[source] ? bytesToRestore(points[source]) : 0), 0);
  return {
    ...state,
    steps: state.steps.map((step) => {
      if (step.state !== 'running') return step;
      const of = step.uses === 'restore' ? bytesOf(step.id) : 0;
      const work = of > 0 ? restored[step.id]?.work(of) : undefined;
      const progress = progressOfStep({ ...step, work }, told?.activities ?? [], Date.now());
      return { ...step, ...(work ? { work } : {}), ...(progress ? { progress } : {}) };
    }),
  };
}

/** The state as people see it: a step that runs has its time up to now. */
export function stateNow(snapshot: RunSnapshot, at: string): RunState {
  return {
    ...snapshot.state,
    steps: snapshot.state.steps.map((step) => {
      const since = snapshot.tracks[step.id]!.tryStartedAt;
      return since === null ? step : { ...step, elapsedMs: step.elapsedMs + Math.max(0, Date.parse(at) - Date.parse(since)) };
    }),
  };
}

function help(workflowId: string, snapshot: RunSnapshot): string {
  const messages = messageNames.map((name) => `${name}: ${messageDescriptions[name]}`);
  return [`Workflow ${workflowId}. ${waitsFor(snapshot)}`, 'Each of these is a signal and an update (an update answers):', ...messages].join('\n');
}

