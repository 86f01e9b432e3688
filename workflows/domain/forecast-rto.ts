import type { StepHistory } from '../contract.ts';
import { median } from './median.ts';
import { bytesToRestore, type RecoveryPoint } from './recovery-point.ts';
import type { RunState, StepState } from './run-state.ts';
import { formatDuration } from './units.ts';

/** How much a step type has to do in a run, in a measure of its own; what earlier runs took is scaled by it. Left out: nothing of it depends on the data. */
export type Amounts = Readonly<Record<string, number>>;

/** A slice is fetched, opened and checked however little is in it: an hour in which nobody wrote has its price too. */
const perSliceBytes = 64 * 1024;

/** What restore, replay, indexes and validation have before them, once the recovery points are chosen: bytes of the base; bytes of the log and its length in slices. */
export function amountsOf(points: readonly RecoveryPoint[]): Amounts {
  if (points.length === 0) return {};
  const base = points.reduce((sum, point) => sum + bytesToRestore(point), 0);
  const log = points.reduce((sum, point) => sum + point.log.storedBytes + point.log.slices * perSliceBytes, 0);
  return { restore: base, 'build-indexes': base, validate: base, replay: log };
}

interface Estimate {
  ms: number;
  from: 'history' | 'budget' | 'nothing';
  /** by how much earlier runs were scaled; 1: they were of this size, or size does not matter */
  scale: number;
}

export interface Forecast {
  /** from the incident to service on the new side */
  forecastMs: number;
  /** what it is made of, and what it leaves out, in words */
  basis: string;
}

export interface ForecastFacts {
  history: StepHistory | null;
  amounts: Amounts;
  /** steps that this run is going to pass over, as it looks now */
  passedOver: ReadonlySet<string>;
}

/** Runs between four fifths and five quarters of the size say what this one takes; others only say it scaled. */
const isLike = (ratio: number): boolean => ratio >= 0.8 && ratio <= 1.25;

function estimate(step: StepState, { history, amounts, passedOver }: ForecastFacts): Estimate {
  if (passedOver.has(step.id)) return { ms: 0, from: 'nothing', scale: 1 };
  const past = history?.steps[`${step.uses}/${step.id}`] ?? history?.steps[step.uses] ?? [];
  if (past.length === 0) return step.budgetMs === null ? { ms: 0, from: 'nothing', scale: 1 } : { ms: step.budgetMs, from: 'budget', scale: 1 };
  const amount = amounts[step.uses];
  const scaled = past.map(({ ms, amount: then }) => ({ ms, ratio: amount !== undefined && then !== null && then > 0 ? amount / then : 1 }));
  const like = scaled.filter(({ ratio }) => isLike(ratio));
  const taken = like.length > 0 ? like : scaled;
  return { ms: median(taken.map(({ ms, ratio }) => ms * ratio)), from: 'history', scale: like.length > 0 ? 1 : median(taken.map(({ ratio }) => ratio)) };
}

const isPassed = (step: StepState): boolean => step.state === 'done' || step.state === 'skipped';

/**
 * What is left of a step: what it says itself where it knows; otherwise never less than nothing. One that is past its estimate is taken to be about to end. Of one
 * that waits for people the machine's part is over; a budget is for both, and goes on being spent.
 */
function leftOf(step: StepState, estimated: Estimate, nowAt: string): number {
  if (isPassed(step) || (step.state === 'waiting' && estimated.from === 'history')) return 0;
  const { leftMs = null } = step.progress?.whole ?? step.progress ?? {};
  if (step.state === 'running' && leftMs !== null) return leftMs;
  const spentMs = (step.state === 'running' || step.state === 'waiting') && step.startedAt ? Date.parse(nowAt) - Date.parse(step.startedAt) : 0;
  return Math.max(0, estimated.ms - spentMs);
}

interface Way {
  ms: number;
  path: string[];
}

/** The longest way through what is left, to the step that brings service back; without one, through all. */
function longestWay(steps: readonly StepState[], leftMsOf: (step: StepState) => number): Way {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const ways = new Map<string, Way>();
  const way = (id: string): Way => {
    const known = ways.get(id);
    if (known) return known;
    const step = byId.get(id)!;
    const before = step.needs.map(way).reduce((longest, next) => (next.ms > longest.ms ? next : longest), { ms: 0, path: [] as string[] });
    const found = { ms: before.ms + leftMsOf(step), path: isPassed(step) ? before.path : [...before.path, id] };
    ways.set(id, found);
    return found;
  };
  return endsOf(steps).map((step) => way(step.id)).reduce((a, b) => (b.ms > a.ms || a.path.length === 0 ? b : a));
}

function endsOf(steps: readonly StepState[]): readonly StepState[] {
  const ends = steps.filter((step) => step.uses === 'switch');
  return ends.length > 0 ? ends : steps;
}

/**
 * How long after the incident the switch was reached, and passed over: what a drill can say of the time to recover. A runbook without a switch is measured to its last step.
 * Null: it was not reached.
 */
export function reachedSwitchMs({ incidentAt, steps }: Pick<RunState, 'incidentAt' | 'steps'>): number | null {
  const ends = endsOf(steps);
  if (ends.length === 0 || !ends.every((step) => isPassed(step) && step.endedAt !== null)) return null;
  return Math.max(0, ...ends.map(({ endedAt }) => Date.parse(endedAt!) - Date.parse(incidentAt)));
}

/**
 * Time from the incident to service, as it looks now: what has passed, and the longest way through what is left.
 *
 * A step counts by the median of earlier runs of like size, else by that of all, each scaled by bytes (the replay by its log); else by its budget; else as nothing:
 * the basis says how many of each. Steps after the switch do not count: service is back by then. Nor does waiting for people that has not happened yet.
 * A drill is forecast, and in the end measured, up to where the switch would be.
 */
export function forecastRto(state: Pick<RunState, 'incidentAt' | 'servedAt' | 'steps'>, facts: ForecastFacts, nowAt: string): Forecast {
  const incidentMs = Date.parse(state.incidentAt);
  if (state.servedAt !== null) return { forecastMs: Math.max(0, Date.parse(state.servedAt) - incidentMs), basis: 'service is back: measured, not forecast' };
  const reachedMs = reachedSwitchMs(state);
  if (reachedMs !== null) return { forecastMs: reachedMs, basis: 'the switch was reached, and passed over: measured, not forecast' };
  const estimates = new Map(state.steps.map((step) => [step.id, estimate(step, facts)]));
  const longest = longestWay(state.steps, (step) => leftOf(step, estimates.get(step.id)!, nowAt));
  const passedMs = Math.max(0, Date.parse(nowAt) - incidentMs);
  const path = longest.path.filter((id) => !facts.passedOver.has(id));
  return { forecastMs: Math.round(passedMs + longest.ms), basis: describeBasis(passedMs, { ms: longest.ms, path }, estimates) };
}

function describeBasis(passedMs: number, longest: Way, estimates: Map<string, Estimate>): string {
  const count = (from: Estimate['from']): number => longest.path.filter((id) => estimates.get(id)!.from === from).length;
  const scaled = longest.path.filter((id) => estimates.get(id)!.scale !== 1).map((id) => `${id} ×${estimates.get(id)!.scale.toFixed(1)}`);
  const parts = [
    ...(count('history') > 0 ? [`${count('history')} by earlier runs${scaled.length > 0 ? `, scaled to this size: ${scaled.join(', ')}` : ''}`] : []),
    ...(count('budget') > 0 ? [`${count('budget')} by budget`] : []),
    ...(count('nothing') > 0 ? [`${count('nothing')} unknown and counted as nothing`] : []),
  ];
  const path = longest.path.length > 0 ? ` along ${longest.path.join(' → ')} (${parts.join('; ')})` : '';
  return `${formatDuration(passedMs)} passed, ${formatDuration(longest.ms)} left${path}; waiting for people to come is not counted`;
}
