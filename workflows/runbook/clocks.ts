import { formatDuration } from '../domain/units.ts';
import type { Draft } from './draft.ts';
import { gateDue } from './gate-clocks.ts';
import { isEnded, type RunSnapshot, type TimerRef } from './run-types.ts';

const rtoPercents = [50, 75, 90, 100];

/** Whether a machine works, or is about to by itself. */
const machineWorks = ({ state, tracks }: RunSnapshot): boolean =>
  state.steps.some((step) => step.state === 'running') ||
  (state.status === 'running' && Object.values(tracks).some((track) => track.retryAt !== null));

const personIsAwaited = ({ state }: RunSnapshot): boolean =>
  (state.held ?? null) !== null || state.steps.some((step) => step.state === 'waiting') || state.steps.some((step) => step.state === 'failed' || step.state === 'stuck');

/** The time since the last event is human time when nothing ran in it and a gate or a pause waited. */
export function accountHumanTime(draft: Draft): void {
  const { snapshot, at } = draft;
  const passedMs = Date.parse(at) - Date.parse(snapshot.lastEventAt);
  if (passedMs <= 0) return;
  snapshot.lastEventAt = at;
  if (!isEnded(snapshot) && !machineWorks(snapshot) && personIsAwaited(snapshot)) snapshot.state.humanMs += passedMs;
}

const spentPercent = ({ state }: RunSnapshot, at: string): number =>
  Math.floor(((Date.parse(at) - Date.parse(state.incidentAt)) / state.rtoObjectiveMs) * 100);

/** Starts the RTO clock, which runs from the incident and not from the click, and never stops a run. */
export function startClocks(draft: Draft): void {
  const { snapshot, at } = draft;
  const { state } = snapshot;
  snapshot.started = true;
  draft.note('run', `started by ${state.requestedBy}${state.gateOf === undefined ? `, ${formatDuration(Date.parse(at) - Date.parse(state.incidentAt))} after the incident` : ''}`);
  // Service does not wait for a partial restore, or for what is no recovery.
  if (state.only || state.gateOf !== undefined) return;
  const spent = spentPercent(snapshot, at);
  if (spent >= rtoPercents[0]!) warnRto(draft, spent);
  for (const percent of rtoPercents.filter((candidate) => candidate > spent)) {
    const dueAt = new Date(Date.parse(state.incidentAt) + (state.rtoObjectiveMs * percent) / 100).toISOString();
    draft.commands.push({ kind: 'start-timer', timer: { kind: 'rto', percent }, dueAt });
  }
}

function warnRto(draft: Draft, percent: number): void {
  const { state } = draft.snapshot;
  const forecast = state.forecastMs === null ? '' : `; forecast ${formatDuration(state.forecastMs)}`;
  draft.warn(
    'run',
    percent >= 100
      ? `the RTO objective of ${formatDuration(state.rtoObjectiveMs)} is breached${forecast}; the run goes on`
      : `${percent} % of the RTO objective of ${formatDuration(state.rtoObjectiveMs)} has passed${forecast}`,
  );
}

/**
 * A run that waits for a person, or whose step hangs, has no event that would tell that time runs out. So the forecast is looked at again at the earliest moment
 * at which it could pass the objective; once it has, that was said. At least a fiftieth of the objective apart, so that a history stays bounded.
 */
export function watchForecast(draft: Draft): void {
  const { snapshot, at } = draft;
  const { state } = snapshot;
  if (state.servedAt !== null || state.only || snapshot.abort || isEnded(snapshot) || state.forecastMs === null || state.forecastMs > state.rtoObjectiveMs) return;
  const apartMs = state.rtoObjectiveMs / 50;
  const dueMs = Date.parse(at) + Math.max(apartMs, state.rtoObjectiveMs - state.forecastMs + 1_000);
  if (snapshot.forecastDueAt && Date.parse(snapshot.forecastDueAt) <= dueMs + apartMs) return;
  snapshot.forecastDueAt = new Date(dueMs).toISOString();
  draft.commands.push({ kind: 'start-timer', timer: { kind: 'forecast' }, dueAt: snapshot.forecastDueAt });
}

/** A timer that came due. What it was for may have passed: then nothing happens. */
export function timerDue(draft: Draft, timer: TimerRef): void {
  if (timer.kind === 'rto') {
    if (draft.snapshot.state.servedAt === null && !draft.snapshot.abort) warnRto(draft, timer.percent);
    return;
  }
  if (timer.kind === 'forecast') {
    // Whoever drives the run forecasts anew after every timer.
    if ((draft.snapshot.forecastDueAt ?? '') <= draft.at) draft.snapshot.forecastDueAt = null;
    return;
  }
  if ('gate' in timer) {
    gateDue(draft, timer);
    return;
  }
  const step = draft.step(timer.step);
  if (!step || step.attempt !== timer.attempt) return;
  const track = draft.track(step.id);
  if (timer.kind === 'retry') {
    track.retryAt = null;
    return;
  }
  // One of before an extension.
  if (timer.kind === 'timeout') {
    if (step.state !== 'running' || track.undo === 'running' || track.timedOut || !track.timeoutAt || draft.at < track.timeoutAt) return;
    track.timedOut = true;
    draft.note(step.id, `cancelled: over its timeout of ${formatDuration(draft.planned(step.id).timeoutMs!)}`);
    draft.commands.push({ kind: 'cancel-step', step: step.id });
    return;
  }
  if (track.budgetEndsAt && draft.at < track.budgetEndsAt) return;
  if (['running', 'waiting'].includes(step.state) && !track.overBudget && track.undo !== 'running') {
    track.overBudget = true;
    draft.warn(step.id, `over its budget of ${formatDuration(step.budgetMs ?? 0)}, still ${step.state === 'waiting' ? 'waiting for people' : 'running'}`);
  }
}

/**
 * Whether nothing would come of a timer any more: its step's try is over, its gate closed, its time moved. One that is idle stays idle, so it is cancelled; left
 * to run, it would stand in the UI's timeline as if something were awaited.
 */
export function isIdle({ state, tracks, abort, forecastDueAt }: RunSnapshot, timer: TimerRef, dueAt: string): boolean {
  if (timer.kind === 'rto') return state.servedAt !== null || abort !== null;
  if (timer.kind === 'forecast') return state.servedAt !== null || abort !== null || forecastDueAt !== dueAt;
  if ('gate' in timer) return !state.gates.some(({ gate, openedAt, status }) => gate === timer.gate && openedAt === timer.openedAt && status === 'open');
  const step = state.steps.find(({ id }) => id === timer.step);
  const track = tracks[timer.step];
  if (!step || !track || step.attempt !== timer.attempt) return true;
  if (timer.kind === 'retry') return track.retryAt !== dueAt || abort !== null;
  if (timer.kind === 'timeout') return step.state !== 'running' || track.timeoutAt !== dueAt;
  return !['running', 'waiting'].includes(step.state) || track.budgetEndsAt !== dueAt;
}
