import type { Moment } from '../domain/notify/run-notices.ts';
import type { GateState } from '../domain/run-state.ts';
import { failedSteps, openGates, waitingLists } from './waits-for.ts';
import { commentText } from './refuse-command.ts';
import { isEnded, type RunEvent, type RunSnapshot } from './run-types.ts';

/**
 * What one event changed that people are to be told of. It looks at the run before and after, so that the engine need not know that
 * anybody is told, and however it came to a change, the change is seen.
 */
export function findMoments(before: RunSnapshot, event: RunEvent, after: RunSnapshot): Moment[] {
  const from = before.state;
  const to = after.state;
  const moments: Moment[] = [
    ...(!before.started && after.started ? [{ phase: 'started' } as const] : []),
    ...warned(before, event, after),
    ...said(before, event, after),
    ...answered(before, after, event.at),
    ...askingGates(after).filter((gate) => !isOpenIn(before, gate)).map(({ gate }): Moment => ({ phase: 'approval', gate })),
    ...askedAgain(event, after),
    ...waitingLists(after).filter(({ id }) => !isWaitingIn(before, id)).map(({ id }): Moment => ({ phase: 'confirm', step: id })),
    ...failedSteps(after).filter((step) => !hasFailedIn(before, after, step)).map((step): Moment => ({ phase: isUndoing(after) ? 'stuck' : 'failed', step })),
    ...(from.servedAt === null && to.servedAt !== null ? [{ phase: 'served' } as const] : []),
    ...(from.status !== to.status && to.status === 'done' ? [{ phase: 'resolved' } as const] : []),
    ...(from.status !== to.status && to.status === 'aborted' ? [{ phase: 'aborted' } as const] : []),
  ];
  // Whoever is asked must hear of a gate, and nobody of the rest: the workflow that it is of has its own report.
  return to.gateOf === undefined ? moments : moments.filter(({ phase }) => phase === 'approval' || phase === 'answered');
}

/** Where nobody has to approve, nobody is asked. */
const askingGates = (snapshot: RunSnapshot): GateState[] => openGates(snapshot).filter(({ quorum }) => quorum > 0);

/** What has failed is an undo: of an abort, or on the way back to another recovery point. */
export const isUndoing = ({ abort, rewind }: RunSnapshot): boolean => abort !== null || Boolean(rewind);

const isWaitingIn = (snapshot: RunSnapshot, step: string): boolean => waitingLists(snapshot).some(({ id }) => id === step);

/** A gate that was closed and opened anew asks anew. */
const isOpenIn = (snapshot: RunSnapshot, { gate, openedAt }: GateState): boolean => openGates(snapshot).some((other) => other.gate === gate && other.openedAt === openedAt);

/** A reminder, an escalation, or approvals that lapsed: whoever was asked is asked again. */
function askedAgain(event: RunEvent, after: RunSnapshot): Moment[] {
  if (event.kind !== 'timer-due' || !('gate' in event.timer)) return [];
  const { gate } = event.timer;
  const said = after.state.journal.at(-1);
  const open = openGates(after).find((other) => other.gate === gate);
  if (!open || said?.about !== gate || said.at !== event.at) return [];
  const rung = event.timer.kind === 'gate-escalation' ? open.clocks?.escalate?.[event.timer.n] : undefined;
  return [{ phase: 'approval', gate, ...(rung ? { called: rung.to, receivers: rung.receivers } : {}) }];
}

const triesOf = (snapshot: RunSnapshot, step: string): string => `${snapshot.state.steps.find(({ id }) => id === step)?.attempt}/${snapshot.tracks[step]?.undoAttempt}`;

const hasFailedIn = (before: RunSnapshot, after: RunSnapshot, step: string): boolean => failedSteps(before).includes(step) && triesOf(before, step) === triesOf(after, step);

/** Only the clock of the RTO: an overrun budget is in the next update, and a telephone that rings for everything is turned off. */
function warned(before: RunSnapshot, event: RunEvent, after: RunSnapshot): Moment[] {
  const ofClock = event.kind === 'run-started' || event.kind === 'forecast' || (event.kind === 'timer-due' && event.timer.kind === 'rto');
  if (!ofClock) return [];
  const breach = Date.parse(event.at) - Date.parse(after.state.incidentAt) >= after.state.rtoObjectiveMs;
  return after.state.warnings.filter((what) => !before.state.warnings.includes(what)).map((what): Moment => ({ phase: 'warning', what, breach }));
}

/** A refused comment leaves a line, too, but another one. */
const timesSaid = ({ state }: RunSnapshot, event: RunEvent & { kind: 'comment' }): number => state.journal.filter(({ at, by, what }) => at === event.at && by === event.by && what === commentText(event.text)).length;

const isHeld = (snapshot: RunSnapshot): boolean => Boolean(snapshot.state.held) && !isEnded(snapshot);

/** What people told the run. One that was refused changed nothing, and is in the journal only. */
function said(before: RunSnapshot, event: RunEvent, after: RunSnapshot): Moment[] {
  const { held, severity } = after.state;
  return [
    ...(!isHeld(before) && isHeld(after) ? [{ phase: 'held', by: held!.by, reason: held!.reason } as const] : []),
    ...(isHeld(before) && !isHeld(after) ? [{ phase: 'answered', of: 'held', subject: 'hold', what: event.kind === 'resume' ? `resumed by ${event.by}` : 'the run has ended' } as const] : []),
    ...(event.kind === 'severity' && before.state.severity !== severity ? [{ phase: 'severity', from: before.state.severity ?? 'not said', to: event.severity, by: event.by, reason: event.reason ?? null } as const] : []),
    ...(event.kind === 'comment' && timesSaid(after, event) > timesSaid(before, event) ? [{ phase: 'comment', by: event.by, text: event.text } as const] : []),
  ];
}

/** Nobody need answer any more: they must not go on looking for what to do. */
function answered(before: RunSnapshot, after: RunSnapshot, at: string): Moment[] {
  const gates = askingGates(before).flatMap((gate): Moment[] => {
    const now = after.state.gates.find((other) => other.gate === gate.gate);
    if (!now || (now.status === 'open' && now.openedAt === gate.openedAt)) return [];
    const by = now.decisions.map((decision) => decision.by).join(', ');
    const what = now.status === 'approved' || now.status === 'rejected' ? `${now.status} by ${by}` : 'closed, nothing to approve any more';
    const also = (gate.clocks?.escalate ?? []).filter(({ afterMs }) => Date.parse(gate.openedAt!) + afterMs <= Date.parse(at)).flatMap(({ receivers = [] }) => receivers);
    return [{ phase: 'answered', of: 'approval', subject: gate.gate, what, ...(also.length > 0 ? { also } : {}) }];
  });
  const failed = failedSteps(before).flatMap((step): Moment[] => {
    if (failedSteps(after).includes(step)) return [];
    const { state, summary } = after.state.steps.find(({ id }) => id === step)!;
    const left = after.tracks[step]!.undo === 'left';
    const what = left ? 'left as it is, not undone' : state === 'skipped' ? (summary ?? 'skipped') : after.abort && !before.abort ? 'the run is being aborted' : 'tried again';
    return [{ phase: 'answered', of: isUndoing(before) ? 'stuck' : 'failed', subject: step, what }];
  });
  const lists = waitingLists(before).filter(({ id }) => !isWaitingIn(after, id)).map(({ id }): Moment => {
    const { state, summary } = after.state.steps.find((step) => step.id === id)!;
    if (after.tracks[id]!.undo === 'left') return { phase: 'answered', of: 'confirm', subject: id, what: 'left as it is, not undone' };
    return { phase: 'answered', of: 'confirm', subject: id, what: state === 'undone' ? 'taken back by hand' : state === 'done' ? 'every item is confirmed' : state === 'skipped' ? (summary ?? 'skipped') : 'nothing to confirm any more' };
  });
  return [...gates, ...lists, ...failed];
}
