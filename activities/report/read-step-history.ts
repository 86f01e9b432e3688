import type { PastStep, StepHistory } from '../../workflows/contract.ts';
import { amountsOf } from '../../workflows/domain/forecast-rto.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { ObjectVersion, Store } from '../store/store.ts';

/** More than these say little more, and each one is read. */
const newestRuns = 30;
/** Of one step, the newest: what a workflow is given has a bound. */
const newestTimes = 10;

/** Times of each step that ended well, from the newest runs that left a report in the store; drills count as recoveries do. Unreadable reports are passed over. */
export async function readStepHistory(room: { store: Store; signal: AbortSignal }, system: string): Promise<StepHistory> {
  const steps: Record<string, PastStep[]> = {};
  for await (const report of newestReports(room, system, newestRuns)) {
    // A part of the data says nothing of how long all of it takes.
    if (report.state.only) continue;
    const amounts = amountsOf(report.points);
    for (const { id, uses, state, elapsedMs } of report.state.steps) {
      if (state !== 'done') continue;
      for (const key of [uses, `${uses}/${id}`]) {
        const times = (steps[key] ??= []);
        if (times.length < newestTimes) times.push({ ms: elapsedMs, amount: amounts[uses] ?? null });
      }
    }
  }
  return { steps };
}

/** The reports that runs left in the store, the newest first, by when they were stored. Unreadable ones are passed over. */
export async function* newestReports({ store, signal }: { store: Store; signal: AbortSignal }, system: string, atMost: number): AsyncGenerator<RunReport> {
  const suffix = '/report.json';
  const newest = new Map<string, ObjectVersion>();
  for await (const version of store.list(layout.evidence(system, '', '').replace(/\/+$/, '/'), { signal })) {
    // A run that writes its report twice says at its end what it could not know before; versions of a key come in no order that every store keeps.
    if (version.key.endsWith(suffix) && !version.isDeleteMarker && (version.isLatest || !newest.has(version.key))) newest.set(version.key, version);
  }
  for (const version of [...newest.values()].sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt)).slice(0, atMost)) {
    const report = parseReport(await store.getVersion(version, { signal }));
    if (report) yield report;
  }
}

function parseReport(bytes: Buffer): RunReport | undefined {
  try {
    const report = JSON.parse(bytes.toString('utf8')) as RunReport;
    return report.format === 1 && Array.isArray(report.state.steps) && Array.isArray(report.points) ? report : undefined;
  } catch {
    return undefined;
  }
}
