import { describeWhen, whenHolds } from '../domain/condition.ts';
import { isSuperseded, type StepState } from '../domain/run-state.ts';
import type { Draft } from './draft.ts';
import { leavesProduction } from './passed-over.ts';
import { rewindOn, startUndo } from './rewind.ts';
import { isEnded, type RunSnapshot } from './run-types.ts';
import { openGate } from './step-events.ts';

/** Brings the run forward as far as it goes without another event: starts what is ready, undoes, pauses, ends. */
export function settle(draft: Draft): void {
  const { snapshot } = draft;
  if (isEnded(snapshot) || !snapshot.started) return;
  if (snapshot.abort) {
    compensate(draft);
    return;
  }
  if (snapshot.rewind) rewindOn(draft);
  if (!draft.snapshot.rewind) goOn(draft);
}

function goOn(draft: Draft): void {
  const { state, tracks } = draft.snapshot;
  const hasFailed = state.steps.some((step) => step.state === 'failed');
  state.status = hasFailed ? 'paused' : state.held ? 'held' : 'running';
  // What runs goes on to its end; nothing new starts on ground that a person has not looked at. Once service is back, what is left of the runbook is
  // work beside it: a step that failed holds up what needs it, and nothing else.
  if (hasFailed && (state.servedAt === null || isSuperseded(state))) return;
  const passed = new Set(state.steps.filter(({ state: is }) => is === 'done' || is === 'skipped').map(({ id }) => id));
  if (passed.size === state.steps.length) {
    state.status = 'done';
    state.endedAt = draft.at;
    draft.note('run', 'done');
    return;
  }
  if (state.held) return;
  const ready = state.steps.filter((step) => step.state === 'pending' && tracks[step.id]!.retryAt === null && step.needs.every((need) => passed.has(need)));
  const left = ready.filter((step) => !beginStep(draft, step));
  // What needed a step that is passed over may be ready by now.
  if (left.length > 0) goOn(draft);
}

/** @returns false: it was passed over, as its `when` does not hold. */
function beginStep(draft: Draft, step: StepState): boolean {
  const { state, engines } = draft.snapshot;
  const planned = draft.planned(step.id);
  const track = draft.track(step.id);
  // It was decided at the first try: what people say since must not take a step back that may have acted.
  const undecided = step.startedAt === null;
  if (planned.when && undecided && !whenHolds(planned.when, { purpose: state.purpose, severity: state.severity, partial: state.only !== undefined, engines, step: (id) => draft.step(id) })) {
    step.state = 'skipped';
    step.endedAt = draft.at;
    step.summary = `only when ${describeWhen(planned.when)}`;
    draft.note(step.id, `passed over: ${step.summary}`);
    return false;
  }
  if (planned.before && track.approved !== true && !leavesProduction(planned, draft.snapshot)) openGate(draft, step, planned.before, 'start');
  // A gate may be approved beforehand.
  if (step.state === 'pending') startStep(draft, step.id);
  return true;
}

function startStep(draft: Draft, id: string): void {
  const { snapshot } = draft;
  const step = draft.step(id)!;
  const track = draft.track(id);
  const planned = draft.planned(id);
  step.state = 'running';
  step.attempt += 1;
  step.startedAt ??= draft.at;
  step.endedAt = null;
  track.tryStartedAt = draft.at;
  if (!snapshot.startOrder.includes(id)) snapshot.startOrder.push(id);
  // Before the act: a step that timed out, or failed, may have acted.
  if (planned.undo) {
    track.undo = 'registered';
    step.undo = true;
  }
  draft.note(id, step.attempt === 1 ? 'started' : `started, try ${step.attempt}`);
  draft.commands.push({ kind: 'run-step', step: id, attempt: step.attempt });
  track.timedOut = false;
  if (planned.timeoutMs !== undefined) {
    track.timeoutAt = new Date(Date.parse(draft.at) + planned.timeoutMs).toISOString();
    draft.commands.push({ kind: 'start-timer', timer: { kind: 'timeout', step: id, attempt: step.attempt }, dueAt: track.timeoutAt });
  }
  if (planned.budgetMs !== null && !track.overBudget) {
    const leftMs = Math.max(0, planned.budgetMs - step.elapsedMs);
    track.budgetEndsAt = new Date(Date.parse(draft.at) + leftMs).toISOString();
    draft.commands.push({ kind: 'start-timer', timer: { kind: 'budget', step: id, attempt: step.attempt }, dueAt: track.budgetEndsAt });
  }
}

/** Undoes one step at a time, the last started first, once nothing runs any more. */
function compensate(draft: Draft): void {
  const { snapshot } = draft;
  const { state, tracks } = snapshot;
  const undos = Object.values(tracks).map(({ undo }) => undo);
  state.status = undos.includes('failed') ? 'stuck' : 'compensating';
  // An undo that a person finishes is still under way.
  if (undos.includes('failed') || undos.includes('running') || state.steps.some((step) => step.state === 'running')) return;
  const keep = underLeftSteps(snapshot);
  const next = snapshot.startOrder.findLast((id) => tracks[id]!.undo === 'registered' && !keep.has(id));
  if (next !== undefined) {
    startUndo(draft, next);
    return;
  }
  for (const id of snapshot.startOrder) {
    if (tracks[id]!.undo === 'registered') draft.warn(id, 'not undone: a step that stands on it was left as it is');
  }
  state.status = 'aborted';
  state.endedAt = draft.at;
  draft.note('run', snapshot.noReturn === null ? 'aborted: everything that could be undone is' : 'aborted: nothing was undone');
}

/** Steps that a step left as it is stands on: to undo them would pull the ground away, a serving target for one. */
function underLeftSteps(snapshot: RunSnapshot): Set<string> {
  const under = new Set<string>();
  const visit = (id: string): void => {
    for (const need of snapshot.plan.find((step) => step.id === id)!.needs) {
      if (under.has(need)) continue;
      under.add(need);
      visit(need);
    }
  };
  for (const [id, track] of Object.entries(snapshot.tracks)) if (track.undo === 'left') visit(id);
  return under;
}
