import { approvalsAt, type GateState, type StepState } from '../domain/run-state.ts';
import type { Draft } from './draft.ts';
import { elevate, isAskedAnew } from './elevation.ts';

/** Lets on what waited, once all have approved and its time has come. @returns false: it waits on. */
export function passApproved(draft: Draft, gate: GateState): boolean {
  if (approvalsAt(gate) < gate.quorum || (gate.notBefore ?? '') > draft.at) return false;
  gate.status = 'approved';
  gate.closedAt = draft.at;
  const anew = isAskedAnew(draft.snapshot, gate);
  if (gate.lastsMs !== undefined) elevate(draft, gate);
  if (anew) return true;
  const step = draft.step(gate.step)!;
  step.error = null;
  passGate(draft, step);
  return true;
}

/** What a step becomes once its gate is approved. */
export function passGate(draft: Draft, step: StepState): void {
  const track = draft.track(step.id);
  if (track.afterGate === 'start') {
    track.approved = true;
    step.state = 'pending';
    return;
  }
  step.state = track.afterGate;
  step.endedAt = draft.at;
}
