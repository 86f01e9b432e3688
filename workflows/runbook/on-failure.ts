import type { StepState } from '../domain/run-state.ts';
import { describeTarget } from '../domain/describe-target.ts';
import { unattendedBy } from '../domain/drill-history.ts';
import { beginAbort } from './abort.ts';
import type { Draft } from './draft.ts';
import { beginEscalation, takeOlder } from './apply-command.ts';
import { renewedSteps, whyNoEscalation, whyNotBack } from './refuse-command.ts';
import { beginRewind } from './rewind.ts';

/** Another try by itself, after the runbook's pause between tries. */
export function tryLater(draft: Draft, step: StepState, said: string): void {
  const track = draft.track(step.id);
  const { everyMs } = draft.planned(step.id).retry;
  track.retryAt = new Date(Date.parse(draft.at) + everyMs).toISOString();
  step.state = 'pending';
  step.endedAt = null;
  draft.commands.push({ kind: 'start-timer', timer: { kind: 'retry', step: step.id, attempt: step.attempt }, dueAt: track.retryAt });
  draft.note(step.id, `${said}; tries again at ${track.retryAt}`);
}

const theRunbook = 'the runbook (onFailure)';

/**
 * What the runbook says of a failed step, in place of a person. Each way has its bound (so many tries, so many other points, no runbook twice), and behind
 * it the run pauses, or, where nobody is there whom it could wait for, is aborted and undone. A run that another control plane has superseded always pauses:
 * nothing that it does counts any more.
 */
export function onFailure(draft: Draft, step: StepState): void {
  takeWay(draft, step);
  const { state, rewind, abort } = draft.snapshot;
  if (state.unattended && step.state === 'failed' && !rewind && !abort) {
    beginAbort(draft, { by: unattendedBy, reason: `step ${step.id} failed: ${step.error?.type}: ${step.error?.message}` });
  }
}

function takeWay(draft: Draft, step: StepState): void {
  const planned = draft.planned(step.id);
  const track = draft.track(step.id);
  const way = planned.onFailure ?? 'pause';
  if (way === 'pause' || step.error?.type === 'EpochSuperseded') return;
  if (way === 'continue') {
    step.state = 'skipped';
    step.skippedBy = theRunbook;
    step.summary = `failed, and the run went on without it: ${step.error?.message ?? ''}`;
    draft.warn(step.id, step.summary);
  } else if ('retry' in way) {
    if ((track.restarts ?? 0) >= way.retry) return;
    track.restarts = (track.restarts ?? 0) + 1;
    track.triesLeft = planned.retry.attempts;
    tryLater(draft, step, `begins anew, ${track.restarts} of ${way.retry}`);
  } else if ('goto' in way) goToOlder(draft, step, way.atMost);
  else escalate(draft, step, way.escalate);
}

function goToOlder(draft: Draft, step: StepState, atMost: number): void {
  const track = draft.track(step.id);
  const { snapshot } = draft;
  const no = (snapshot.rewind ? 'another is being taken already' : undefined) ?? whyNotBack(snapshot)?.message ?? (snapshot.state.target?.point ? 'the recovery point was asked for by its name' : undefined);
  if (no !== undefined || (track.gotos ?? 0) >= atMost) {
    draft.note(step.id, `no older recovery point is taken: ${no ?? `${atMost} were, and that is the bound`}`);
    return;
  }
  track.gotos = (track.gotos ?? 0) + 1;
  takeOlder(draft);
  const why = `step ${step.id} failed: another recovery point, ${describeTarget(snapshot.state.target ?? {})}`;
  draft.warn(step.id, `${step.error?.message ?? 'failed'}: an older base is taken (${track.gotos} of ${atMost})`);
  beginRewind(draft, { steps: renewedSteps(snapshot), by: theRunbook, why });
}

function escalate(draft: Draft, step: StepState, to: string): void {
  const no = whyNoEscalation(draft.snapshot, to);
  if (no) draft.note(step.id, `not escalated to ${to}: ${no.message}`);
  else {
    draft.warn(step.id, `failed, and the run goes on by runbook ${to}`);
    beginEscalation(draft, { to, by: theRunbook, why: `step ${step.id} failed: ${step.error?.message ?? ''}` });
  }
}
