import type { RunReport } from '../../workflows/domain/report.ts';
import type { Proved } from '../../workflows/domain/retention/plan.ts';
import { newestReports, type ReportRoom } from '../report/read-step-history.ts';

/** So many reports of runs are looked at: a proof that is older than all of them is nobody's last one. */
const newestRuns = 100;

/**
 * What a run last restored of a source and found equal: by the newest report that says so. A drill counts as a recovery does, a partial restore does not.
 * Null: none has. Only what the run's signed evidence names counts: whoever may write to the store cannot move what is protected.
 */
export async function readProved(room: ReportRoom, of: { system: string; source: string }): Promise<Proved | null> {
  for await (const report of newestReports(room, of.system, newestRuns)) {
    const point = isProof(report) ? report.points.find(({ source }) => source === of.source) : undefined;
    if (point) return { run: report.state.run ?? report.workflowId, at: report.finishedAt, timeline: point.timeline, backup: point.base.backup, from: point.log.from, limit: point.limit };
  }
  return null;
}

const isProof = ({ outcome, validation, state }: RunReport): boolean =>
  outcome.startsWith('done') && state.only === undefined && validation.some(({ effect }) => effect === 'gate') && validation.every(({ ok, effect }) => ok || effect === 'warn');
