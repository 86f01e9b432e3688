import type { StepHistory } from '../../workflows/contract.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { ObjectVersion, Store } from '../store/store.ts';

/** More than these say little more, and each one is read. */
const newestRuns = 30;

/** Median time of each step type over the newest runs that left a report in the store. Unreadable reports are passed over. */
export async function readStepHistory({ store, signal }: { store: Store; signal: AbortSignal }, system: string): Promise<StepHistory> {
  const suffix = '/report.json';
  const newest = new Map<string, ObjectVersion>();
  for await (const version of store.list(layout.evidence(system, '', '').replace(/\/+$/, '/'), { signal })) {
    if (version.key.endsWith(suffix) && !version.isDeleteMarker) newest.set(version.key, version);
  }
  const versions = [...newest.values()].sort((a, b) => b.modifiedAt.localeCompare(a.modifiedAt)).slice(0, newestRuns);
  const times = new Map<string, { elapsedMs: number; bytes: number | null }[]>();
  for (const version of versions) {
    const read = parseReport(await store.getVersion(version, { signal }));
    // A part of the data says nothing of how long all of it takes.
    const report = read?.state.only ? undefined : read;
    const bytes = report ? report.points.reduce((sum, point) => sum + point.base.plainBytes, 0) : null;
    for (const step of report?.state.steps ?? []) {
      if (step.state === 'done') times.set(step.uses, [...(times.get(step.uses) ?? []), { elapsedMs: step.elapsedMs, bytes }]);
    }
  }
  const steps = [...times].map(([uses, all]) => [
    uses,
    { runs: all.length, medianMs: median(all.map((one) => one.elapsedMs))!, medianBytes: median(all.flatMap((one) => one.bytes ?? [])) },
  ]);
  return { steps: Object.fromEntries(steps) as StepHistory['steps'] };
}

function parseReport(bytes: Buffer): RunReport | undefined {
  try {
    const report = JSON.parse(bytes.toString('utf8')) as RunReport;
    return report.format === 1 && Array.isArray(report.state.steps) && Array.isArray(report.points) ? report : undefined;
  } catch {
    return undefined;
  }
}

function median(values: number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : Math.round((sorted[middle - 1]! + sorted[middle]!) / 2);
}
