import { drillDue, drillHistory, drillOf, type Drill, type DrillHistory } from '../../workflows/domain/drill-history.ts';
import { drillSchedules } from '../../workflows/domain/schedules/drill-schedules.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { Store } from '../store/store.ts';
import { newestReports } from './read-step-history.ts';

/** So many runs are looked at when nobody says how many: more than two years of weekly drills. */
const newestRuns = 120;

export interface DrillsAsked {
  /** runs at most, the newest; left out: 120 */
  limit?: number | undefined;
  nowMs: number;
  /** when Temporal got each schedule, by its id: what was due before that is nobody's fault. Left out: not known */
  knownSince?: Readonly<Record<string, string>> | undefined;
}

/** The drills and recoveries that left a report in the store, and whether drills come as the system file says. Reads the store alone; unreadable reports are passed over. */
export async function readDrills({ store, signal }: { store: Store; signal: AbortSignal }, system: Pick<System, 'system' | 'schedules'>, { limit = newestRuns, nowMs, knownSince = {} }: DrillsAsked): Promise<DrillHistory> {
  const runs: Drill[] = [];
  for await (const report of newestReports({ store, signal }, system.system, limit)) if (report.state.purpose !== 'backup') runs.push(drillOf(report));
  runs.sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  const due = drillSchedules(system).map((schedule) => {
    const since = knownSince[schedule.id];
    return drillDue(schedule, runs, nowMs, since === undefined ? undefined : Date.parse(since));
  });
  return drillHistory(system.system, runs, due);
}
