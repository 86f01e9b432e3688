import { recoveredAt, type IncidentState } from './incident.ts';
import { formatDuration } from './units.ts';

/** What the store keeps of an incident that is closed. */
export interface IncidentRecord {
  format: 1;
  state: IncidentState;
  /** start to recovery; null: nobody ever said that it is over */
  recoveryMs: number | null;
  rto: { objectiveMs: number; met: boolean | null };
  /** of its worst run that ended with service back; null: none did, so nothing is known */
  rpo: { objectiveMs: number; achievedMs: number | null; met: boolean | null };
}

export function recordOf(state: IncidentState): IncidentRecord {
  const over = recoveredAt(state);
  const recoveryMs = over === null ? null : Math.max(0, Date.parse(over) - Date.parse(state.startedAt));
  const losses = state.runs.flatMap(({ servedAt, rpo }) => (servedAt !== null && rpo && rpo.achievedMs !== null ? [rpo.achievedMs] : []));
  const achievedMs = losses.length > 0 ? Math.max(...losses) : null;
  return {
    format: 1,
    state,
    recoveryMs,
    rto: { objectiveMs: state.rtoObjectiveMs, met: recoveryMs === null ? null : recoveryMs <= state.rtoObjectiveMs },
    rpo: { objectiveMs: state.rpoObjectiveMs, achievedMs, met: achievedMs === null ? null : achievedMs <= state.rpoObjectiveMs },
  };
}

/** How a system's incidents went, all together. */
export interface IncidentTotals {
  incidents: number;
  /** mean time to recovery, over those that are over; null: none is */
  mttrMs: number | null;
  mttrObjectiveMs: number | null;
  mttrMet: boolean | null;
  longestMs: number | null;
  rto: { met: number; missed: number };
  rpo: { met: number; missed: number; unknown: number };
  /** closed without a review */
  reviewsOwed: number;
}

export function totalOf(records: readonly IncidentRecord[], mttrObjectiveMs: number | null): IncidentTotals {
  const times = records.flatMap(({ recoveryMs }) => recoveryMs ?? []);
  const mttrMs = times.length > 0 ? Math.round(times.reduce((sum, ms) => sum + ms, 0) / times.length) : null;
  const count = (of: (record: IncidentRecord) => boolean): number => records.filter(of).length;
  return {
    incidents: records.length,
    mttrMs,
    mttrObjectiveMs,
    mttrMet: mttrMs === null || mttrObjectiveMs === null ? null : mttrMs <= mttrObjectiveMs,
    longestMs: times.length > 0 ? Math.max(...times) : null,
    rto: { met: count(({ rto }) => rto.met === true), missed: count(({ rto }) => rto.met === false) },
    rpo: { met: count(({ rpo }) => rpo.met === true), missed: count(({ rpo }) => rpo.met === false), unknown: count(({ rpo }) => rpo.met === null) },
    reviewsOwed: count(({ state }) => state.review === null),
  };
}

export function describeTotals(totals: IncidentTotals): string {
  if (totals.incidents === 0) return 'no incident was closed yet';
  const objective = totals.mttrObjectiveMs === null ? '' : ` (objective ${formatDuration(totals.mttrObjectiveMs)}, ${totals.mttrMet ? 'met' : 'missed'})`;
  const mttr = totals.mttrMs === null ? 'no recovery' : `mean time to recovery ${formatDuration(totals.mttrMs)}${objective}, longest ${formatDuration(totals.longestMs!)}`;
  return `${totals.incidents} closed: ${mttr}; RTO met ${totals.rto.met}, missed ${totals.rto.missed}; RPO met ${totals.rpo.met}, missed ${totals.rpo.missed}, unknown ${totals.rpo.unknown}${totals.reviewsOwed > 0 ? `; without a review ${totals.reviewsOwed}` : ''}`;
}
