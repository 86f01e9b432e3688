import type { FenceResult, ReplayResult, ValidationResult } from '../contract.ts';
import { reachedSwitchMs } from './forecast-rto.ts';
import { logPositionAt } from './log-position.ts';
import type { RecoveryPoint } from './recovery-point.ts';
import type { RunReport, WatchPlace } from './report.ts';
import type { RunState } from './run-state.ts';

export interface ReportFacts {
  title: string;
  workflowId: string;
  runId: string;
  /** the run's human time up to `servedAt`; null while service is not back */
  humanMsAtService: number | null;
  points: Readonly<Record<string, RecoveryPoint>>;
  replays: Readonly<Record<string, ReplayResult>>;
  fences: Readonly<Record<string, FenceResult>>;
  watches: Readonly<Record<string, WatchPlace>>;
  validations: Readonly<Record<string, ValidationResult>>;
}

/**
 * Loss of the worst source: the incident minus the wall clock of the last entry really applied. A source whose log held nothing counts
 * from the end of its base. A drill that was asked for the newest point before a moment plays that the incident was then. Null: some source was not replayed, so nothing is known. Never below 0: entries after the incident are no loss.
 */
function achievedRpoMs(state: RunState, facts: ReportFacts): number | null {
  const sources = Object.keys(facts.points);
  // What a partial restore brings is no answer to what the system lost.
  if (state.only || sources.length === 0 || sources.some((source) => !facts.replays[source])) return null;
  const { targetTime, orBefore } = state.target ?? {};
  const incidentAt = state.purpose === 'drill' && orBefore && targetTime !== undefined ? targetTime : state.incidentAt;
  const lossesMs = sources.map((source) => {
    const lastAt = facts.replays[source]!.appliedToAt ?? logPositionAt(facts.points[source]!.base.end);
    return Math.max(0, Date.parse(incidentAt) - Date.parse(lastAt));
  });
  return Math.max(...lossesMs);
}

/** Proved or isolated for every source that has a point; a fence that was passed over or skipped proved nothing. */
function fenceHolds(state: RunState, facts: ReportFacts): boolean {
  if (!state.steps.some((step) => step.uses === 'fence') || state.purpose === 'drill' || state.only) return true;
  return Object.keys(facts.points).every((source) => ['proved', 'isolated'].includes(facts.fences[source]?.outcome ?? 'none'));
}

function outcomeOf(state: RunState, facts: ReportFacts): RunReport['outcome'] {
  if (state.status === 'aborted') return 'aborted';
  // Written while other steps of the runbook go on; it is written again at the run's end.
  if (state.status !== 'done') return state.endedAt === null ? 'goes on' : 'failed';
  // A skipped fence leaves the old primary's power to write, which is the worse of the two.
  if (!fenceHolds(state, facts)) return 'done, fence unproved';
  return leftOut(state, Object.values(facts.validations)).length > 0 ? 'done, with steps skipped' : state.only ? 'done, partial' : 'done';
}

/** Steps that began when service was back and that the run went on without: work that is left to people, and nothing that the recovery stands on. */
export const leftBehind = ({ servedAt, steps }: RunState): string[] =>
  steps.filter((step) => step.state === 'skipped' && step.skippedBy !== undefined && step.uses !== 'switch' && step.startedAt !== null && servedAt !== null && step.startedAt >= servedAt).map(({ id }) => id);

/** What the run went on without, a few words each: steps that people skipped, and validators that gate and do not hold. The fence speaks for itself. */
export function leftOut(state: RunState, validations: readonly ValidationResult[]): string[] {
  const behind = leftBehind(state);
  const skipped = state.steps.filter((step) => step.state === 'skipped' && step.skippedBy !== undefined && step.uses !== 'fence').map(({ id }) => id).filter((id) => !behind.includes(id));
  const failed = validations.filter((result) => !result.ok && result.effect === 'gate').map(({ id }) => id);
  return [
    ...(skipped.length > 0 ? [`skipped by people: ${skipped.join(', ')}`] : []),
    ...(failed.length > 0 ? [`validation does not hold: ${[...new Set(failed)].join(', ')}`] : []),
    ...(behind.length > 0 ? [`left to do: ${behind.join(', ')}`] : []),
  ];
}

/** Where the outcome can name only one of two, the warnings name both. */
function warningsOf(state: RunState, facts: ReportFacts): string[] {
  const without = leftOut(state, Object.values(facts.validations));
  if (outcomeOf(state, facts) !== 'done, fence unproved' || without.length === 0) return state.warnings;
  return [...state.warnings, 'the old primary is not proved to be fenced', ...without];
}

/**
 * From the incident to service on the new side. A drill moves no traffic: of one that came through, up to where the switch would be; what comes behind it (the report, the
 * place's removal) is no part of it, as a recovery's is none of its time. Null: service did not come back, or would not have.
 */
function achievedRtoMs(state: RunState, outcome: RunReport['outcome']): number | null {
  if (state.purpose === 'drill') return outcome.startsWith('done') ? reachedSwitchMs(state) : null;
  if (state.servedAt !== null) return Math.max(0, Date.parse(state.servedAt) - Date.parse(state.incidentAt));
  // What took the place of what lives serves there, also where nobody said since when.
  return state.copies === 'swap' && !state.only && outcome.startsWith('done') ? reachedSwitchMs(state) : null;
}

/** The report of a run, from its state and what its steps left. Pure: the same facts give the same report. */
export function buildReport(state: RunState, facts: ReportFacts, nowAt: string): RunReport {
  const incidentMs = Date.parse(state.incidentAt);
  const finishedAt = state.endedAt ?? nowAt;
  const outcome = outcomeOf(state, facts);
  const rtoMs = achievedRtoMs(state, outcome);
  const humanMs = Math.min(facts.humanMsAtService ?? state.humanMs, rtoMs ?? Infinity);
  const spentMs = rtoMs ?? Math.max(0, Date.parse(finishedAt) - incidentMs);
  const rpoMs = achievedRpoMs(state, facts);
  return {
    format: 1,
    system: state.system,
    title: facts.title,
    workflowId: facts.workflowId,
    runId: facts.runId,
    outcome,
    incidentAt: state.incidentAt,
    finishedAt,
    rto: {
      objectiveMs: state.rtoObjectiveMs,
      achievedMs: rtoMs,
      machineMs: Math.max(0, spentMs - humanMs),
      humanMs,
      met: rtoMs === null ? null : rtoMs <= state.rtoObjectiveMs,
    },
    rpo: { objectiveMs: state.rpoObjectiveMs, achievedMs: rpoMs, met: rpoMs === null ? null : rpoMs <= state.rpoObjectiveMs },
    points: Object.values(facts.points),
    fence: { ...facts.fences },
    watches: { ...facts.watches },
    validation: Object.values(facts.validations),
    state,
    warnings: warningsOf(state, facts),
  };
}
