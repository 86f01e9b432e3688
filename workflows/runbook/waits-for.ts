import type { ErrorType } from '../domain/errors.ts';
import { anonymous } from '../domain/messages.ts';
import { isUndoneByHand, type GateState, type StepState } from '../domain/run-state.ts';
import { isEnded, type RunSnapshot } from './run-types.ts';

/** What a run waits for, and which of it somebody means. */

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
