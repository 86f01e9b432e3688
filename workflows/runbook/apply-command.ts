import { describeTarget } from '../domain/describe-target.ts';
import type { StepState } from '../domain/run-state.ts';
import { formatDuration } from '../domain/units.ts';
import type { Draft } from './draft.ts';
import { mainRunbook } from '../domain/expand-runbook.ts';
import { commentText, renewedSteps, resolveExtended, resolveItem } from './refuse-command.ts';
import { beginRewind } from './rewind.ts';
import type { CommandEvent } from './run-types.ts';
import { endUndo } from './step-events.ts';

const because = (reason: string | undefined): string => (reason ? `: ${reason}` : '');

/** What a person told the run as a whole. Asked only after `refuseCommand` found nothing against it. */
export function applyCommand(draft: Draft, event: CommandEvent): void {
  const { state } = draft.snapshot;
  switch (event.kind) {
    case 'hold':
      state.held = { by: event.by, reason: event.reason ?? null, at: draft.at };
      draft.note('run', `held${because(event.reason)}`, event.by);
      break;
    case 'resume':
      state.held = null;
      draft.note('run', `resumed${because(event.reason)}`, event.by);
      break;
    case 'comment':
      draft.note('run', commentText(event.text), event.by);
      break;
    case 'severity':
      draft.note('run', `severity ${state.severity ?? 'not said'} → ${event.severity}${because(event.reason)}`, event.by);
      state.severity = event.severity;
      break;
    case 'extend':
      extend(draft, event);
      break;
    case 'confirm':
      confirm(draft, event);
      break;
    case 'escalate':
      beginEscalation(draft, { to: event.runbook, by: event.by, why: event.reason });
      break;
    case 'choose':
      choose(draft, event);
      break;
  }
}

function extend(draft: Draft, event: CommandEvent & { kind: 'extend' }): void {
  const step = resolveExtended(draft.snapshot, event);
  if ('type' in step) return;
  const track = draft.track(step.id);
  const moreMs = event.budgetMs - step.budgetMs!;
  draft.note(step.id, `budget ${formatDuration(step.budgetMs!)} → ${formatDuration(event.budgetMs)}: ${event.reason}`, event.by);
  step.budgetMs = event.budgetMs;
  draft.planned(step.id).budgetMs = event.budgetMs;
  extendTimeout(draft, step, moreMs);
  if (!track.budgetEndsAt || !['running', 'waiting'].includes(step.state)) return;
  track.budgetEndsAt = new Date(Date.parse(track.budgetEndsAt) + moreMs).toISOString();
  if (track.budgetEndsAt <= draft.at) return;
  track.overBudget = false;
  draft.commands.push({ kind: 'start-timer', timer: { kind: 'budget', step: step.id, attempt: step.attempt }, dueAt: track.budgetEndsAt });
}

/** A larger budget that its timeout would cut off would mean nothing. */
function extendTimeout(draft: Draft, step: StepState, moreMs: number): void {
  const planned = draft.planned(step.id);
  const track = draft.track(step.id);
  if (planned.timeoutMs === undefined) return;
  planned.timeoutMs += moreMs;
  if (step.state !== 'running' || !track.timeoutAt || track.timedOut) return;
  track.timeoutAt = new Date(Date.parse(track.timeoutAt) + moreMs).toISOString();
  draft.commands.push({ kind: 'start-timer', timer: { kind: 'timeout', step: step.id, attempt: step.attempt }, dueAt: track.timeoutAt });
}

function confirm(draft: Draft, event: CommandEvent & { kind: 'confirm' }): void {
  const found = resolveItem(draft.snapshot, event);
  if ('type' in found) return;
  const { step, item } = found;
  item.by = event.by;
  item.at = draft.at;
  draft.note(step.id, `${item.id} confirmed${because(event.reason)}`, event.by);
  if (step.items!.some(({ by }) => by === null)) return;
  if (draft.track(step.id).undo === 'running') return endUndo(draft, step);
  step.state = 'done';
  step.endedAt = draft.at;
  draft.note(step.id, 'done: every item is confirmed');
}

/** Everything that this runbook did is undone, as by an abort; then the other one runs, in the same run and under the same clock. */
export function beginEscalation(draft: Draft, { to, by, why }: { to: string; by: string; why: string }): void {
  const { state, plan } = draft.snapshot;
  draft.note('run', `escalated to runbook ${to}: ${why}`, by);
  const steps = state.steps.map(({ id, uses, state: is, elapsedMs, summary, error }) => ({ id, uses, state: is, elapsedMs, summary, error }));
  state.escalations = [...(state.escalations ?? []), { from: state.runbook ?? mainRunbook, to, by, why, at: draft.at, steps }];
  beginRewind(draft, { steps: plan.map(({ id }) => id), by, why: `escalated to runbook ${to}`, to });
}

/** The same moment by an older base. */
export function takeOlder(draft: Draft): void {
  const { state } = draft.snapshot;
  state.target = { ...state.target, older: (state.target?.older ?? 0) + 1 };
}

function choose(draft: Draft, event: CommandEvent & { kind: 'choose' }): void {
  const { state } = draft.snapshot;
  const before = state.target ?? {};
  const { targetTime, targetPosition, point } = event.older ? before : event;
  const timeline = event.older ? before.timeline : undefined;
  const older = (before.older ?? 0) + (event.older ? 1 : 0);
  state.target = { ...(targetTime ? { targetTime } : {}), ...(targetPosition ? { targetPosition } : {}), ...(point ? { point } : {}), ...(timeline ? { timeline } : {}), ...(older > 0 ? { older } : {}) };
  draft.note('run', `another recovery point: ${describeTarget(state.target)}, instead of ${describeTarget(before)}: ${event.reason}`, event.by);
  beginRewind(draft, { steps: renewedSteps(draft.snapshot), by: event.by, why: `another recovery point: ${describeTarget(state.target)}` });
}
