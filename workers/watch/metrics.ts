import { Counter, Gauge, Registry } from 'prom-client';
import type { SystemFacts } from '../../activities/watch/system-facts.ts';
import { usual, usualOf } from '../../workflows/domain/anomalies.ts';
import { failuresInARow, fullOf, successRate, type BackupKind } from '../../workflows/domain/backup-history.ts';
import { problemKinds, verdicts } from '../../workflows/domain/readiness.ts';

/**
 * What Prometheus is told of the systems: each row is a metric, and how its values come from the facts. They are written anew at each scrape, into a registry
 * of its own, so that what is not known any more is not shown any more. Times are seconds since the epoch, durations seconds, sizes bytes.
 */
export interface MetricRow {
  name: string;
  help: string;
  labels: readonly string[];
  /** what only grows while the store is kept whole; left out: a gauge */
  counts?: true;
  /** none: nothing is known */
  valuesOf(facts: SystemFacts): Sample[];
}

interface Sample {
  labels: Record<string, string>;
  value: number;
}

const secondsOf = (at: string): number => Date.parse(at) / 1_000;
const ifKnown = (labels: Record<string, string>, value: number | null | undefined): Sample[] => (value === null || value === undefined || !Number.isFinite(value) ? [] : [{ labels, value }]);
const ifAt = (labels: Record<string, string>, at: string | null | undefined): Sample[] => (at ? ifKnown(labels, secondsOf(at)) : []);
const each = <T>(list: readonly T[] | null | undefined, samples: (one: T) => Sample[]): Sample[] => (list ?? []).flatMap(samples);

/** The newest base of each source and kind. */
const newest = ({ system, sources, history }: SystemFacts): { labels: Record<string, string>; storedAt: string; storedBytes: number; durationMs: number }[] =>
  sources.flatMap((source) =>
    (['full', 'increment', 'import'] as const satisfies readonly BackupKind[]).flatMap((type) => {
      const last = history?.taken.findLast((one) => one.source === source && one.kind === type);
      return last ? [{ labels: { system, source, type }, ...last }] : [];
    }),
  );

const usualOfSources = ({ system, sources, history }: SystemFacts): { labels: Record<string, string>; storedBytes: number; durationMs: number }[] =>
  sources.flatMap((source) => {
    const before = history && usualOf(fullOf(history, source));
    return before ? [{ labels: { system, source }, ...before }] : [];
  });

const ofSource = ['system', 'source'] as const;
const ofType = ['type', 'system', 'source'] as const;
const ofSystem = ['system'] as const;
const ofSchedule = ['system', 'schedule'] as const;

/** The names that the yseeku handbook uses, with more labels. */
const handbook: MetricRow[] = [
  {
    name: 'backup_last_success_timestamp',
    help: 'When the newest whole backup was stored, by the store’s clock. type: full, increment (what changed since another base), import; log: up to when the log is archived; incremental: when the check of the log since the last base last held.',
    labels: ofType,
    valuesOf: (facts) => [
      ...newest(facts).flatMap(({ labels, storedAt }) => ifAt(labels, storedAt)),
      ...each(facts.readiness?.sources, ({ source, newest: window }) => ifAt({ type: 'log', system: facts.system, source }, window?.toAt)),
      ...each(facts.ends?.filter(({ operation }) => operation === 'incremental'), ({ doneAt }) => ifAt({ type: 'incremental', system: facts.system, source: '' }, doneAt)),
    ],
  },
  { name: 'backup_size_bytes', help: 'Stored bytes of the newest backup.', labels: ofType, valuesOf: (facts) => newest(facts).flatMap(({ labels, storedBytes }) => ifKnown(labels, storedBytes)) },
  { name: 'backup_duration_seconds', help: 'How long the newest backup took.', labels: ofType, valuesOf: (facts) => newest(facts).flatMap(({ labels, durationMs }) => ifKnown(labels, durationMs / 1_000)) },
  {
    name: 'backup_restore_tests_total',
    help: 'Drills that left a signed report in the store: those among its newest 120 runs when this process began, and all since. result: passed, missed (an objective was not met), failed.',
    labels: ['result', 'system'],
    counts: true,
    valuesOf: ({ system, drilled }) => Object.entries(drilled ?? {}).map(([result, value]) => ({ labels: { result, system }, value })),
  },
];

const backups: MetricRow[] = [
  { name: 'holdfast_backup_usual_size_bytes', help: `Average stored bytes of the ${usual.compared} backups before the newest.`, labels: ofSource, valuesOf: (facts) => usualOfSources(facts).flatMap(({ labels, storedBytes }) => ifKnown(labels, storedBytes)) },
  { name: 'holdfast_backup_usual_duration_seconds', help: `Average duration of the ${usual.compared} backups before the newest.`, labels: ofSource, valuesOf: (facts) => usualOfSources(facts).flatMap(({ labels, durationMs }) => ifKnown(labels, durationMs / 1_000)) },
  { name: 'holdfast_backups', help: 'Whole backups of ours in the store.', labels: ofSource, valuesOf: ({ system, sources, history }) => (history ? sources.map((source) => ({ labels: { system, source }, value: fullOf(history, source).length })) : []) },
  {
    name: 'holdfast_backup_age_limit_seconds',
    help: 'How old the newest backup may be: monitor.backupAge of the system file.',
    labels: [...ofSource, 'severity'],
    valuesOf: ({ system, sources, ages }) => sources.flatMap((source) => [{ labels: { system, source, severity: 'warning' }, value: ages.warningMs / 1_000 }, { labels: { system, source, severity: 'critical' }, value: ages.criticalMs / 1_000 }]),
  },
  { name: 'holdfast_backup_success_ratio', help: 'Of the backups that ended in 30 days, or as far as Temporal remembers, the share that was done.', labels: ofSystem, valuesOf: ({ system, history }) => ifKnown({ system }, history && successRate(history, usual.successWithinMs).rate) },
  { name: 'holdfast_backup_failures_in_a_row', help: 'Backups that failed since one was done.', labels: ofSystem, valuesOf: ({ system, history }) => ifKnown({ system }, history && failuresInARow(history)) },
  { name: 'holdfast_verified_share', help: 'Of all that is kept, the share that samples have read within the time in which all of it is to be read; 1: all of it. Missing where none was made.', labels: ofSource, valuesOf: ({ system, verified }) => each(verified, ({ source, share }) => ifKnown({ system, source }, share)) },
  { name: 'holdfast_last_done_timestamp', help: 'When scheduled work last ended well, by what it does.', labels: ['system', 'operation'], valuesOf: ({ system, ends }) => each(ends, ({ operation, doneAt }) => ifAt({ system, operation }, doneAt)) },
  { name: 'holdfast_last_failed_timestamp', help: 'When scheduled work last failed, by what it does.', labels: ['system', 'operation'], valuesOf: ({ system, ends }) => each(ends, ({ operation, failedAt }) => ifAt({ system, operation }, failedAt)) },
];

const readiness: MetricRow[] = [
  { name: 'holdfast_rpo_seconds', help: 'What would be lost now: the age of the oldest write that is not archived.', labels: ofSource, valuesOf: ({ system, readiness: now }) => each(now?.sources, ({ source, rpoMs }) => ifKnown({ system, source }, rpoMs === null ? null : rpoMs / 1_000)) },
  { name: 'holdfast_rpo_objective_seconds', help: 'The objective.', labels: ofSystem, valuesOf: ({ system, file }) => ifKnown({ system }, file && file.objectives.rpo / 1_000) },
  { name: 'holdfast_rto_forecast_seconds', help: 'How long a recovery would take that began now.', labels: ofSystem, valuesOf: ({ system, readiness: now }) => ifKnown({ system }, now && now.forecastMs !== null ? now.forecastMs / 1_000 : null) },
  { name: 'holdfast_rto_objective_seconds', help: 'The objective.', labels: ofSystem, valuesOf: ({ system, file }) => ifKnown({ system }, file && file.objectives.rto / 1_000) },
  { name: 'holdfast_restorable_from_timestamp', help: 'The earliest moment that can be restored.', labels: ofSource, valuesOf: ({ system, readiness: now }) => each(now?.sources, ({ source, oldestAt }) => ifAt({ system, source }, oldestAt)) },
  { name: 'holdfast_restorable_to_timestamp', help: 'The latest moment that can be restored.', labels: ofSource, valuesOf: ({ system, readiness: now }) => each(now?.sources, ({ source, newest: window }) => ifAt({ system, source }, window?.toAt)) },
  { name: 'holdfast_verified_timestamp', help: 'When something of a source was last read, or restored by a drill, and found whole. scope: newest, base, log, sample, all, restore.', labels: [...ofSource, 'scope'], valuesOf: ({ system, readiness: now }) => each(now?.sources, ({ source, verified }) => ifAt({ system, source, scope: verified?.scope ?? '' }, verified?.at)) },
  { name: 'holdfast_gaps', help: 'Log that was lost for ever, as written down.', labels: ofSource, valuesOf: ({ system, readiness: now }) => each(now?.sources, ({ source, gaps }) => [{ labels: { system, source }, value: gaps }]) },
  { name: 'holdfast_open_gaps', help: 'Gaps that no base was taken behind.', labels: ofSource, valuesOf: ({ system, readiness: now }) => each(now?.sources, ({ source, openGaps }) => [{ labels: { system, source }, value: openGaps.length }]) },
  { name: 'holdfast_ready', help: 'The verdict of the readiness watch, 1 for the one that holds.', labels: ['system', 'verdict'], valuesOf: ({ system, readiness: now }) => (now ? verdicts.map((verdict) => ({ labels: { system, verdict }, value: now.verdict === verdict ? 1 : 0 })) : []) },
  { name: 'holdfast_problems', help: `What stands against a recovery, by kind: ${Object.keys(problemKinds).join(', ')}.`, labels: ['system', 'kind'], valuesOf: ({ system, readiness: now }) => (now ? Object.keys(problemKinds).map((kind) => ({ labels: { system, kind }, value: now.problems.filter((problem) => problem.kind === kind).length })) : []) },
  { name: 'holdfast_readiness_timestamp', help: 'When readiness was last looked at.', labels: ofSystem, valuesOf: ({ system, readiness: now }) => ifAt({ system }, now?.at) },
  { name: 'holdfast_clock_ahead_seconds', help: 'By how much the clock of the worker that looked is ahead of another: of the store, Temporal, a source.', labels: ['system', 'of'], valuesOf: ({ system, readiness: now }) => each(now?.clocks, ({ of, aheadMs }) => ifKnown({ system, of }, aheadMs / 1_000)) },
  { name: 'holdfast_drills_overdue', help: 'Schedules of drills whose last drill did not come.', labels: ofSystem, valuesOf: ({ system, drills }) => ifKnown({ system }, drills?.due.filter(({ overdue }) => overdue).length) },
  { name: 'holdfast_last_drill_timestamp', help: 'When the last drill ended, by its result.', labels: ['system', 'result'], valuesOf: ({ system, drills }) => (drills?.lastDrill ? ifAt({ system, result: drills.lastDrill.result }, drills.lastDrill.finishedAt) : []) },
];

const operation: MetricRow[] = [
  { name: 'holdfast_archive_running', help: 'Whether the archive of a source runs.', labels: ofSource, valuesOf: ({ system, archives }) => Object.entries(archives ?? {}).map(([source, runs]) => ({ labels: { system, source }, value: runs ? 1 : 0 })) },
  { name: 'holdfast_schedule_last_fire_timestamp', help: 'The moment that a schedule last started something for.', labels: ofSchedule, valuesOf: ({ system, fires }) => each(fires, ({ id, lastAt }) => ifAt({ system, schedule: nameOf(id) }, lastAt)) },
  { name: 'holdfast_schedule_due_timestamp', help: 'The moment at which a schedule should last have started something, by the system file.', labels: ofSchedule, valuesOf: ({ system, fires }) => each(fires, ({ id, dueAt }) => ifAt({ system, schedule: nameOf(id) }, dueAt)) },
  { name: 'holdfast_schedule_stopped', help: '1: a schedule did not start what it should, or is not on the server.', labels: ofSchedule, valuesOf: ({ system, fires }) => each(fires, ({ id, state }) => [{ labels: { system, schedule: nameOf(id) }, value: state === 'late' || state === 'missing' ? 1 : 0 }]) },
  { name: 'holdfast_schedule_paused', help: '1: somebody, or a failure, has paused it.', labels: ofSchedule, valuesOf: ({ system, fires }) => each(fires, ({ id, state }) => [{ labels: { system, schedule: nameOf(id) }, value: state === 'paused' ? 1 : 0 }]) },
  {
    name: 'holdfast_open_work',
    help: 'What is open now, by purpose (recovery, drill, incident, backup, …) and phase; of an incident its status.',
    labels: ['system', 'purpose', 'phase'],
    valuesOf: ({ system, open }) => {
      const counts = new Map<string, number>();
      for (const { purpose, phase } of open ?? []) counts.set(`${purpose} ${phase}`, (counts.get(`${purpose} ${phase}`) ?? 0) + 1);
      return [...counts].map(([key, value]) => ({ labels: { system, purpose: key.split(' ')[0]!, phase: key.split(' ')[1]! }, value }));
    },
  },
  { name: 'holdfast_storage_used_bytes', help: 'What lies in the store: of a bucket this system’s objects, every version; of a directory its whole file system.', labels: ofSystem, valuesOf: ({ system, capacity }) => ifKnown({ system }, capacity?.usedBytes) },
  { name: 'holdfast_storage_limit_bytes', help: 'What may lie there. limit: disk, budget.', labels: ['system', 'limit'], valuesOf: ({ system, capacity }) => (capacity?.limit ? ifKnown({ system, limit: capacity.limit.kind }, capacity.limit.bytes) : []) },
  { name: 'holdfast_storage_used_ratio', help: 'Used of the limit.', labels: ofSystem, valuesOf: ({ system, capacity }) => ifKnown({ system }, capacity?.usedShare) },
  { name: 'holdfast_storage_growth_bytes_per_day', help: 'By a straight line through the backups.', labels: ofSystem, valuesOf: ({ system, capacity }) => ifKnown({ system }, capacity?.growthBytesPerDay) },
  { name: 'holdfast_storage_days_left', help: 'Until the limit, at this growth.', labels: ofSystem, valuesOf: ({ system, capacity }) => ifKnown({ system }, capacity?.daysLeft) },
  { name: 'holdfast_facts_timestamp', help: 'When these figures were read, by the worker’s clock.', labels: ofSystem, valuesOf: ({ system, at }) => ifAt({ system }, at) },
  { name: 'holdfast_unread', help: '1: this could not be read, so what comes of it is missing.', labels: ['system', 'what'], valuesOf: ({ system, unread }) => unread.map(({ what }) => ({ labels: { system, what }, value: 1 })) },
];

const nameOf = (scheduleId: string): string => scheduleId.slice(scheduleId.indexOf('/') + 1);

export const metricRows: readonly MetricRow[] = [...handbook, ...backups, ...readiness, ...operation];

/** As Prometheus reads it. */
export async function renderMetrics(all: readonly SystemFacts[], rows: readonly MetricRow[] = metricRows): Promise<string> {
  const registry = new Registry();
  for (const { name, help, labels, counts, valuesOf } of rows) {
    const metric = { name, help, labelNames: [...labels], registers: [registry] };
    const samples = all.flatMap(valuesOf);
    if (counts) {
      const counter = new Counter(metric);
      for (const { labels: of, value } of samples) counter.inc(of, value);
      continue;
    }
    const gauge = new Gauge(metric);
    for (const { labels: of, value } of samples) gauge.set(of, value);
  }
  return await registry.metrics();
}
