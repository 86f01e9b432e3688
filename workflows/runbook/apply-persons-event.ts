import type { StepState } from '../domain/run-state.ts';
import type { Draft } from './draft.ts';
import { refusal, resolveFailed, resolveGate, whoIsUnknown } from './refusal.ts';
import type { PersonsEvent } from './run-types.ts';
import { openGate } from './step-events.ts';

/** What a person asked: done when the rules allow it, else recorded with the reason and nothing else. */
export function applyPersonsEvent(draft: Draft, event: PersonsEvent): void {
  const refused = refusal(draft.snapshot, event);
  if (refused) {
    draft.note('run', `${event.kind} not accepted: ${refused.message}`, event.by);
    return;
  }
  switch (event.kind) {
    case 'approve':
    case 'reject':
      decide(draft, event);
      break;
    case 'retry':
      retry(draft, event);
      break;
    case 'skip':
      skip(draft, event);
      break;
    case 'abort':
      abort(draft, event);
      break;
  }
}

const because = (reason: string | undefined): string => (reason ? `: ${reason}` : '');

function decide(draft: Draft, event: PersonsEvent & { kind: 'approve' | 'reject' }): void {
  const found = resolveGate(draft.snapshot, event.gate);
  if ('type' in found) return;
  found.decisions.push({ by: event.by, decision: event.kind, reason: event.reason ?? null, at: draft.at, proof: 'claimed' });
  const step = draft.step(found.step)!;
  if (event.kind === 'reject') {
    found.status = 'rejected';
    found.closedAt = draft.at;
    step.state = 'failed';
    step.endedAt = draft.at;
    step.error = { type: 'NotPermitted', message: `gate "${found.gate}" was rejected by ${event.by}${because(event.reason)}` };
    draft.note(found.gate, `rejected${because(event.reason)}`, event.by);
    return;
  }
  const approvals = found.decisions.filter(({ decision }) => decision === 'approve').length;
  draft.note(found.gate, `approved, ${approvals} of ${found.quorum} (name as claimed)${because(event.reason)}`, event.by);
  const unknown = whoIsUnknown(draft.snapshot, found, event.by);
  if (unknown) draft.warn(found.gate, unknown);
  if (approvals < found.quorum) return;
  found.status = 'approved';
  found.closedAt = draft.at;
  step.state = draft.track(step.id).afterGate;
  step.endedAt = draft.at;
  step.error = null;
}

/** Lets a failed step, or a failed undo, run again; its automatic tries start afresh. */
function retry(draft: Draft, event: PersonsEvent & { kind: 'retry' }): void {
  const id = resolveFailed(draft.snapshot, event.step);
  if (typeof id !== 'string') return;
  const track = draft.track(id);
  draft.note(id, `${draft.snapshot.abort ? 'undo tried' : 'tried'} again${because(event.reason)}`, event.by);
  if (draft.snapshot.abort) {
    track.undo = 'registered';
    draft.step(id)!.state = 'failed';
  } else {
    track.triesLeft = draft.planned(id).retry.attempts;
    draft.step(id)!.state = 'pending';
  }
}

function skip(draft: Draft, event: PersonsEvent & { kind: 'skip' }): void {
  const id = resolveFailed(draft.snapshot, event.step);
  if (typeof id !== 'string') return;
  const step = draft.step(id)!;
  const planned = draft.planned(id);
  if (draft.snapshot.abort) {
    draft.track(id).undo = 'left';
    draft.note(id, `left as it is, not undone: ${event.reason}`, event.by);
    draft.warn(id, `not undone, left as it is by ${event.by}: ${event.reason}`);
    return;
  }
  step.summary = `skipped by ${event.by}: ${event.reason}`;
  step.skippedBy = event.by;
  draft.warn(id, step.summary);
  if (typeof planned.skip === 'string') setSkipped(draft, step);
  else openGate(draft, step, { ...planned.skip, description: `${planned.skip.description} Asked for by ${event.by}: ${event.reason}` }, 'skipped', [event.by]);
}

function setSkipped(draft: Draft, step: StepState): void {
  step.state = 'skipped';
  step.endedAt = draft.at;
}

/**
 * From here on nothing new starts: what runs is cancelled, and once it has ended the undos begin (settle). Beyond the point of no return,
 * where a run can be aborted only because another control plane has the command, nothing is undone: the new side may be serving.
 */
function abort(draft: Draft, event: PersonsEvent & { kind: 'abort' }): void {
  const { snapshot } = draft;
  snapshot.abort = { by: event.by, reason: event.reason ?? null, at: draft.at };
  draft.note('run', `aborted${because(event.reason)}`, event.by);
  if (snapshot.noReturn !== null) {
    for (const track of Object.values(snapshot.tracks)) if (track.undo === 'registered') track.undo = 'left';
    draft.warn('run', `nothing is undone: another control plane has the command, and ${snapshot.noReturn}`);
  }
  for (const gate of snapshot.state.gates) {
    if (gate.status !== 'open') continue;
    gate.status = 'pending';
    gate.closedAt = draft.at;
    draft.note(gate.gate, 'closed by the abort');
  }
  for (const step of snapshot.state.steps) {
    if (step.state === 'running') draft.commands.push({ kind: 'cancel-step', step: step.id });
    if (step.state === 'waiting') {
      step.state = 'failed';
      step.endedAt = draft.at;
      step.error = { type: 'Aborted', message: 'the run was aborted while this waited for people' };
    }
  }
}
