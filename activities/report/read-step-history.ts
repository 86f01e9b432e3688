import type { PastStep, StepHistory } from '../../workflows/contract.ts';
import { amountsOf } from '../../workflows/domain/forecast-rto.ts';
import { layout } from '../../workflows/domain/layout.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { evidenceSchema, type Evidence } from '../../workflows/domain/act-records.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { findSigned } from '../store/signed-object.ts';
import type { Store } from '../store/store.ts';
import type { Keys } from '../stream/keys.ts';

/** More than these say little more, and each one is read. */
const newestRuns = 30;
/** Of one step, the newest: what a workflow is given has a bound. */
const newestTimes = 10;

/** Times of each step that ended well, from the newest runs that left a report in the store; drills count as recoveries do. */
export async function readStepHistory(room: ReportRoom, system: string): Promise<StepHistory> {
  const steps: Record<string, PastStep[]> = {};
  for await (const report of newestReports(room, system, newestRuns)) {
    // A part of the data says nothing of how long all of it takes.
    if (report.state.only) continue;
    const amounts = amountsOf(report.points);
    for (const { id, uses, state, elapsedMs } of report.state.steps) {
      if (state !== 'done') continue;
      for (const key of [uses, `${uses}/${id}`]) {
        const times = (steps[key] ??= []);
        if (times.length < newestTimes) times.push({ ms: elapsedMs, amount: null, ...amounts[uses] });
      }
    }
  }
  return { steps };
}

/** Where reports lie, and the keys that their evidence is signed by. */
export interface ReportRoom {
  store: Store;
  keys: Keys;
  signal: AbortSignal;
}

/**
 * The reports that runs left in the store, the newest first, by when their evidence was signed. Each is the very version that the newest bundle of its run names: what nobody signed, was put over
 * it, or was signed for another run, is passed over, as is what cannot be read.
 */
export async function* newestReports(room: ReportRoom, system: string, atMost: number): AsyncGenerator<RunReport> {
  const { store, signal } = room;
  const bundles = new Map<string, string[]>();
  for await (const { key, isDeleteMarker } of store.list(layout.evidence(system, '', '').replace(/\/+$/, '/'), { signal })) {
    const [, run] = isDeleteMarker ? [] : (/\/runs\/([^/]+)\/evidence\/[^/]+\.json$/.exec(key) ?? []);
    if (run === undefined) continue;
    const of = bundles.get(run) ?? [];
    if (of.at(-1) !== key) bundles.set(run, [...of, key]);
  }
  const instantOf = (keys: readonly string[]): string => keys.at(-1)!.split('/').at(-1)!;
  let found = 0;
  for (const [run, keys] of [...bundles].sort(([, a], [, b]) => (instantOf(a) < instantOf(b) ? 1 : -1))) {
    const report = await signedReport(room, system, run, keys);
    if (!report) continue;
    yield report;
    if (++found === atMost) return;
  }
}

/** @param bundles - of the run, the oldest first: the newest that is believed names what counts. */
async function signedReport({ store, keys, signal }: ReportRoom, system: string, run: string, bundles: readonly string[]): Promise<RunReport | undefined> {
  for (const key of [...bundles].reverse()) {
    const { found } = await findSigned(store, keys, evidenceSchema, key, { signal }).catch(passOver);
    if (found) return await readNamed({ store, signal }, found.body, layout.evidence(system, run, 'report.json'));
  }
  return undefined;
}

/** What claims a later format is anybody's claim: it must not keep the true ones from being read. */
function passOver(error: unknown): { found: undefined } {
  if (!(error instanceof HoldfastError) || error.retryable) throw error;
  return { found: undefined };
}

async function readNamed({ store, signal }: Pick<ReportRoom, 'store' | 'signal'>, { files }: Evidence, key: string): Promise<RunReport | undefined> {
  const ref = files.find((file) => file.key === key);
  if (!ref) return undefined;
  try {
    return parseReport(await store.get(ref, { signal }));
  } catch (error) {
    // It is gone, or is another one by now.
    if (!(error instanceof HoldfastError) || error.retryable) throw error;
    return undefined;
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
