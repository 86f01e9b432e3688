import { CancellationScope, CancelledFailure, condition, defineSignal, setCurrentDetails, setHandler, sleep, workflowInfo, type ChildWorkflowHandle, type Workflow } from '@temporalio/workflow';
import { callControl } from './call.ts';
import { startLocked } from './children.ts';
import { HoldfastError } from './domain/errors.ts';
import { runbookNames } from './domain/expand-runbook.ts';
import { parseInput, recoverSystemInput, type RecoverSystemInput } from './domain/inputs.ts';
import { messageDescriptions, messageNames } from './domain/messages.ts';
import { lockIds } from './domain/names.ts';
import { bringsWhole, copiesOf, drillView, isInPlace, viewFor } from './domain/homeward.ts';
import type { DryRunReport } from './domain/recovery-plan.ts';
import { momentAsked } from './domain/recovery-point.ts';
import type { RunReport } from './domain/report.ts';
import { runbookOfMode } from './domain/restore-mode.ts';
import { beginsAtTick, surpriseTicks } from './domain/surprise.ts';
import type { SystemView } from './domain/system-view.ts';
import { dryRun } from './dry-run.ts';
import { failure, surfacing } from './failure.ts';
import { shownSignal, type RunRecoveryInput } from './run-recovery.ts';
import { hearJoined, joinIncident, tellRefused } from './incident/join-incident.ts';
import { admit } from './permit.ts';
import { skip, tellingOfSchedule, type Skipped } from './scheduled.ts';
import { mark } from './search-attributes.ts';
import { requireOf } from './sources.ts';
import { planSteps } from './steps/index.ts';

/**
 * Recovers a system: the entry, under any id. The run itself is its child `recover/<system>`, so that there is one at a time; messages
 * sent here are passed on to it. Cancel here means abort there, and waits until everything is undone.
 *
 * @param typed - RecoverSystemInput as a person types it, or the bare name of a system.
 * With `surprise` the run begins at some moment of that time; until then nothing is locked, and nobody is told.
 * With `dryRun` no run is started: it answers what one would do, and what would fail.
 *
 * @throws BadInput, TargetTimeInFuture, UnknownSystem, BadSystemFile, NotPermitted, AlreadyRunning - at once, nothing was touched.
 * @throws Aborted - the run was unwound; its details hold the report.
 */
export async function recoverSystem(typed: unknown): Promise<RunReport | DryRunReport | Skipped> {
  let child: ChildWorkflowHandle<Workflow> | undefined;
  const passOn = (name: string, sent: unknown): Promise<void> =>
    // Out of a cancel's reach: an abort may get stuck, and then it is a message that frees it.
    CancellationScope.nonCancellable(async () => {
      await condition(() => child !== undefined);
      await tell(child!, name, ...(sent === undefined ? [] : [sent]));
    });
  for (const name of messageNames) {
    setHandler(defineSignal<[unknown]>(name), (sent) => passOn(name, sent), { description: messageDescriptions[name] });
  }
  setHandler(shownSignal, (details) => setCurrentDetails(details), { description: 'Sent by the run: what it shows.' });

  let asked: RecoverSystemInput | undefined;
  const joined = hearJoined();
  return await surfacing(() => tellingOfSchedule(async (way) => {
    const request = parseInput('recoverSystem', recoverSystemInput, typed);
    const workflowId = lockIds.recover(request.system);
    checkRequest(request, workflowId);
    asked = request;
    lookBack(request);
    way.drill = request.unattended;
    // What is only tried, and what begins later, leaves nothing in the store.
    let loaded = await loadSystem(request, !request.dryRun && request.surprise === undefined);
    const runbook = runbookOfMode(loaded, request);
    if (runbook !== undefined) request.runbook = runbook;
    let view = request.purpose === 'drill' ? drillView(loaded) : viewFor(loaded, runbook);
    checkInPlace(request, loaded);
    checkCopies(request, loaded);
    way.view = loaded;
    const elevated = await admit('recoverSystem', view, request);
    checkRunbook(request, view);
    checkPartial(request, view);
    if (request.dryRun) {
      mark({ system: view.system, purpose: 'dry-run' });
      return await dryRun(view, request);
    }
    if (request.surprise !== undefined) {
      await awaitSurprise(request.system, request.surprise);
      // The file may have changed since.
      loaded = way.view = await loadSystem(request, true);
      view = drillView(loaded);
      checkRunbook(request, view);
    }
    const incident = request.incident === undefined ? undefined : await joinIncident(request, joined);
    const severity = request.severity ?? incident?.severity ?? undefined;
    mark({ system: view.system, purpose: request.purpose, severity });
    const incidentAt = incident?.startedAt ?? request.incidentAt ?? (request.surprise === undefined ? workflowInfo().startTime : new Date(Date.now())).toISOString();
    // What was asked for first: the UI shows the input from its beginning, and the view is long.
    const input: RunRecoveryInput = { request: { ...request, ...(severity ? { severity } : {}), ...(incident ? { incident: incident.incident } : {}), incidentAt }, ...(elevated ? { elevated } : {}), view };
    const started = await CancellationScope.nonCancellable(() => startLocked('runRecovery', workflowId, input, `${request.purpose} of ${request.system}`));
    // The run of a drill that nobody watches tells only those who hear of drills at all.
    way.handedOn = started === undefined ? request.ifRunning === 'skip' : !request.unattended;
    if (!started && request.ifRunning === 'skip') return skip(`a run of ${view.system} goes on already: workflow \`${workflowId}\``);
    if (!started) throw alreadyRunning(request.system, workflowId);
    child = started;
    setCurrentDetails(`The run is workflow \`${workflowId}\`: its details, its state and its messages are there. Signals sent here are passed on.`);
    return await resultOf(started);
  })).catch(async (error: unknown) => {
    // The run itself tells its incident how it ended; of one that never ran nobody else would.
    if (asked?.incident !== undefined && !child) await CancellationScope.nonCancellable(() => tellRefused(asked!, joined.answer, error));
    throw error;
  });
}

/** A drill from a moment so long ago: a schedule knows no date. */
function lookBack(request: RecoverSystemInput): void {
  if (request.ago === undefined) return;
  request.targetTime = new Date(workflowInfo().startTime.getTime() - request.ago).toISOString();
  request.orBefore = true;
}

/** @param keep - a run is about to begin, and is to go by this text to its end */
const loadSystem = async ({ system }: RecoverSystemInput, keep: boolean): Promise<SystemView> =>
  await callControl('loadSystem', { system, ...(keep ? { keep } : {}) }, `read systems/${system}.yaml${keep ? ', and keep it for the run' : ''}`);

async function awaitSurprise(system: string, windowMs: number): Promise<void> {
  const { count, everyMs } = surpriseTicks(windowMs);
  const until = new Date(workflowInfo().startTime.getTime() + windowMs).toISOString();
  setCurrentDetails(`A surprise drill of ${system} begins at some moment until ${until}. Which, is drawn when it has come: nobody knows it before. Cancel this workflow, and none begins.`);
  for (let tick = 0; !beginsAtTick(tick, count, Math.random()); tick += 1) await sleep(everyMs, { summary: 'not yet' });
}

function checkRequest(request: RecoverSystemInput, lockId: string): void {
  const info = workflowInfo();
  const { targetTime, incidentAt } = request;
  if (info.workflowId === lockId) {
    throw new HoldfastError('BadInput', `The workflow id ${lockId} is the lock of the run itself.`, { hint: 'start recoverSystem under any other id' });
  }
  const nowMs = info.startTime.getTime();
  if (targetTime && Date.parse(targetTime) > nowMs) {
    throw new HoldfastError('TargetTimeInFuture', `recoverSystem: field "targetTime" is ${targetTime}, and now it is ${info.startTime.toISOString()}.`, {
      hint: 'leave it out to recover to the latest point',
    });
  }
  // A minute of grace: clocks differ.
  if (incidentAt && Date.parse(incidentAt) > nowMs + 60_000) {
    throw new HoldfastError('BadInput', `recoverSystem: field "incidentAt" is ${incidentAt}, which is in the future: now it is ${info.startTime.toISOString()}.`);
  }
}

/** All of them, as one may be escalated to in the middle of a night. @throws BadInput - none of that name. @throws BadSystemFile */
function checkRunbook({ runbook }: RecoverSystemInput, view: SystemView): void {
  const names = runbookNames(view);
  if (runbook !== undefined && !names.includes(runbook)) throw new HoldfastError('BadInput', `recoverSystem: field "runbook" is "${runbook}", and ${view.system} has ${names.join(', ')}.`);
  for (const name of names) planSteps(view, name);
}

/** @throws BadInput - in place to the latest, which is what is there. @throws Unsupported - what would replace what serves by less than all of it, or for a drill. */
function checkInPlace(request: RecoverSystemInput, loaded: SystemView): void {
  if (!isInPlace(loaded, request.runbook)) return;
  if (request.purpose === 'drill') throw new HoldfastError('Unsupported', 'A drill leaves production alone, and in place is production: drill another runbook.');
  if (request.only) throw new HoldfastError('Unsupported', 'A partial restore is for taking data out, and replaces nothing: leave out "mode" and "runbook", or "only".');
  if (!momentAsked(request)) throw new HoldfastError('BadInput', 'recoverSystem: in place goes back to an earlier moment, and none is given.', { hint: 'give targetTime, targetPosition or point; to move to another server, leave out "mode"' });
}

/** @throws BadInput - nothing was chosen, or something where whole databases go. @throws Unsupported - a drill, which writes nothing into what lives; a source that cannot do it. */
function checkCopies({ purpose, only, runbook }: RecoverSystemInput, loaded: SystemView): void {
  const copies = copiesOf(loaded, runbook);
  if (!copies) return;
  if (purpose === 'drill') throw new HoldfastError('Unsupported', `A drill leaves production alone, and mode ${copies} copies into it: drill another runbook.`);
  const sources = Object.keys(loaded.sources);
  if (bringsWhole(loaded, copies)) {
    if (only) throw new HoldfastError('BadInput', `recoverSystem: mode ${copies} brings whole databases of ${sources.join(', ')}, and "only" chooses a part.`, { hint: 'leave out only; chosen tables go back by mode rows' });
    return;
  }
  for (const source of sources) requireOf(loaded, source, copies === 'rows' ? 'rows' : 'partial');
  if (!only) throw new HoldfastError('BadInput', `recoverSystem: mode ${copies} is of chosen ${copies === 'rows' ? 'tables' : 'collections'}, and none are chosen.`, { hint: 'give only: ["shop.orders"]; to take everything back, mode in-place or swap' });
}

/** @throws Unsupported - a partial restore that could not say which source is meant, or would end before anybody could take the data out. */
function checkPartial({ only, runbook }: RecoverSystemInput, view: SystemView): void {
  if (!only) return;
  if (view.homeward) throw new HoldfastError('Unsupported', `A partial restore does not go home: leave out "runbook", or "only".`);
  const sources = Object.keys(view.sources);
  if (sources.length > 1) throw new HoldfastError('Unsupported', `${view.system} has ${sources.length} sources, and a partial restore can be of one only: which of them is meant cannot be said yet.`);
  // Of what is restored whole, and only put back in part, nothing has to be chosen before.
  if (view.copies !== 'rows') sources.forEach((source) => requireOf(view, source, 'partial'));
  if (!view.copies && !planSteps(view, runbook).some(({ uses }) => uses === 'report')) {
    throw new HoldfastError('Unsupported', `The runbook of ${view.system} has no step that uses report: a partial restore waits there until the data was taken out.`);
  }
}

const alreadyRunning = (system: string, workflowId: string): Error =>
  failure('AlreadyRunning', `A run of ${system} goes on already: workflow ${workflowId}.`, {
    hint: `follow it by "holdfast status ${system}" or by its id in the UI; to replace it, send it the signal abort first`,
  });

/** A run that has just ended takes no message any more; its result is on the way. */
async function tell(child: ChildWorkflowHandle<Workflow>, name: string, ...args: unknown[]): Promise<void> {
  try {
    await child.signal(name, ...args);
  } catch {
    return;
  }
}

/** Waits for the run. A cancel of the entry becomes an abort of the run, and is obeyed once the run has ended. */
async function resultOf(child: ChildWorkflowHandle<Workflow>): Promise<RunReport> {
  let cancelled = false;
  const scope = CancellationScope.current();
  void scope.cancelRequested.catch(async () => {
    cancelled = true;
    await CancellationScope.nonCancellable(() => tell(child, 'abort', { by: 'cancel', reason: 'the entry was cancelled' }));
  });
  try {
    return (await CancellationScope.nonCancellable(() => child.result())) as RunReport;
  } catch (error) {
    if (cancelled) throw new CancelledFailure('cancelled: the run was aborted and unwound', [], error as Error);
    throw error;
  }
}
