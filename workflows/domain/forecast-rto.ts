import type { PastStep, StepHistory } from '../contract.ts';
import { parseLogPosition } from './log-position.ts';
import { median } from './median.ts';
import { bytesToRestore, type RecoveryPoint } from './recovery-point.ts';
import type { RunState, StepState } from './run-state.ts';
import { factsOf, stepTypeNames } from './step-language.ts';
import { formatBytes, formatDuration } from './units.ts';

/** How much a step has to do: in the measure of its type, by which what earlier runs took is scaled; and of which length its log is. */
export type Amount = Readonly<{ amount: number; logSeconds?: number }>;
/** By step type. Left out: nothing of it depends on the data. */
export type Amounts = Readonly<Record<string, Amount>>;

/** A slice is fetched, opened and checked however little is in it: an hour in which nobody wrote has its price too. */
const perSliceBytes = 64 * 1024;

/** What restore, replay, indexes and validation have before them, once the recovery points are chosen: bytes of the base; bytes of the log and its length, in the slices that it was cut into, as it costs, and in seconds. */
export function amountsOf(points: readonly RecoveryPoint[]): Amounts {
  if (points.length === 0) return {};
  const base = { amount: points.reduce((sum, point) => sum + bytesToRestore(point), 0) };
  const log = points.reduce((sum, point) => sum + point.log.storedBytes + point.log.slices * perSliceBytes, 0);
  const logSeconds = points.reduce((sum, point) => sum + secondsOf(point), 0);
  const by = { base, log: { amount: log, logSeconds } };
  return Object.fromEntries(stepTypeNames.flatMap((uses) => (factsOf(uses).goesBy ? [[uses, by[factsOf(uses).goesBy!]]] : [])));
}

const secondsOf = ({ log, reaches }: RecoveryPoint): number => (log.slices === 0 ? 0 : Math.max(0, parseLogPosition(reaches).seconds - parseLogPosition(log.from).seconds));

interface Estimate {
  ms: number;
  from: 'history' | 'budget' | 'nothing';
  /** by how much earlier runs were scaled; 1: they were of this size, or size does not matter */
  scale: number;
  /** the earlier runs that it is made of, where their size matters */
  past: readonly PastStep[];
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

/** By how much a run's log is longer or shorter, in seconds; 1: as long, or nobody knows. */
const lengthRatio = (now: number | undefined, then: number | undefined): number => (now === undefined || then === undefined || now === then ? 1 : now / Math.max(1, then));

const nothing: Estimate = { ms: 0, from: 'nothing', scale: 1, past: [] };

function estimate(step: StepState, { history, amounts, passedOver }: ForecastFacts): Estimate {
  if (passedOver.has(step.id)) return nothing;
  const past = history?.steps[`${step.uses}/${step.id}`] ?? history?.steps[step.uses] ?? [];
  if (past.length === 0) return step.budgetMs === null ? nothing : { ...nothing, ms: step.budgetMs, from: 'budget' };
  const now = amounts[step.uses];
  const scaled = past.map((run) => ({ run, ratio: now && run.amount !== null && run.amount > 0 ? now.amount / run.amount : 1, length: lengthRatio(now?.logSeconds, run.logSeconds) }));
  const like = scaled.filter(({ ratio }) => isLike(ratio));
  // A busy minute and a quiet hour may weigh the same: of runs of like size, those whose log is as long know better.
  const alike = like.filter(({ length }) => isLike(length));
  const taken = [alike, like, scaled].find((runs) => runs.length > 0)!;
  return { ms: median(taken.map(({ run, ratio }) => run.ms * ratio)), from: 'history', scale: like.length > 0 ? 1 : median(taken.map(({ ratio }) => ratio)), past: now ? taken.map(({ run }) => run) : [] };
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
 * A step counts by the median of earlier runs of like size, else by that of all, each scaled by bytes (the replay by its log: bytes and length); else by its budget; else as nothing:
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
  const sizes = longest.path.flatMap((id) => describePast(id, estimates.get(id)!.past));
  return `${formatDuration(passedMs)} passed, ${formatDuration(longest.ms)} left${path}${sizes.length > 0 ? `; ${sizes.join('; ')}` : ''}; waiting for people to come is not counted`;
}

/** `restore by 3 runs of 8.4 GiB`; `replay by 2 runs of 41s to 52s of log`. */
function describePast(id: string, past: readonly PastStep[]): string[] {
  const seconds = past.flatMap(({ logSeconds }) => logSeconds ?? []);
  const sizes = seconds.length > 0 ? seconds : past.flatMap(({ amount }) => amount ?? []);
  if (sizes.length === 0) return [];
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)].map((size) => (seconds.length > 0 ? formatDuration(size * 1_000) : formatBytes(size)));
  return [`${id} by ${past.length} ${past.length === 1 ? 'run' : 'runs'} of ${least === most ? least : `${least} to ${most}`}${seconds.length > 0 ? ' of log' : ''}`];
}
