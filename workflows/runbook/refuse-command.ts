import { journalPageLines, journalRunLines } from '../domain/journal.ts';
import type { Severity } from '../domain/messages.ts';
import type { RecoveryTarget } from '../domain/recovery-point.ts';
import { mainRunbook } from '../domain/expand-runbook.ts';
import type { ChecklistItem, StepState } from '../domain/run-state.ts';
import { formatDuration } from '../domain/units.ts';
import { waitsFor, type Refusal } from './waits-for.ts';
import { isEnded, type CommandEvent, type RunSnapshot } from './run-types.ts';

const refuse = (type: Refusal['type'], message: string): Refusal => ({ type, message });
const passed: readonly StepState['state'][] = ['done', 'skipped', 'undone', 'stuck'];

/** Why a command cannot be obeyed now; undefined when it can. Said twice, each is refused the second time, so that a double click harms nothing. */
export function refuseCommand(snapshot: RunSnapshot, event: CommandEvent): Refusal | undefined {
  const { state } = snapshot;
  if (isEnded(snapshot)) return refuse('NotWaiting', waitsFor(snapshot));
  if (event.kind === 'comment') {
    if ((state.journalPages ?? 0) * journalPageLines + state.journal.length >= journalRunLines) {
      return refuse('NotWaiting', `The journal has ${journalRunLines.toLocaleString('en-US')} lines, and the run takes no comments any more: what moves it on must find room in its history. Say it on the incident: holdfast incident update ${state.system}.`);
    }
    const last = state.journal.at(-1);
    return last?.by === event.by && last.what === commentText(event.text) ? refuse('NotWaiting', 'The same comment by the same person is the journal’s last line already.') : undefined;
  }
  if (event.kind === 'severity') return state.severity === event.severity ? refuse('NotWaiting', `The severity is ${event.severity satisfies Severity} already.`) : undefined;
  // What a person takes back by hand is part of it.
  if (snapshot.abort && event.kind !== 'confirm') return refuse('NotWaiting', `The run is being aborted, since ${snapshot.abort.at}: nothing of it goes on.`);
  if (event.kind === 'escalate') return whyNoEscalation(snapshot, event.runbook);
  if (event.kind === 'confirm') {
    const item = resolveItem(snapshot, event);
    return 'type' in item ? item : undefined;
  }
  if (event.kind === 'extend') {
    const step = resolveExtended(snapshot, event);
    return 'type' in step ? step : undefined;
  }
  return event.kind === 'choose' ? refuseChoice(snapshot, event) : refuseHold(snapshot, event.kind);
}

function refuseHold(snapshot: RunSnapshot, kind: 'hold' | 'resume'): Refusal | undefined {
  const { held } = snapshot.state;
  if (kind === 'hold') return held ? refuse('NotWaiting', `The run is held already, by ${held.by} since ${held.at}.`) : undefined;
  return held ? undefined : refuse('NotWaiting', `The run is not held. ${waitsFor(snapshot)}`);
}

export const commentText = (text: string): string => `comment: ${text}`;

/** The step whose budget is to grow. */
export function resolveExtended(snapshot: RunSnapshot, event: CommandEvent & { kind: 'extend' }): StepState | Refusal {
  const { steps } = snapshot.state;
  const at = steps.filter(({ state, budgetMs }) => ['running', 'waiting'].includes(state) && budgetMs !== null);
  if (event.step === undefined && at.length !== 1) {
    return refuse(at.length === 0 ? 'NotWaiting' : 'BadInput', at.length === 0 ? `No step with a budget is under way. ${waitsFor(snapshot)}` : `More than one step is under way: say which, by "step": ${at.map(({ id }) => `"${id}"`).join(', ')}.`);
  }
  const step = event.step === undefined ? at[0]! : steps.find(({ id }) => id === event.step);
  if (!step) return refuse('BadInput', `There is no step "${event.step}". Steps: ${steps.map(({ id }) => `"${id}"`).join(', ')}.`);
  if (passed.includes(step.state)) return refuse('NotWaiting', `Step "${step.id}" is ${step.state}: its budget means nothing any more.`);
  if (step.budgetMs === null) return refuse('BadInput', `Step "${step.id}" has no budget: nothing warns of it, and nothing can be extended.`);
  if (event.budgetMs <= step.budgetMs) {
    return refuse('BadInput', `Step "${step.id}" has a budget of ${formatDuration(step.budgetMs)} already: "budget" is the new one in all, and must be larger, not ${formatDuration(event.budgetMs)}.`);
  }
  return step;
}

/** The item of a checklist that somebody says is done. */
export function resolveItem(snapshot: RunSnapshot, event: CommandEvent & { kind: 'confirm' }): { step: StepState; item: ChecklistItem } | Refusal {
  const lists = snapshot.state.steps.filter((step) => step.items !== undefined && (event.step === undefined ? step.state === 'waiting' : step.id === event.step));
  const items = lists.flatMap((step) => step.items!.map((item) => ({ step, item })));
  const named = items.filter(({ step, item }) => (event.item === undefined ? step.state === 'waiting' && item.by === null : item.id === event.item));
  const open = named.filter(({ step, item }) => step.state === 'waiting' && item.by === null);
  if (open.length === 1) return open[0]!;
  if (open.length > 1) return refuse('BadInput', `More than one item waits: say which, by "step" and "item": ${open.map(({ step, item }) => `${step.id} ${item.id}`).join(', ')}.`);
  const known = named[0];
  if (known?.item.by) return refuse('NotWaiting', `Item "${known.item.id}" of "${known.step.id}" was confirmed already, by ${known.item.by} at ${known.item.at}.`);
  if (event.step !== undefined && !snapshot.state.steps.some(({ id }) => id === event.step)) return refuse('BadInput', `There is no step "${event.step}". Steps: ${snapshot.state.steps.map(({ id }) => `"${id}"`).join(', ')}.`);
  if (lists.length > 0 && event.item !== undefined && named.length === 0) return refuse('BadInput', `There is no item "${event.item}"; items: ${items.map(({ item }) => item.id).join(', ')}.`);
  return refuse('NotWaiting', `No checklist waits to be confirmed. ${waitsFor(snapshot)}`);
}

/** Why another runbook cannot take the place of this one, or undefined. No runbook runs twice in a run, so that it ends. */
export function whyNoEscalation(snapshot: RunSnapshot, to: string): Refusal | undefined {
  const { state } = snapshot;
  const known = Object.keys(snapshot.runbooks);
  if (!known.includes(to)) return refuse('BadInput', `There is no runbook "${to}"; known: ${known.join(', ') || 'none'}.`);
  const run = [state.runbook ?? mainRunbook, ...(state.escalations ?? []).map(({ from }) => from)];
  if (run.includes(to)) return refuse('NotWaiting', `Runbook "${to}" ${to === run[0] ? 'is the one that runs' : 'was given up already in this run'}.`);
  // The other runbook asks for no elevation of its own.
  const elevating = state.steps.find(({ uses, state: is }) => uses === 'elevate' && is !== 'done');
  if (elevating) return refuse('NotPermitted', `Step "${elevating.id}" has to be approved first: until then nothing of the run may touch anything.`);
  if (snapshot.rewind) return refuse('NotWaiting', `Steps are on their way back already: ${snapshot.rewind.why}.`);
  return whyNotBack(snapshot, 'The runbook cannot be changed');
}

/** The steps that start again for another recovery point: those that hold it or what is made of it, and all that needs them. */
export function renewedSteps(snapshot: Pick<RunSnapshot, 'plan'>): string[] {
  const renewed = new Set(snapshot.plan.filter(({ renews }) => renews).map(({ id }) => id));
  for (let before = -1; before !== renewed.size; ) {
    before = renewed.size;
    for (const step of snapshot.plan) if (step.needs.some((need) => renewed.has(need))) renewed.add(step.id);
  }
  return snapshot.plan.filter(({ id }) => renewed.has(id)).map(({ id }) => id);
}

/** Why no step may be taken back any more, or undefined. Once somebody was let in, the data there may have been written to. */
export function whyNotBack(snapshot: RunSnapshot, what = 'Another recovery point cannot be taken'): Refusal | undefined {
  if (snapshot.noReturn !== null) return refuse('NotWaiting', `${what} any more: ${snapshot.noReturn}. Let the run finish, then recover anew.`);
  const letIn = snapshot.state.steps.find(({ uses, attempt, state }) => uses === 'switch' && attempt > 0 && state !== 'skipped' && state !== 'pending');
  return letIn ? refuse('NotWaiting', `${what} any more: step "${letIn.id}" has begun to let traffic in to the target.`) : undefined;
}

const sameTarget = (a: RecoveryTarget, b: RecoveryTarget): boolean => a.targetTime === b.targetTime && a.targetPosition === b.targetPosition && a.point === b.point && a.timeline === b.timeline;

function refuseChoice(snapshot: RunSnapshot, event: CommandEvent & { kind: 'choose' }): Refusal | undefined {
  const back = whyNotBack(snapshot);
  if (back) return back;
  if (snapshot.rewind) return refuse('NotWaiting', `Another recovery point is being taken already, by ${snapshot.rewind.by}: wait until its steps have started again.`);
  const finders = snapshot.state.steps.filter(({ uses }) => uses === 'find-recovery-point');
  if (finders.length === 0) return refuse('BadInput', 'The runbook has no step that uses find-recovery-point, so there is none to choose.');
  const target = snapshot.state.target ?? {};
  if (event.older) {
    if (target.point !== undefined) return refuse('BadInput', `The recovery point is base ${target.point} by its name: choose another by "point", or a time.`);
    return finders.every(({ state }) => state === 'done') ? undefined : refuse('NotWaiting', 'No recovery point is chosen yet that an older one could take the place of.');
  }
  return sameTarget(target, event) ? refuse('NotWaiting', 'That is the recovery point that the run goes to already. "older" takes the same moment by an older base.') : undefined;
}
