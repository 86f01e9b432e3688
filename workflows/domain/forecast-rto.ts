import type { StepHistory } from '../contract.ts';
import { bytesToRestore, type RecoveryPoint } from './recovery-point.ts';
import type { RunState, StepState } from './run-state.ts';
import { formatDuration } from './units.ts';

/** Bytes that a step type has before it in this run; its median time is scaled by them where the history knows its bytes. */
export type BytesAhead = Readonly<Record<string, number>>;

/** What restore, replay, indexes and validation have before them, once the recovery points are chosen. */
export function bytesAhead(points: readonly RecoveryPoint[]): BytesAhead {
  if (points.length === 0) return {};
  const base = points.reduce((sum, point) => sum + bytesToRestore(point), 0);
  const log = points.reduce((sum, point) => sum + point.log.storedBytes, 0);
  return { restore: base, 'build-indexes': base, validate: base, replay: log };
}

interface Estimate {
  ms: number;
  from: 'history' | 'budget' | 'nothing';
}

export interface Forecast {
  /** from the incident to service on the new side */
  forecastMs: number;
  /** what it is made of, and what it leaves out, in words */
  basis: string;
}

function estimate(step: StepState, history: StepHistory | null, bytesAhead: BytesAhead): Estimate {
  const known = history?.steps[step.uses];
  if (known && known.runs > 0) {
    const bytes = bytesAhead[step.uses];
    const scale = known.medianBytes && bytes !== undefined ? bytes / known.medianBytes : 1;
    return { ms: known.medianMs * scale, from: 'history' };
  }
  return step.budgetMs === null ? { ms: 0, from: 'nothing' } : { ms: step.budgetMs, from: 'budget' };
}

const isPassed = (step: StepState): boolean => step.state === 'done' || step.state === 'skipped';

/** What is left of a step: what it says itself where it knows; otherwise never less than nothing. One that is past its estimate is taken to be about to end. */
function leftOf(step: StepState, estimated: Estimate, nowAt: string): number {
  if (isPassed(step)) return 0;
  const { leftMs = null } = step.progress?.whole ?? step.progress ?? {};
  if (step.state === 'running' && leftMs !== null) return leftMs;
  const spentMs = step.state === 'running' && step.startedAt ? Date.parse(nowAt) - Date.parse(step.startedAt) : 0;
  return Math.max(0, estimated.ms - spentMs);
}

/**
 * Time from the incident to service, as it looks now: what has passed, and the longest way through what is left.
 *
 * A step counts by the median of earlier runs (scaled by bytes where both are known), else by its budget, else as nothing; the
 * basis says how many of each. Steps after the switch do not count: service is back by then. Nor does waiting for people that has not happened yet.
 */
export function forecastRto(state: Pick<RunState, 'incidentAt' | 'servedAt' | 'steps'>, history: StepHistory | null, bytesAhead: BytesAhead, nowAt: string): Forecast {
  const incidentMs = Date.parse(state.incidentAt);
  if (state.servedAt !== null) return { forecastMs: Math.max(0, Date.parse(state.servedAt) - incidentMs), basis: 'service is back: measured, not forecast' };
  const estimates = new Map(state.steps.map((step) => [step.id, estimate(step, history, bytesAhead)]));
  const byId = new Map(state.steps.map((step) => [step.id, step]));
  const ways = new Map<string, { ms: number; path: string[] }>();
  const way = (id: string): { ms: number; path: string[] } => {
    const known = ways.get(id);
    if (known) return known;
    const step = byId.get(id)!;
    const before = step.needs.map(way).reduce((longest, next) => (next.ms > longest.ms ? next : longest), { ms: 0, path: [] as string[] });
    const leftMs = leftOf(step, estimates.get(id)!, nowAt);
    const found = { ms: before.ms + leftMs, path: isPassed(step) ? before.path : [...before.path, id] };
    ways.set(id, found);
    return found;
  };
  const ends = state.steps.filter((step) => step.uses === 'switch');
  const longest = (ends.length > 0 ? ends : state.steps).map((step) => way(step.id)).reduce((a, b) => (b.ms > a.ms || a.path.length === 0 ? b : a));
  const passedMs = Math.max(0, Date.parse(nowAt) - incidentMs);
  return { forecastMs: Math.round(passedMs + longest.ms), basis: describeBasis(passedMs, longest, estimates) };
}

function describeBasis(passedMs: number, longest: { ms: number; path: string[] }, estimates: Map<string, Estimate>): string {
  const count = (from: Estimate['from']): number => longest.path.filter((id) => estimates.get(id)!.from === from).length;
  const parts = [
    ...(count('history') > 0 ? [`${count('history')} by earlier runs`] : []),
    ...(count('budget') > 0 ? [`${count('budget')} by budget`] : []),
    ...(count('nothing') > 0 ? [`${count('nothing')} unknown and counted as nothing`] : []),
  ];
  const path = longest.path.length > 0 ? ` along ${longest.path.join(' → ')} (${parts.join(', ')})` : '';
  return `${formatDuration(passedMs)} passed, ${formatDuration(longest.ms)} left${path}; waiting for people to come is not counted`;
}
