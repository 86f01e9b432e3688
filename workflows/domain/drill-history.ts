import { leftOut } from './build-report.ts';
import type { LogPosition } from './log-position.ts';
import { logPositionAt } from './log-position.ts';
import { bytesToRestore } from './recovery-point.ts';
import type { RunReport } from './report.ts';
import type { StepStatus } from './run-state.ts';
import { lastMoment, nextMoment } from './schedules/moments.ts';
import type { ScheduleTimes } from './schedules/when.ts';

/**
 * What a system's drills and recoveries showed, from the reports that they left in the store, and whether drills come as the system file says. Pure.
 *
 * Only whole drills count for compliance: one of a part of the data proves nothing of the time that all of it takes. One that was aborted or failed counts as
 * missed, as on the night of it nothing would have been recovered.
 */

/** passed: by the whole runbook, proved equal, within both objectives. missed: the same, and an objective was not met. failed: anything else. */
export type DrillResult = 'passed' | 'missed' | 'failed';

interface Objective {
  objectiveMs: number;
  /** null: not reached, or not known */
  achievedMs: number | null;
  met: boolean | null;
}

/** One source of a run: what was restored of it, up to where. */
export interface DrilledSource {
  source: string;
  timeline: string;
  /** id of the base */
  backup: string;
  /** everything before this was restored; exclusive: the place in the log that counts and hashes are of */
  limit: LogPosition;
  /** of the base, as loaded */
  bytes: number;
  /** of the log that was replayed, as stored */
  logBytes: number;
  /** how long a stretch of log was replayed */
  logMs: number;
}

export interface DrillProof {
  /** null: nothing was compared */
  equal: boolean | null;
  /** what was claimed, or what did not hold: a line each */
  claims: string[];
  collections: number;
  documents: number;
  /** of the collections, those whose content was compared by hash */
  hashed: number;
}

export interface Drill {
  /** names the run in the store */
  run: string;
  workflowId: string;
  purpose: 'drill' | 'recovery';
  /** UTC ISO */
  startedAt: string;
  finishedAt: string;
  requestedBy: string;
  /** the schedule that asked for it: `demo/quarterly-drill`; null: a person did */
  schedule: string | null;
  /** null: the main one */
  runbook: string | null;
  /** a part of the data; null: all of it */
  only: string[] | null;
  outcome: RunReport['outcome'];
  result: DrillResult;
  /** one line: why it failed, or what was left out; null: nothing to say */
  why: string | null;
  /** of a drill: incident to where the switch would be */
  rto: Objective & { humanMs: number };
  rpo: Objective;
  proof: DrillProof;
  sources: DrilledSource[];
  steps: { id: string; uses: string; state: StepStatus; elapsedMs: number; budgetMs: number | null }[];
  /** who was asked at its gates, and what they said; the first twenty */
  approvals: { gate: string; by: string; decision: string; at: string }[];
  /** the place that it restored to is gone; null: not known, or it is not to go (a recovery) */
  cleanedUp: boolean | null;
}

/** A schedule of drills, as the file has it. Times of a surprise are those from which its window runs. */
export interface DrillSchedule {
  /** `demo/quarterly-drill` */
  id: string;
  times: ScheduleTimes;
  /** how much later than its moment a drill may begin and still be that moment's */
  graceMs: number;
  paused: boolean;
}

export interface DrillDue {
  schedule: string;
  /** UTC ISO; of a surprise when its window opens; null: none in a year, or it is paused, or not applied */
  nextAt: string | null;
  /** its last moment before now at which it was applied; null: none in a year, or nobody knows since when it is */
  lastDueAt: string | null;
  /** when a drill that it asked for last began; null: none did */
  lastAt: string | null;
  /** whether the server has it; null: it could not be asked */
  applied: boolean | null;
  /** the last moment is over, with its grace, and no drill of this schedule began since */
  overdue: boolean;
}

export interface DrillHistory {
  system: string;
  /** the newest first; recoveries are told by their purpose */
  drills: Drill[];
  compliance: {
    /** whole drills */
    of: number;
    within: number;
    /** 0 to 1; null: there was none */
    share: number | null;
  };
  /** null: there was none */
  lastDrill: Drill | null;
  /** passed or missed: it was proved that the system can be recovered */
  lastSuccess: Drill | null;
  due: DrillDue[];
}

/** Who aborts a run that nobody watches. */
export const unattendedBy = 'holdfast';

const schedulePrefix = 'schedule/';

/** Which schedule a run was asked for by. Null: a person. */
const scheduleOf = (requestedBy: string): string | null => (requestedBy.startsWith(schedulePrefix) ? requestedBy.slice(schedulePrefix.length) : null);

function proofOf({ validation }: RunReport): DrillProof {
  // A validator that only counts says what a person expected of the data, and not what the source held.
  const compared = validation.filter(({ collections }) => collections.some(({ hashEqual }) => hashEqual !== null));
  const rows = compared.flatMap(({ collections }) => collections);
  return {
    equal: compared.length === 0 ? null : compared.every(({ ok }) => ok),
    claims: validation.map(({ id, ok, claim, problems }) => (ok ? `${id}: ${claim}` : `${id}: does not hold: ${problems[0] ?? claim}`)),
    collections: compared.reduce((sum, { collectionCount }) => sum + collectionCount, 0),
    documents: rows.reduce((sum, { count }) => sum + count, 0),
    hashed: rows.filter(({ hashEqual }) => hashEqual !== null).length,
  };
}

function whyOf(report: RunReport): string | null {
  const { state, outcome } = report;
  const failed = state.steps.find(({ error, state: status }) => error !== null && status !== 'done');
  if (failed) return `step ${failed.id}: ${failed.error!.type}: ${failed.error!.message}`;
  const without = leftOut(state, report.validation);
  return without.length > 0 ? without.join('; ') : outcome.startsWith('done') ? null : outcome;
}

/** What the report of one run says of it. */
export function drillOf(report: RunReport): Drill {
  const { state, rto, rpo, outcome } = report;
  const isDrill = state.purpose === 'drill';
  const proof = proofOf(report);
  const whole = (outcome === 'done' || outcome === 'done, partial') && report.validation.every(({ ok, effect }) => ok || effect === 'warn');
  const missed = rto.met === false || rpo.met === false;
  const cleanup = report.cleanup === undefined ? null : Object.values(report.cleanup).every(({ removed }) => removed);
  return {
    run: state.run ?? report.runId,
    workflowId: report.workflowId,
    purpose: isDrill ? 'drill' : 'recovery',
    startedAt: state.startedAt,
    finishedAt: report.finishedAt,
    requestedBy: state.requestedBy,
    schedule: scheduleOf(state.requestedBy),
    runbook: state.runbook ?? null,
    only: state.only ?? null,
    outcome,
    result: !whole || proof.equal === false ? 'failed' : missed ? 'missed' : 'passed',
    why: whyOf(report),
    rto: { objectiveMs: rto.objectiveMs, achievedMs: rto.achievedMs, met: rto.met, humanMs: rto.humanMs },
    rpo: { ...rpo },
    proof,
    sources: report.points.map((point) => ({
      source: point.source,
      timeline: point.timeline,
      backup: point.base.backup,
      limit: point.limit,
      bytes: bytesToRestore(point),
      logBytes: point.log.storedBytes,
      logMs: Math.max(0, Date.parse(point.reachesAt) - Date.parse(logPositionAt(point.log.from))),
    })),
    steps: state.steps.map(({ id, uses, state: status, elapsedMs, budgetMs }) => ({ id, uses, state: status, elapsedMs, budgetMs })),
    approvals: state.gates.flatMap(({ gate, decisions }) => decisions.map(({ by, decision, at }) => ({ gate, by, decision, at }))).slice(0, 20),
    cleanedUp: isDrill ? cleanup : null,
  };
}

/**
 * A schedule owes a drill only from when it was applied on: of one that is not on the server nothing is overdue, but that it is not there. Where the server cannot be asked, a drill
 * that it began once says that it was applied.
 *
 * @param onServer - when the server got the schedule; null: it has none. Left out: it could not be asked.
 */
export function drillDue({ id, times, graceMs, paused }: DrillSchedule, drills: readonly Drill[], nowMs: number, onServer?: { sinceMs: number } | null): DrillDue {
  const last = lastMoment(times, nowMs - graceMs);
  const next = onServer === null ? undefined : nextMoment(times, nowMs);
  const lastAt = drills.filter(({ schedule, purpose }) => schedule === id && purpose === 'drill').map(({ startedAt }) => startedAt).sort().at(-1) ?? null;
  const sinceMs = onServer === undefined ? (lastAt === null ? Infinity : 0) : onServer === null ? Infinity : onServer.sinceMs;
  const lastDueMs = last !== undefined && last >= sinceMs ? last : undefined;
  const at = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());
  return {
    schedule: id,
    nextAt: paused ? null : at(next),
    lastDueAt: at(lastDueMs),
    lastAt,
    applied: onServer === undefined ? null : onServer !== null,
    overdue: lastDueMs !== undefined && (lastAt === null || Date.parse(lastAt) < lastDueMs),
  };
}

/** @param runs - the newest first. */
export function drillHistory(system: string, runs: readonly Drill[], due: readonly DrillDue[]): DrillHistory {
  const drills = runs.filter(({ purpose }) => purpose === 'drill');
  const whole = drills.filter(({ only }) => only === null);
  const within = whole.filter(({ result }) => result === 'passed').length;
  return {
    system,
    drills: [...runs],
    compliance: { of: whole.length, within, share: whole.length === 0 ? null : within / whole.length },
    lastDrill: drills[0] ?? null,
    lastSuccess: whole.find(({ result }) => result !== 'failed') ?? null,
    due: [...due],
  };
}
