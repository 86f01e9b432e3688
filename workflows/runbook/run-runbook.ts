import { CancellationScope, condition, isCancellation, sleep } from '@temporalio/workflow';
import { errorTable, isErrorType } from '../domain/errors.ts';
import { amountsOf, forecastRto } from '../domain/forecast-rto.ts';
import { messageNames, type ToldProgress } from '../domain/messages.ts';
import type { Phase } from '../domain/names.ts';
import { bytesToRestore } from '../domain/recovery-point.ts';
import type { RunState, StepStatus } from '../domain/run-state.ts';
import { progressOfStep } from '../domain/step-progress.ts';
import { describeFailure } from '../failure.ts';
import { minutes } from '../domain/units.ts';
import { nowAt } from '../now-at.ts';
import { stepTypes } from '../steps/index.ts';
import type { RunResults, StepContext } from '../steps/step.ts';
import { undoStep } from '../steps/undo-step.ts';
import type { RunPlan } from './create-run.ts';
import { driveRun, type DrivenRun } from './drive-run.ts';
import { handleMessages } from './messages.ts';
import { passedOver } from './passed-over.ts';
import { isEnded, type PlannedStep, type RunEvent, type RunSnapshot } from './run-types.ts';
import { showDetails } from './show-details.ts';

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

/** What drives a run. */
export type RunbookRun = Pick<DrivenRun, 'snapshot' | 'state' | 'warn' | 'journalKept' | 'finish'>;

/** Sets up the handlers and the state of a runbook's run at once, synchronously; `finish` runs the runbook to its end: commands become step functions and undos, and their ends become events. */
export function startRunbook(options: RunbookOptions): RunbookRun {
  const scopes = new Map<string, CancellationScope>();
  let told: { heardMs: number; progress: ToldProgress } | undefined;
  /** What the workers last told, unless they have fallen silent: they tell at least every twentieth part of the time, and every 15 s at first. */
  const toldNow = (snapshot: RunSnapshot): ToldProgress | undefined => {
    const silentMs = Date.now() - (told?.heardMs ?? 0);
    return silentMs <= Math.max(minutes(2), (Date.now() - Date.parse(snapshot.state.startedAt)) / 10) ? told?.progress : undefined;
  };
  const progressed = (state: RunState, snapshot: RunSnapshot): RunState => withProgress(state, snapshot, options.results, toldNow(snapshot));

  /** After a step began or ended: the forecast is only as good as what it is made of, and that has just changed. */
  const refreshForecast = (): void => {
    const snapshot = run.snapshot();
    if (isEnded(snapshot) || snapshot.abort || snapshot.state.only) return;
    const { history, points } = options.results;
    const facts = { history, amounts: amountsOf(Object.values(points)), passedOver: passedOver(snapshot) };
    run.dispatch({ kind: 'forecast', at: nowAt(), ...forecastRto(progressed(sinceThisTry(snapshot), snapshot), facts, nowAt()) });
  };

  const contextOf = (stepId: string, attempt?: number): StepContext => {
    const given = options.context(stepId);
    const isTry = (...states: StepStatus[]): boolean => run.snapshot().state.steps.some((step) => step.id === stepId && states.includes(step.state) && (attempt === undefined || step.attempt === attempt));
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
        run.publish();
      },
      warn: (what) => void run.dispatch({ kind: 'warned', at: nowAt(), about: stepId, what }),
      served: (servedAt, noReturn) => void run.dispatch({ kind: 'served', at: nowAt(), servedAt, noReturn }),
    };
  };

  /** One step function, to its end. What it throws is the step's failure; nothing it throws can suspend the workflow. */
  const runStep = async (step: string, attempt: number): Promise<void> => {
    const scope = new CancellationScope({ cancellable: true, parent: run.shield });
    scopes.set(step, scope);
    try {
      const planned = plannedOf(step);
      const type = stepTypes[planned.uses]!;
      const outcome = await scope.run(async () => await type.run(contextOf(step, attempt), planned.with));
      run.dispatch({ kind: 'step-done', at: nowAt(), step, attempt, ...outcome });
    } catch (error) {
      const described = isCancellation(error) ? { type: 'Aborted', message: 'cancelled' } : describeFailure(error);
      run.dispatch({ kind: 'step-failed', at: nowAt(), step, attempt, error: described, helpable: canHelp(described.type) });
    }
    refreshForecast();
  };

  const runUndo = async (step: string, attempt: number): Promise<void> => {
    try {
      const planned = plannedOf(step);
      const taken = await undoStep(contextOf(step), planned);
      run.dispatch({ kind: 'undo-done', at: nowAt(), step, attempt, ...taken });
    } catch (error) {
      run.dispatch({ kind: 'undo-failed', at: nowAt(), step, attempt, error: describeFailure(error) });
    }
  };

  const plannedOf = (step: string): PlannedStep => run.snapshot().plan.find(({ id }) => id === step)!;

  const run = driveRun({
    plan: options.plan,
    workflowId: options.workflowId,
    messages: messageNames,
    act: (command) => (command.kind === 'run-step' ? runStep(command.step, command.attempt) : runUndo(command.step, command.attempt)),
    cancelStep: (step) => scopes.get(step)?.cancel(),
    details: (snapshot, at) => showDetails({ ...snapshot, state: progressed(snapshot.state, snapshot) }, at),
    stateOf: (snapshot, at) => progressed(stateNow(snapshot, at), snapshot),
    onProgress: (sent) => {
      told = { heardMs: Date.now(), progress: sent };
      refreshForecast();
      run.publish();
    },
    onTimer: refreshForecast,
    onPhase: (phase, details) => options.onPhase(phase, details),
    onSeverity: (severity) => options.onSeverity(severity),
    onEvent: options.onEvent && ((before, event, after) => options.onEvent!(before, event, after)),
  });
  handleMessages(messageNames, () => run.handle);
  return run;
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
