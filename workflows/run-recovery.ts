import { CancellationScope, CancelledFailure, defineSignal, getExternalWorkflowHandle, uuid4, workflowInfo } from '@temporalio/workflow';
import { callControl, callsAt, goBy } from './call.ts';
import { startLocked, tryCancel, trySignal } from './children.ts';
import { buildReport } from './domain/build-report.ts';
import { HoldfastError } from './domain/errors.ts';
import { runbookNames } from './domain/expand-runbook.ts';
import { sameWay } from './domain/homeward.ts';
import type { RecoverSystemInput } from './domain/inputs.ts';
import { journalCarriedLines } from './domain/journal.ts';
import { makeId } from './domain/make-id.ts';
import { anonymous } from './domain/messages.ts';
import type { RecoveryTarget } from './domain/recovery-point.ts';
import type { RunReport } from './domain/report.ts';
import type { RunState } from './domain/run-state.ts';
import type { SystemView } from './domain/system-view.ts';
import { minutes } from './domain/units.ts';
import { describeFailure, failing, failure } from './failure.ts';
import { nowAt } from './now-at.ts';
import { startRunbook, stateNow, type GivenContext, type RunbookRun } from './runbook/run-runbook.ts';
import { ActRecorder, describeUnrecorded } from './act-recorder.ts';
import { findDecision } from './runbook/find-decision.ts';
import { IncidentTeller } from './incident/incident-teller.ts';
import { comparedWhole, doubtDiffering, removePlaces } from './end-drill.ts';
import { RunNotifier } from './notify/run-notifier.ts';
import { mark } from './search-attributes.ts';
import { elevateFirst } from './steps/elevate.ts';
import { planSteps } from './steps/index.ts';
import { noResults, type RunResults } from './steps/step.ts';

/** What the entry hands over: steps, gates and people as they were then, and by its digest the file that everything else is read from, so that a changed file never changes a running run. */
export interface RunRecoveryInput {
  view: SystemView;
  /** who asked may do so only by elevation: the run asks for it before it touches anything; left out: no elevation is needed */
  elevated?: boolean | undefined;
  request: RecoverSystemInput & { incidentAt: string };
}

/** From the run to its entry: the details to show. */
export const shownSignal = defineSignal<[string]>('shown');

/**
 * The run of one recovery or drill, under the id `recover/<system>`. Started by recoverSystem only.
 * @throws Aborted - it was aborted and unwound; its details hold the report.
 */
export async function runRecovery(input: RunRecoveryInput): Promise<RunReport> {
  const recovery = await failing(() => begin(input));
  const ended = await recovery.run.finish();
  const report = await CancellationScope.nonCancellable(() => conclude(recovery));
  await recovery.teller?.end(report);
  if (ended.state.status === 'done') return report;
  const message = `${input.view.system}: the run was aborted${ended.abort?.by ? ` by ${ended.abort.by}` : ''}${ended.abort?.reason ? `: ${ended.abort.reason}` : ''}`;
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(message, [report]);
  throw failure('Aborted', message, { details: [report] });
}

interface Recovery {
  run: RunbookRun;
  results: RunResults;
  input: RunRecoveryInput;
  /** names the run in the store and on the target */
  runId: string;
  notifier: RunNotifier;
  /** writes what people decide into the audit */
  recorder: ActRecorder;
  /** tells the incident that the run belongs to; left out: it belongs to none */
  teller?: IncidentTeller | undefined;
  /** signals to the entry that are still on their way */
  shown: Promise<unknown>[];
}

/** Synchronous: handlers must stand before the first message is delivered. */
function begin(input: RunRecoveryInput): Recovery {
  if (!input?.view?.runbook || !input.request) {
    throw new HoldfastError('BadInput', 'runRecovery is started by recoverSystem, which checks what it is given.', { hint: 'start recoverSystem with {"system": "demo"}' });
  }
  const { view, request } = input;
  const info = workflowInfo();
  goBy({ system: view.system, sha256: view.digest });
  const results = noResults();
  const shown: Promise<unknown>[] = [];
  const runId = makeId(info.startTime.getTime(), uuid4());
  const notifier: RunNotifier = new RunNotifier({
    system: view.system,
    notify: view.notify,
    run: runId,
    snapshot: () => run.snapshot(),
    state: () => run.state(),
    outside: request.incident === undefined || (view.incidents?.outside ?? []).length === 0,
    onTrouble: (what) => run.warn('notify', what),
  });
  const teller = request.incident === undefined ? undefined : new IncidentTeller(view.system, request.incident);
  const recorder: ActRecorder = new ActRecorder(view.system, (what) => run.warn('audit', what));
  const recovery = { results, input, shown, notifier, recorder, runId, teller };
  mark({ system: view.system, purpose: request.purpose, severity: request.severity });
  const run: RunbookRun = startRunbook({
    plan: {
      system: view.system,
      systemFile: view.digest,
      run: recovery.runId,
      purpose: request.purpose,
      only: request.only,
      homeward: view.homeward,
      inPlace: view.inPlace,
      copies: view.copies,
      unattended: request.unattended,
      requestedBy: request.requestedBy ?? anonymous,
      incidentAt: request.incidentAt,
      startedAt: info.startTime.toISOString(),
      rtoObjectiveMs: view.rtoObjectiveMs,
      rpoObjectiveMs: view.rpoObjectiveMs,
      people: view.people,
      severity: request.severity,
      target: targetOf(request),
      runbook: request.runbook,
      runbooks: Object.fromEntries(runbookNames(view).filter((name) => sameWay(view, name, request.runbook)).map((name) => [name, planSteps(view, name)])),
      engines: Object.values(view.sources).map(({ engine }) => engine),
      steps: input.elevated ? elevateFirst(view, planSteps(view, request.runbook)) : planSteps(view, request.runbook),
    },
    results,
    workflowId: info.workflowId,
    context: () => contextOf({ ...recovery, run }),
    onSeverity: (severity) => mark({ severity }),
    onPhase: (phase, details) => {
      mark({ phase });
      shown.push(showInEntry(details));
    },
    onEvent: (before, event, after) => {
      notifier.onEvent(before, event, after);
      const decision = findDecision(before, event, after);
      if (decision) recorder.record(decision);
      teller?.tell(after);
      if (after.state.systemFile !== before.state.systemFile) void goOnBy(view.system, after.state.systemFile!, (what) => run.warn('run', what));
    },
  });
  if (view.unkept !== undefined) run.warn('run', `the store has no copy of the system file that this run goes by (${view.unkept}): where the file changes, the run stops and asks`);
  return { ...recovery, run };
}

/** A person lets the run go on by another system file: from here on it is opened, and the store is given a copy. */
async function goOnBy(system: string, sha256: string, onTrouble: (what: string) => void): Promise<void> {
  goBy({ system, sha256 });
  try {
    const { digest, unkept } = await CancellationScope.nonCancellable(() => callControl('loadSystem', { system, keep: true }, 'keep the system file that the run goes on by'));
    const why = digest === sha256 ? unkept : `the file of the worker that was asked has the digest ${digest}`;
    if (why !== undefined) onTrouble(`the store has no copy of the system file that the run goes on by: ${why}`);
  } catch (error) {
    onTrouble(`the store has no copy of the system file that the run goes on by: ${describeFailure(error).message}`);
  }
}

const targetOf = ({ targetTime, targetPosition, point, timeline, orBefore }: RecoverSystemInput): RecoveryTarget => ({
  ...(orBefore ? { orBefore } : {}),
  ...(targetTime ? { targetTime } : {}),
  ...(targetPosition ? { targetPosition } : {}),
  ...(point ? { point } : {}),
  ...(timeline ? { timeline } : {}),
});

/** The entry may be gone (terminated, or never was): the run does not mind. */
async function showInEntry(details: string): Promise<void> {
  const { parent } = workflowInfo();
  if (!parent) return;
  try {
    await CancellationScope.nonCancellable(() => getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(shownSignal, details));
  } catch {
    return;
  }
}

function contextOf(recovery: Recovery): GivenContext {
  const { view, request } = recovery.input;
  return {
    view,
    run: recovery.runId,
    target: recovery.run.snapshot().state.target ?? {},
    purpose: request.purpose,
    only: request.only ?? null,
    requestedBy: request.requestedBy ?? anonymous,
    reason: request.reason ?? null,
    takeOver: request.takeOver,
    version: request.version ?? null,
    call: callsAt(view.site),
    startChild: async (type, id, input, summary) => {
      const child = await startLocked(type, id, input, summary);
      return { started: child !== undefined, result: async () => (await child?.result()) as unknown };
    },
    signalOther: (id, signal) => trySignal(id, signal, { by: `run ${recovery.runId}` }),
    cancelOther: (id) => tryCancel(id),
    tell: (text, audience) => recovery.notifier.note(text, audience),
    journalKept: () => bookKept(recovery),
    report: () => reportOf(recovery, asIfDone(recovery)),
  };
}

/** What was said and decided is in the store, or the report names what is not: so long at most anything waits for it. */
async function bookKept({ run, recorder }: Pick<Recovery, 'run' | 'recorder'>): Promise<void> {
  const [unrecorded] = await Promise.all([recorder.settled(minutes(1)), run.journalKept(minutes(1))]);
  for (const what of describeUnrecorded(unrecorded)) run.warn('audit', what);
}

function reportOf({ input, results, run, runId }: Recovery, state: RunState): RunReport {
  const facts = { ...results, title: input.view.title, workflowId: workflowInfo().workflowId, runId, humanMsAtService: run.snapshot().humanMsAtService };
  return buildReport({ ...state, journal: state.journal.slice(-journalCarriedLines) }, facts, nowAt());
}

/** The state that the report step is to write: its own, still running, is shown as done when everything else is. */
function asIfDone({ run }: Recovery): RunState {
  const state = stateNow(run.snapshot(), nowAt());
  const open = state.steps.filter((step) => step.state !== 'done' && step.state !== 'skipped');
  if (open.some((step) => step.uses !== 'report' || step.state !== 'running')) return state;
  return { ...state, status: 'done', endedAt: nowAt(), steps: state.steps.map((step) => (open.includes(step) ? { ...step, state: 'done', endedAt: nowAt() } : step)) };
}

/** Where steps ended after the report was written, or nobody wrote one, it is written at the end. */
const reportWasLast = ({ steps }: RunState): boolean =>
  steps.some((report) => report.uses === 'report' && report.state === 'done' && report.startedAt !== null && steps.every((step) => step === report || (step.endedAt !== null && step.endedAt <= report.startedAt!)));

/** What must happen however the run ended. None of it can fail the run: what was recovered is recovered. */
async function conclude(recovery: Recovery): Promise<RunReport> {
  const { input, results, run, runId } = recovery;
  const { view, request } = input;
  const call = callsAt(view.site);
  const { status } = run.snapshot().state;
  const attempts: Promise<unknown>[] = [];
  if (Object.keys(results.points).length > 0) attempts.push(call('releaseHold', { system: view.system, run: runId }, 'let the recovery point go'));
  const isDrill = request.purpose === 'drill';
  const ended = { view, run: runId, state: run.snapshot().state, results };
  const cleanup = isDrill || ((request.only || view.copies) && status === 'done') ? await removePlaces(ended) : {};
  const doubted = isDrill ? await doubtDiffering(ended) : [];
  const failed = (await Promise.allSettled(attempts)).filter((attempt) => attempt.status === 'rejected').length;
  const left = Object.entries(cleanup).filter(([, { removed }]) => !removed).map(([source, { summary }]) => `${source}: what was restored is not removed: ${summary}`);
  // Of a drill the step leaves it to us: it could not know yet whether its place is gone. Nor, of data that is taken out, who said that they have it. And a place that stays is told.
  const isWritten = status === 'done' && !isDrill && !request.only && left.length === 0 && reportWasLast(run.snapshot().state);
  await bookKept(recovery);
  const report: RunReport = { ...reportOf(recovery, run.snapshot().state), ...(isDrill ? { cleanup, compared: comparedWhole(ended) } : {}) };
  report.warnings = [...report.warnings, ...left, ...doubted, ...(failed > 0 ? ['the hold on the recovery point could not be removed'] : [])];
  if (!isWritten) {
    try {
      await call('writeReport', { report }, 'write the report');
    } catch {
      report.warnings = [...report.warnings, 'the report could not be written; this is all there is of it'];
    }
  }
  await Promise.allSettled(recovery.shown);
  // The recovery is over, and its lock is free in a minute at the latest, whoever cannot be told.
  report.warnings = [...report.warnings, ...(await recovery.notifier.close(minutes(1)))];
  return report;
}
