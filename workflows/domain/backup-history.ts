import type { Manifest } from './manifest.ts';

/**
 * What became of a system's backups, from facts that outlive every worker: bases by their manifests in the store, runs by what Temporal still knows of
 * them. Metrics, anomalies, capacity and reports are all counted from this, so that they say the same whoever asks, and after any restart.
 */

/** As the label `type` of the metrics: a base that we dumped, what changed since one, or one that another program dumped. */
export type BackupKind = 'full' | 'increment' | 'import';

/** A base that is whole. Times are UTC ISO. */
export interface TakenBackup {
  source: string;
  timeline: string;
  backup: string;
  kind: BackupKind;
  /** when its manifest was stored, by the store's clock: what ages are counted from */
  storedAt: string;
  /** by the worker's clock: what durations are counted from */
  startedAt: string;
  finishedAt: string;
  durationMs: number;
  documents: number;
  plainBytes: number;
  storedBytes: number;
  why: string;
  requestedBy: string;
}

/** One run of a backup that has ended; of the whole system, or of the sources that were asked for. */
export interface BackupRun {
  workflowId: string;
  runId: string;
  startedAt: string;
  endedAt: string;
  /** cancelled: somebody's wish, which is neither */
  outcome: 'done' | 'failed' | 'cancelled';
  /** why it failed; null: it did not */
  why: string | null;
}

export interface BackupHistory {
  system: string;
  /** when this was read, by the store's clock */
  at: string;
  /** what is in the store, the oldest first; what retention took is not among them */
  taken: TakenBackup[];
  /** the oldest end first */
  runs: BackupRun[];
  /** runs that ended before are not known: of the namespace's retention, or because there are too many */
  runsSince: string;
}

/** @param storedAt - of the listing, by the store's clock. */
export function takenOf(manifest: Manifest, storedAt: string): TakenBackup {
  const { source, timeline, backup, startedAt, finishedAt, totals, why, requestedBy, origin, parents } = manifest;
  return {
    source,
    timeline,
    backup,
    kind: origin && origin.form !== 'stream' ? 'import' : parents ? 'increment' : 'full',
    storedAt,
    startedAt,
    finishedAt,
    durationMs: Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)),
    documents: totals.documents,
    plainBytes: totals.plainBytes,
    storedBytes: totals.storedBytes,
    why,
    requestedBy,
  };
}

/** Those of one source that we took, the oldest first. */
export const fullOf = ({ taken }: Pick<BackupHistory, 'taken'>, source: string): TakenBackup[] => taken.filter((one) => one.source === source && one.kind === 'full');

export interface SuccessRate {
  done: number;
  failed: number;
  /** 0 to 1; null: nothing ended in this time */
  rate: number | null;
  /** counted from here on, UTC ISO */
  since: string;
}

/** Of the runs that ended within `withinMs` before the history was read; one that was cancelled counts as neither. */
export function successRate({ runs, at, runsSince }: BackupHistory, withinMs: number): SuccessRate {
  const asked = new Date(Date.parse(at) - withinMs).toISOString();
  const since = asked > runsSince ? asked : runsSince;
  const counted = runs.filter(({ endedAt }) => endedAt >= since);
  const [done, failed] = (['done', 'failed'] as const).map((outcome) => counted.filter((run) => run.outcome === outcome).length) as [number, number];
  return { done, failed, rate: done + failed === 0 ? null : done / (done + failed), since };
}

/** How many runs failed since one was done. */
export function failuresInARow({ runs }: Pick<BackupHistory, 'runs'>): number {
  const lastDone = runs.findLastIndex(({ outcome }) => outcome === 'done');
  return runs.slice(lastDone + 1).filter(({ outcome }) => outcome === 'failed').length;
}
