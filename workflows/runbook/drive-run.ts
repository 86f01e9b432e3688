import { allHandlersFinished, CancellationScope, condition, isCancellation, patched, setCurrentDetails } from '@temporalio/workflow';
import { callControl } from '../call.ts';
import { journalStateLines } from '../domain/journal.ts';
import { messageDescriptions, type MessageName, type ToldProgress } from '../domain/messages.ts';
import type { Phase } from '../domain/names.ts';
import type { RunState } from '../domain/run-state.ts';
import { describeFailure } from '../failure.ts';
import { JournalKeeper } from '../journal-keeper.ts';
import { isIdle } from './clocks.ts';
import { createRun, type RunPlan } from './create-run.ts';
import type { RunHandle } from './messages.ts';
import { reduceRun } from './reduce-run.ts';
import { waitsFor } from './waits-for.ts';
import { isEnded, type Checks, type RunCommand, type RunEvent, type RunSnapshot } from './run-types.ts';
import { phaseOf } from './show-details.ts';
import { nowAt } from '../now-at.ts';

type Act = Extract<RunCommand, { kind: 'run-step' | 'run-undo' }>;

export interface DriveOptions {
  plan: RunPlan;
  workflowId: string;
  /** what people may send */
  messages: readonly MessageName[];
  /** carries out a step or an undo, and dispatches its end; must not throw */
  act(command: Act): Promise<void>;
  cancelStep(step: string): void;
  /** what the UI shows */
  details(snapshot: RunSnapshot, at: string): string;
  /** the state with what is known of it by the clock and by the workers */
  stateOf(snapshot: RunSnapshot, at: string): RunState;
  /** hears from the workers how far their activities are */
  onProgress(told: ToldProgress): void;
  /** it has begun, or a timer has come due, and what came of it is done */
  onTimer(): void;
  /** told whenever what people see has changed */
  onPhase(phase: Phase, details: string): void;
  onSeverity(severity: RunState['severity']): void;
  /** told of every event, before anything comes of it; must not throw */
  onEvent?: ((before: RunSnapshot, event: RunEvent, after: RunSnapshot) => void) | undefined;
}

/** What is driven: `snapshot` is read by whoever writes the report; `finish` resolves once it has ended. */
export interface DrivenRun {
  snapshot(): RunSnapshot;
  /** as people see it now */
  state(): RunState;
  dispatch(event: RunEvent): RunCommand[];
  /** shows what has changed beside the events */
  publish(): void;
  /** a warning from outside of the steps: in the journal and the report */
  warn(about: string, what: string): void;
  /** waits, so long at most, until the journal's older lines are in the store */
  journalKept(withinMs: number): Promise<void>;
  finish(): Promise<RunSnapshot>;
  /** to whom messages go (handleMessages) */
  handle: RunHandle;
  /** runs out of the reach of the workflow's cancel, which is an abort */
  shield: CancellationScope;
}

/**
 * Drives the engine, whatever its steps are: a runbook (run-runbook.ts), or the gate of a workflow that has none (../gate.ts). Sets up the state at once,
 * synchronously; `finish` goes on to its end.
 *
 * The engine decides (reduceRun), this carries out: timers and checks of proofs itself, steps and undos by `act`. Cancelling the workflow means abort: what runs
 * is cancelled, then everything is undone, out of the cancel's reach.
 */
export function driveRun(options: DriveOptions): DrivenRun {
  let snapshot = createRun(options.plan);
  // A cancel of the workflow must reach steps only as an abort, and undos and timers not at all.
  const shield = new CancellationScope({ cancellable: false });
  const timers = new CancellationScope({ cancellable: true, parent: shield });
  let shownPhase: Phase | undefined;
  let shownSeverity = options.plan.severity;

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
    const details = options.details(snapshot, nowAt());
    setCurrentDetails(details);
    const phase = phaseOf(snapshot);
    if (phase !== shownPhase) options.onPhase(phase, details);
    shownPhase = phase;
    if (snapshot.state.severity !== shownSeverity) options.onSeverity(snapshot.state.severity);
    shownSeverity = snapshot.state.severity;
    keeper.look();
  };

  const state = (): RunState => ({ ...options.stateOf(snapshot, nowAt()), journal: snapshot.state.journal.slice(-journalStateLines) });

  const carryOut = (command: RunCommand): void => {
    if (command.kind === 'cancel-step') options.cancelStep(command.step);
    else void shield.run(() => begin(command));
  };

  const begin = (command: Exclude<RunCommand, { kind: 'cancel-step' }>): Promise<void> => {
    if (command.kind === 'start-timer') return runTimer(command);
    if (command.kind === 'check-proof') return runCheck(command);
    return options.act(command);
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
    options.onTimer();
  };

  /** Opens the secret on a worker; what it cannot check does not count. Out of the reach of an abort: whoever sent it waits for an answer. */
  const runCheck = async ({ check, person, by, proof, shown, decision }: RunCommand & { kind: 'check-proof' }): Promise<void> => {
    try {
      const result = await callControl('checkProof', { system: shown.system, check: `${shown.run}/${check}`, person, by, proof, shown, decision }, `check who ${by} is`);
      dispatch({ kind: 'proof-checked', at: nowAt(), check, proof: proof.kind, ...result });
    } catch (error) {
      const { type, message } = describeFailure(error);
      dispatch({ kind: 'proof-checked', at: nowAt(), check, proof: proof.kind, ok: false, wrong: false, why: `it could not be checked: ${type}: ${message}` });
    }
  };

  const keeper = new JournalKeeper({
    system: options.plan.system,
    of: { in: 'runs', id: options.plan.run ?? options.workflowId },
    lines: () => snapshot.state.journal,
    pages: () => snapshot.state.journalPages ?? 0,
    onKept: (page) => void dispatch({ kind: 'journal-kept', at: nowAt(), page }),
    onTrouble: (what) => void dispatch({ kind: 'warned', at: nowAt(), about: 'journal', what }),
  });

  const handle: RunHandle = {
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
    progress: options.onProgress,
    state,
    help: () => help(options, snapshot),
  };

  return {
    snapshot: () => snapshot,
    state,
    dispatch,
    publish,
    handle,
    shield,
    warn: (about, what) => void dispatch({ kind: 'warned', at: nowAt(), about, what }),
    journalKept: (withinMs) => keeper.settled(withinMs),
    finish: async () => {
      void abortOnCancel(dispatch, () => snapshot);
      await shield.run(async () => {
        dispatch({ kind: 'run-started', at: nowAt() });
        options.onTimer();
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

function help({ workflowId, messages }: DriveOptions, snapshot: RunSnapshot): string {
  const described = messages.map((name) => `${name}: ${messageDescriptions[name]}`);
  return [`Workflow ${workflowId}. ${waitsFor(snapshot)}`, 'Each of these is a signal and an update (an update answers):', ...described].join('\n');
}
