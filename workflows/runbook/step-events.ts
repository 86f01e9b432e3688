import type { GateState, StepState } from '../domain/run-state.ts';
import { formatDuration } from '../domain/units.ts';
import { closedGate } from './create-run.ts';
import type { Draft } from './draft.ts';
import { startGateClocks } from './gate-clocks.ts';
import { passGate } from './pass-gate.ts';
import { onFailure, tryLater } from './on-failure.ts';
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
  } else if (event.opens && !isOnWayBack(draft, step.id)) {
    openGate(draft, step, event.opens, 'done');
  } else if (event.confirms && !isOnWayBack(draft, step.id)) {
    step.state = 'waiting';
    step.endedAt = null;
    step.items = event.confirms.map((item) => ({ ...item, by: null, at: null }));
    draft.note(step.id, `waits for people to confirm ${step.items.length} item${step.items.length > 1 ? 's' : ''}`);
  } else {
    step.state = 'done';
    draft.note(step.id, `done in ${formatDuration(step.elapsedMs)}${event.summary ? `: ${event.summary}` : ''}`);
  }
}

/** What it did is about to be undone, or done again: nobody is asked about it, and it is not tried again. */
const isOnWayBack = ({ snapshot }: Draft, id: string): boolean => snapshot.abort !== null || (snapshot.rewind?.steps.includes(id) ?? false);

/** Nothing was done, so there is nothing to undo. */
function forgetUndo(draft: Draft, step: StepState): void {
  draft.track(step.id).undo = 'none';
  step.undo = false;
}

/** Opens a gate, new or again; from here on the step waits for people. `askedBy`: who wants it open, and so cannot approve it either. */
export function openGate(draft: Draft, step: StepState, request: GateRequest, afterGate: 'done' | 'skipped' | 'start', askedBy: string[] = []): void {
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
    ...(request.waitMs ? { notBefore: new Date(Date.parse(draft.at) + request.waitMs).toISOString() } : {}),
    ...(before?.delegations ? { delegations: before.delegations } : {}),
  };
  const index = gates.findIndex((other) => other.gate === request.gate);
  if (index >= 0) gates[index] = gate;
  else gates.push(gate);
  draft.track(step.id).afterGate = afterGate;
  if (request.preApprovedFor === draft.snapshot.state.purpose) {
    gate.status = 'approved';
    gate.closedAt = draft.at;
    passGate(draft, step);
    draft.note(request.gate, `approved beforehand: the system file asks nobody in a ${request.preApprovedFor}`);
    return;
  }
  step.state = 'waiting';
  step.endedAt = null;
  const until = gate.notBefore === undefined ? '' : `${request.quorum > 0 ? ', and ' : 'waits '}until ${gate.notBefore}`;
  draft.note(request.gate, `open: ${request.quorum > 0 ? `waits for ${request.quorum} approval${request.quorum > 1 ? 's' : ''}` : ''}${until}`);
  startGateClocks(draft, gate);
}

export function stepFailed(draft: Draft, event: Of<'step-failed'>): void {
  const step = running(draft, event.step, event.attempt);
  if (!step) return;
  const track = draft.track(step.id);
  draft.stopStep(step);
  const { error, helpable } = track.timedOut && !isOnWayBack(draft, step.id) ? timedOut(draft, step) : event;
  step.error = error;
  track.triesLeft -= 1;
  const said = `try ${step.attempt} failed: ${error.type}: ${error.message}`;
  if (helpable && track.triesLeft > 0 && !isOnWayBack(draft, step.id)) {
    tryLater(draft, step, said);
  } else {
    step.state = 'failed';
    draft.note(step.id, said);
    if (!isOnWayBack(draft, step.id)) onFailure(draft, step);
  }
}

const timedOut = (draft: Draft, step: StepState): { error: { type: string; message: string }; helpable: boolean } => ({
  error: { type: 'TimedOut', message: `took longer than its timeout of ${formatDuration(draft.planned(step.id).timeoutMs!)}, and was cancelled` },
  helpable: true,
});

/** The step whose undo of this try runs. */
function undoing(draft: Draft, id: string, attempt: number): StepState | undefined {
  const step = draft.step(id);
  const track = step && draft.track(id);
  return track?.undo === 'running' && track.undoAttempt === attempt && step!.state === 'running' ? step : undefined;
}

export function undoDone(draft: Draft, event: Of<'undo-done'>): void {
  const step = undoing(draft, event.step, event.attempt);
  if (!step) return;
  step.summary = event.summary;
  if (event.confirms) askForUndo(draft, step, event.confirms);
  else endUndo(draft, step);
}

/** What people confirmed of the step itself stays: it is what they are to take back. What is still open of it nobody needs any more. */
function askForUndo(draft: Draft, step: StepState, confirms: readonly { id: string; do: string }[]): void {
  step.state = 'waiting';
  step.endedAt = null;
  step.items = [...(step.items ?? []).filter(({ by }) => by !== null), ...confirms.map((item) => ({ ...item, by: null, at: null, undo: true as const }))];
  draft.note(step.id, `its undo waits for a person${step.summary ? `, behind ${step.summary}` : ''}: ${confirms.map(({ do: what }) => what).join('; ')}`);
}

/** All of it is taken back, by programs and by people. */
export function endUndo(draft: Draft, step: StepState): void {
  draft.track(step.id).undo = 'done';
  step.state = 'undone';
  step.undo = false;
  step.endedAt = draft.at;
  draft.note(step.id, `undone${step.summary ? `: ${step.summary}` : ''}`);
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
