import type { GateState, StepState } from '../domain/run-state.ts';
import { formatDuration } from '../domain/units.ts';
import { closedGate } from './create-run.ts';
import type { Draft } from './draft.ts';
import { startGateClocks } from './gate-clocks.ts';
import type { GateRequest, RunEvent } from './run-types.ts';

type Of<K extends RunEvent['kind']> = Extract<RunEvent, { kind: K }>;

/** The step of this try while it really runs: answers of earlier tries, and second answers, are nobody's. */
function running(draft: Draft, id: string, attempt: number): StepState | undefined {
  const step = draft.step(id);
  return step?.state === 'running' && step.attempt === attempt && draft.track(id).undo !== 'running' ? step : undefined;
}

export function stepDone(draft: Draft, event: Of<'step-done'>): void {
  const step = running(draft, event.step, event.attempt);
  if (!step) return;
  draft.stopStep(step);
  step.summary = event.summary;
  step.error = null;
  // A skip that was asked for, and that its gate refused.
  delete step.skippedBy;
  if (event.passedOver) {
    step.state = 'skipped';
    forgetUndo(draft, step);
    draft.note(step.id, `passed over: ${event.summary ?? ''}`);
  } else if (event.opens && !draft.snapshot.abort) {
    openGate(draft, step, event.opens, 'done');
  } else {
    step.state = 'done';
    draft.note(step.id, `done in ${formatDuration(step.elapsedMs)}${event.summary ? `: ${event.summary}` : ''}`);
  }
}

/** Nothing was done, so there is nothing to undo. */
function forgetUndo(draft: Draft, step: StepState): void {
  draft.track(step.id).undo = 'none';
  step.undo = false;
}

/** Opens a gate, new or again; from here on the step waits for people. `askedBy`: who wants it open, and so cannot approve it either. */
export function openGate(draft: Draft, step: StepState, request: GateRequest, afterGate: 'done' | 'skipped', askedBy: string[] = []): void {
  const { gates } = draft.snapshot.state;
  const approvers = gates.flatMap((other) =>
    other.gate === request.gate ? [] : other.decisions.filter(({ decision }) => decision === 'approve').map(({ by }) => by),
  );
  const before = gates.find((other) => other.gate === request.gate);
  const gate: GateState = {
    ...closedGate(step.id, request),
    ...(request.otherPeople ? { notBy: [...new Set([...askedBy, ...approvers])] } : {}),
    status: 'open',
    openedAt: draft.at,
    ...(before?.delegations ? { delegations: before.delegations } : {}),
  };
  const index = gates.findIndex((other) => other.gate === request.gate);
  if (index >= 0) gates[index] = gate;
  else gates.push(gate);
  draft.track(step.id).afterGate = afterGate;
  if (request.preApprovedFor === draft.snapshot.state.purpose) {
    gate.status = 'approved';
    gate.closedAt = draft.at;
    step.state = afterGate;
    step.endedAt = draft.at;
    draft.note(request.gate, `approved beforehand: the system file asks nobody in a ${request.preApprovedFor}`);
    return;
  }
  step.state = 'waiting';
  step.endedAt = null;
  draft.note(request.gate, `open: waits for ${request.quorum} approval${request.quorum > 1 ? 's' : ''}`);
  startGateClocks(draft, gate);
}

export function stepFailed(draft: Draft, event: Of<'step-failed'>): void {
  const step = running(draft, event.step, event.attempt);
  if (!step) return;
  const track = draft.track(step.id);
  draft.stopStep(step);
  step.error = event.error;
  track.triesLeft -= 1;
  const said = `try ${step.attempt} failed: ${event.error.type}: ${event.error.message}`;
  if (event.helpable && track.triesLeft > 0 && !draft.snapshot.abort) {
    const { everyMs } = draft.planned(step.id).retry;
    track.retryAt = new Date(Date.parse(draft.at) + everyMs).toISOString();
    step.state = 'pending';
    step.endedAt = null;
    draft.commands.push({ kind: 'start-timer', timer: { kind: 'retry', step: step.id, attempt: step.attempt }, dueAt: track.retryAt });
    draft.note(step.id, `${said}; tries again at ${track.retryAt}`);
  } else {
    step.state = 'failed';
    draft.note(step.id, said);
  }
}

/** The step whose undo of this try runs. */
function undoing(draft: Draft, id: string, attempt: number): StepState | undefined {
  const step = draft.step(id);
  const track = step && draft.track(id);
  return track?.undo === 'running' && track.undoAttempt === attempt ? step : undefined;
}

export function undoDone(draft: Draft, event: Of<'undo-done'>): void {
  const step = undoing(draft, event.step, event.attempt);
  if (!step) return;
  draft.track(step.id).undo = 'done';
  step.state = 'undone';
  step.undo = false;
  step.endedAt = draft.at;
  step.summary = event.summary;
  draft.note(step.id, `undone${event.summary ? `: ${event.summary}` : ''}`);
}

export function undoFailed(draft: Draft, event: Of<'undo-failed'>): void {
  const step = undoing(draft, event.step, event.attempt);
  if (!step) return;
  draft.track(step.id).undo = 'failed';
  step.state = 'stuck';
  step.endedAt = draft.at;
  step.error = event.error;
  draft.warn(step.id, `its undo failed: ${event.error.type}: ${event.error.message}`);
}
