import { failuresInARow, fullOf, successRate, type BackupHistory, type TakenBackup } from './backup-history.ts';
import { formatBytes, formatDuration, hours } from './units.ts';

/** What is unusual about a system's backups. The alert rules (deploy/prometheus/rules.yml) and the reports go by this, so both say the same. */
export interface Anomaly {
  kind: 'size' | 'duration' | 'success' | 'age';
  level: 'warning' | 'critical';
  /** null: of the whole system */
  source: string | null;
  /** what is, beside `expected`: bytes, ms, a share of 1, or ms */
  value: number;
  expected: number;
  /** a sentence for people */
  said: string;
}

export interface AgeLimits {
  warningMs: number;
  criticalMs: number;
}

/** Where a backup becomes unusual. */
export const usual = {
  /** the newest is compared with the average of so many before it, and of fewer than `atLeast` nothing is said */
  compared: 10,
  atLeast: 3,
  /** a size may differ by this share of the average */
  sizeShare: 0.5,
  /** a backup may take this many times the average */
  durationTimes: 2,
  /** of the runs that ended in `successWithinMs` */
  successRate: 0.95,
  successWithinMs: hours(24 * 30),
  age: { warningMs: hours(24), criticalMs: hours(36) } satisfies AgeLimits,
} as const;

export interface Usual {
  /** how many it was compared with */
  of: number;
  storedBytes: number;
  durationMs: number;
}

/** The average of those before the newest; undefined: too few to say. */
export function usualOf(taken: readonly TakenBackup[]): Usual | undefined {
  const before = taken.slice(0, -1).slice(-usual.compared);
  if (before.length < usual.atLeast) return undefined;
  const average = (valueOf: (one: TakenBackup) => number): number => before.reduce((sum, one) => sum + valueOf(one), 0) / before.length;
  return { of: before.length, storedBytes: average(({ storedBytes }) => storedBytes), durationMs: average(({ durationMs }) => durationMs) };
}

/**
 * @param sources - those that are to have backups: one without any is as old as can be.
 * @param ages - left out: 24 and 36 hours.
 */
export function findAnomalies(history: BackupHistory, sources: readonly string[], ages: AgeLimits = usual.age): Anomaly[] {
  return [...sources.flatMap((source) => [...ofAge(history, source, ages), ...ofNewest(history, source)]), ...ofRuns(history)];
}

/** Since the newest base was stored, a full one or what changed since one, by the store's clock; Infinity: there is none. */
export function ageMs(history: BackupHistory, source: string): number {
  const newest = history.taken.findLast((one) => one.source === source && one.kind !== 'import');
  return newest ? Date.parse(history.at) - Date.parse(newest.storedAt) : Infinity;
}

function ofAge(history: BackupHistory, source: string, { warningMs, criticalMs }: AgeLimits): Anomaly[] {
  const age = ageMs(history, source);
  if (age <= warningMs) return [];
  const level = age > criticalMs ? 'critical' : 'warning';
  const expected = age > criticalMs ? criticalMs : warningMs;
  const said = age === Infinity ? `${source} has no backup` : `the newest backup of ${source} is ${formatDuration(age)} old, more than ${formatDuration(expected)}`;
  return [{ kind: 'age', level, source, value: age, expected, said }];
}

function ofNewest(history: BackupHistory, source: string): Anomaly[] {
  const taken = fullOf(history, source);
  const newest = taken.at(-1);
  const before = usualOf(taken);
  if (!newest || !before) return [];
  const found: Anomaly[] = [];
  const { storedBytes, durationMs } = before;
  const compared = `the average of the ${before.of} before it`;
  if (Math.abs(newest.storedBytes - storedBytes) > usual.sizeShare * storedBytes) {
    const said = `the newest backup of ${source} has ${formatBytes(newest.storedBytes)}, and ${compared} is ${formatBytes(Math.round(storedBytes))}`;
    found.push({ kind: 'size', level: 'warning', source, value: newest.storedBytes, expected: storedBytes, said });
  }
  if (newest.durationMs > usual.durationTimes * durationMs) {
    const said = `the newest backup of ${source} took ${formatDuration(newest.durationMs)}, and ${compared} is ${formatDuration(durationMs)}`;
    found.push({ kind: 'duration', level: 'warning', source, value: newest.durationMs, expected: durationMs, said });
  }
  return found;
}

function ofRuns(history: BackupHistory): Anomaly[] {
  const { rate, done, failed, since } = successRate(history, usual.successWithinMs);
  if (rate === null || rate >= usual.successRate) return [];
  const inARow = failuresInARow(history);
  const said = `${failed} of ${done + failed} backups failed since ${since.slice(0, 10)}${inARow > 1 ? `, the last ${inARow} one after another` : ''}`;
  return [{ kind: 'success', level: 'warning', source: null, value: rate, expected: usual.successRate, said }];
}
