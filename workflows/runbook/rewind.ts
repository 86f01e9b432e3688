import { closedGate, gatesOf, replacePlan } from './create-run.ts';
import type { Draft } from './draft.ts';
import type { Rewind } from './run-types.ts';

/**
 * Sends steps back to their beginning. What runs of them is stopped and waited for; what holds the target or the recovery point is undone,
 * the last started first; then all of them are pending again, and start with the next tries' numbers, so that an answer of an earlier try is
 * nobody's. Other steps with an undo (a fence) stay as they are until they run again: to give a fenced primary its power back in between would
 * let it take writes that nobody recovers.
 */
export function beginRewind(draft: Draft, rewind: Rewind): void {
  const { snapshot } = draft;
  snapshot.rewind = rewind;
  for (const id of rewind.steps) {
    const step = draft.step(id)!;
    draft.track(id).retryAt = null;
    if (step.state === 'running') draft.commands.push({ kind: 'cancel-step', step: id });
    if (step.state === 'waiting') step.state = 'pending';
  }
  for (const gate of snapshot.state.gates) {
    if (gate.status !== 'open' || !rewind.steps.includes(gate.step)) continue;
    gate.status = 'pending';
    gate.closedAt = draft.at;
    draft.note(gate.gate, `closed: ${rewind.why}`);
  }
}

/** One thing further back; once nothing is left to stop or undo, the steps are as if they had never run. */
export function rewindOn(draft: Draft): void {
  const { snapshot } = draft;
  const { state, tracks } = snapshot;
  const { steps } = snapshot.rewind!;
  state.status = steps.some((id) => tracks[id]!.undo === 'failed') ? 'stuck' : 'rewinding';
  if (state.status === 'stuck' || steps.some((id) => tracks[id]!.undo === 'running' || draft.step(id)!.state === 'running')) return;
  const { to } = snapshot.rewind!;
  const next = snapshot.startOrder.findLast((id) => steps.includes(id) && (to !== undefined || draft.planned(id).renews) && tracks[id]!.undo === 'registered');
  if (next !== undefined) {
    startUndo(draft, next);
    return;
  }
  if (to !== undefined) {
    replacePlan(snapshot, snapshot.runbooks[to]!);
    state.runbook = to;
    snapshot.rewind = null;
    draft.note('run', `goes on by runbook ${to}`);
    return;
  }
  for (const id of steps) startOver(draft, id);
  // An undo that has run is registered anew, in its place, by the next start.
  snapshot.startOrder = snapshot.startOrder.filter((id) => tracks[id]!.undo !== 'none' || !steps.includes(id));
  draft.note('run', `starts again at ${steps.filter((id) => draft.planned(id).needs.every((need) => !steps.includes(need))).join(', ')}`);
  snapshot.rewind = null;
}

export function startUndo(draft: Draft, id: string): void {
  const track = draft.track(id);
  track.undo = 'running';
  track.undoAttempt += 1;
  draft.step(id)!.state = 'running';
  draft.note(id, track.undoAttempt === 1 ? 'undo started' : `undo started, try ${track.undoAttempt}`);
  draft.commands.push({ kind: 'run-undo', step: id, attempt: track.undoAttempt });
}

function startOver(draft: Draft, id: string): void {
  const step = draft.step(id)!;
  const track = draft.track(id);
  const planned = draft.planned(id);
  const undo = track.undo === 'registered' ? 'registered' : 'none';
  Object.assign(track, { triesLeft: planned.retry.attempts, tryStartedAt: null, retryAt: null, undo, afterGate: 'done', approved: false, overBudget: false, budgetEndsAt: null, timeoutAt: null });
  Object.assign(step, { state: 'pending', startedAt: null, endedAt: null, elapsedMs: 0, error: null, summary: null, undo: undo === 'registered' });
  delete step.skippedBy;
  delete step.items;
  const { state } = draft.snapshot;
  // What was approved was other data.
  state.gates = state.gates.flatMap((gate) => (gate.step !== id ? [gate] : gatesOf(planned).filter((request) => request.gate === gate.gate).map((request) => closedGate(id, request))));
}
