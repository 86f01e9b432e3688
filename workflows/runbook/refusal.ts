import type { ErrorType } from '../domain/errors.ts';
import { anonymous } from '../domain/messages.ts';
import { canceller, permit } from '../domain/permissions.ts';
import { isSuperseded, isUndoneByHand, type GateState, type StepState } from '../domain/run-state.ts';
import { asksAnew, refuseAsking, refuseLapsed } from './elevation.ts';
import { refuseAtGate } from './refuse-at-gate.ts';
import { refuseCommand } from './refuse-command.ts';
import { isEnded, isGateEvent, type PersonsEvent, type RunSnapshot } from './run-types.ts';

export interface Refusal {
  type: Extract<ErrorType, 'NotWaiting' | 'NotPermitted' | 'BadInput'>;
  message: string;
}

const names = (list: readonly string[]): string => list.map((name) => `"${name}"`).join(', ');

export const openGates = (snapshot: RunSnapshot): GateState[] => snapshot.state.gates.filter((gate) => gate.status === 'open');

/** Steps that a person can answer by retry or skip: failed ones, and those whose undo failed. */
export function failedSteps(snapshot: RunSnapshot): string[] {
  const wanted = snapshot.abort || snapshot.rewind ? 'stuck' : 'failed';
  return snapshot.state.steps
    .filter((step) => step.state === wanted && snapshot.tracks[step.id]!.undo !== 'left')
    .map((step) => step.id);
}

/** Checklists that people have to confirm. */
export const waitingLists = (snapshot: RunSnapshot): StepState[] => snapshot.state.steps.filter(({ state, items }) => state === 'waiting' && items !== undefined);

/** What the run waits for, in a sentence; shown with every refusal. */
export function waitsFor(snapshot: RunSnapshot): string {
  const gates = openGates(snapshot);
  const failed = failedSteps(snapshot);
  const lists = waitingLists(snapshot);
  if (isEnded(snapshot)) return `The run has ended: ${snapshot.state.status}.`;
  const parts = [
    gates.length > 0 ? `open: ${names(gates.map((gate) => gate.gate))}` : 'no gate is open',
    ...lists.map(({ id, items, state }) => `${isUndoneByHand({ state, items }) ? 'the undo of ' : ''}"${id}" waits to be confirmed: ${names(items!.filter((item) => item.by === null).map((item) => item.id))}`),
    ...(failed.length > 0 ? [`${snapshot.abort || snapshot.rewind ? 'undo failed' : 'failed'}: ${names(failed)}`] : []),
    ...(snapshot.state.held ? [`held by ${snapshot.state.held.by} since ${snapshot.state.held.at}`] : []),
    ...(snapshot.rewind ? [`on the way back: ${snapshot.rewind.why}`] : []),
  ];
  return `Now ${parts.join('; ')}.`;
}

/** The one open gate that a decision is about. */
export function resolveGate(snapshot: RunSnapshot, wanted: string | undefined): GateState | Refusal {
  const open = openGates(snapshot);
  if (wanted === undefined) {
    if (open.length === 1) return open[0]!;
    return open.length === 0
      ? { type: 'NotWaiting', message: `Nothing waits for an approval. ${waitsFor(snapshot)}` }
      : { type: 'BadInput', message: `More than one gate is open: say which, by "gate". ${waitsFor(snapshot)}` };
  }
  const gate = snapshot.state.gates.find((candidate) => candidate.gate === wanted);
  if (!gate) return { type: 'BadInput', message: `There is no gate "${wanted}". ${waitsFor(snapshot)}` };
  if (gate.status === 'open') return gate;
  if (gate.status === 'pending') {
    // An approval that comes before its gate opens approves something that nobody has seen yet.
    return { type: 'NotWaiting', message: `Gate "${wanted}" is not open yet: it opens with step "${gate.step}". ${waitsFor(snapshot)}` };
  }
  return { type: 'NotWaiting', message: `Gate "${wanted}" is already ${gate.status}. ${waitsFor(snapshot)}` };
}

/** The one failed step (or failed undo) that a retry or skip is about. */
export function resolveFailed(snapshot: RunSnapshot, wanted: string | undefined): string | Refusal {
  const failed = failedSteps(snapshot);
  if (wanted === undefined) {
    if (failed.length === 1) return failed[0]!;
    return failed.length === 0
      ? { type: 'NotWaiting', message: `No step has failed. ${waitsFor(snapshot)}` }
      : { type: 'BadInput', message: `More than one step has failed: say which, by "step". ${waitsFor(snapshot)}` };
  }
  if (failed.includes(wanted)) return wanted;
  const step = snapshot.state.steps.find((candidate) => candidate.id === wanted);
  return step
    ? { type: 'NotWaiting', message: `Step "${wanted}" is ${step.state}, not failed. ${waitsFor(snapshot)}` }
    : { type: 'BadInput', message: `There is no step "${wanted}". Steps: ${names(snapshot.state.steps.map(({ id }) => id))}. ${waitsFor(snapshot)}` };
}

/** A failed step, or by its name what waits to be done or undone by hand, and that nobody is going to confirm. */
export function resolveSkipped(snapshot: RunSnapshot, wanted: string | undefined): string | Refusal {
  const isList = snapshot.state.steps.some((step) => step.id === wanted && step.state === 'waiting' && step.items !== undefined);
  return isList ? wanted! : resolveFailed(snapshot, wanted);
}

/** Why nobody can say that the approver is not who asked for the run, though the gate wants that; undefined when it is known. */
export function whoIsUnknown(snapshot: RunSnapshot, gate: GateState, by: string): string | undefined {
  if (!gate.notRequester) return undefined;
  if (by === anonymous) return 'approved without a name: that somebody else asked for this run (separation of duties) could not be checked';
  if (snapshot.state.requestedBy !== anonymous) return undefined;
  return `approved by ${by}, and who asked for this run gave no name: that they are two people (separation of duties) could not be checked`;
}

/** Cancel is Temporal's: whoever may cancel the workflow may. */
function refusePerson({ people }: RunSnapshot, { kind, by }: PersonsEvent): Refusal | undefined {
  if (kind === 'abort' && by === canceller) return undefined;
  const permission = permit(people, kind, by === anonymous ? undefined : by);
  return permission.may === false ? { type: 'NotPermitted', message: permission.why } : undefined;
}

/**
 * Why what a person asks cannot be done now, or undefined when it can. Changes nothing, so that an update's validator may ask.
 * @param at - now; what was lent or locked for a time depends on it. Left out: when the run last heard of anything.
 */
export function refusal(snapshot: RunSnapshot, event: PersonsEvent, at: string = snapshot.lastEventAt): Refusal | undefined {
  if (isEnded(snapshot)) return { type: 'NotWaiting', message: waitsFor(snapshot) };
  if (asksAnew(snapshot, event)) return refuseAsking(snapshot, event, at);
  const lapsed = refuseLapsed(snapshot, event, at);
  if (lapsed) return lapsed;
  // A gate says itself who answers it.
  if (isGateEvent(event)) return refuseAtGate(snapshot, event, at);
  const permitted = refusePerson(snapshot, event);
  if (permitted) return permitted;
  if (event.kind === 'abort') {
    if (snapshot.abort) return { type: 'NotWaiting', message: `The run is already being aborted, since ${snapshot.abort.at}.` };
    return snapshot.noReturn === null || isSuperseded(snapshot.state) ? undefined : { type: 'NotWaiting', message: `The run cannot be turned back: ${snapshot.noReturn}. Let it finish, then fail back.` };
  }
  if (event.kind !== 'retry' && event.kind !== 'skip') return refuseCommand(snapshot, event);
  const step = event.kind === 'skip' ? resolveSkipped(snapshot, event.step) : resolveFailed(snapshot, event.step);
  if (typeof step !== 'string') return step;
  if (event.kind === 'skip' && snapshot.rewind && snapshot.tracks[step]!.undo !== 'registered' && snapshot.tracks[step]!.undo !== 'none') {
    return { type: 'NotPermitted', message: `The undo of "${step}" cannot be left out: the next restore would go on top of what is there. Retry it, or abort.` };
  }
  const planned = snapshot.plan.find((candidate) => candidate.id === step)!;
  if (event.kind === 'skip' && !snapshot.abort && planned.skip === 'refused') {
    return { type: 'NotPermitted', message: `Step "${step}" cannot be skipped: it is an approval. Retry it to open its gate again, or abort.` };
  }
  return undefined;
}
