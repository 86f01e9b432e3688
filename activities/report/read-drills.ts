import { drillDue, drillHistory, drillOf, type Drill, type DrillHistory } from '../../workflows/domain/drill-history.ts';
import { drillSchedules } from '../../workflows/domain/schedules/drill-schedules.ts';
import type { System } from '../../workflows/domain/system.ts';
import type { OnServer } from '../schedules/read-on-server.ts';
import { newestReports, type ReportRoom } from './read-step-history.ts';

/** So many runs are looked at when nobody says how many: more than two years of weekly drills. */
const newestRuns = 120;

export interface DrillsAsked {
  /** runs at most, the newest; left out: 120 */
  limit?: number | undefined;
  nowMs: number;
  /** of each schedule that Temporal has, by its id: one that is not among them is not applied. Left out: it could not be asked */
  onServer?: Readonly<Record<string, OnServer>> | undefined;
}

/** The drills and recoveries that left a report in the store, and whether drills come as the system file says. Reads the store alone; a report that nobody signed counts for nothing. */
export async function readDrills(room: ReportRoom, system: Pick<System, 'system' | 'schedules'>, { limit = newestRuns, nowMs, onServer }: DrillsAsked): Promise<DrillHistory> {
  const runs = await readRuns(room, system.system, limit);
  const due = drillSchedules(system).map((schedule) => {
    const known = onServer?.[schedule.id];
    return drillDue({ ...schedule, paused: schedule.paused || known?.paused === true }, runs, nowMs, onServer && (known ? { sinceMs: Date.parse(known.since) } : null));
  });
  return drillHistory(system.system, runs, due);
}

/** The newest first, by when they began. */
export async function readRuns(room: ReportRoom, system: string, limit: number): Promise<Drill[]> {
  const runs: Drill[] = [];
  // A page that was written while the run went on says nothing of its end.
  for await (const report of newestReports(room, system, limit)) if (report.state.purpose !== 'backup' && report.state.endedAt !== null) runs.push(drillOf(report));
  return runs.sort((a, b) => b.startedAt.localeCompare(a.startedAt));
}
