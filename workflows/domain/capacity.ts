import { fullOf, type BackupHistory } from './backup-history.ts';
import { formatBytes, hours } from './units.ts';

/** When a store is full, or its budget is. */

/** So much was in the store then. */
export interface Held {
  /** UTC ISO */
  at: string;
  bytes: number;
}

export interface Room {
  usedBytes: number;
  /** disk: of the file system that the store lies on, whoever uses it; budget: what the system file allows this system; quota: what it allows the directory. Null: neither is known */
  limit: { kind: 'disk' | 'budget' | 'quota'; bytes: number } | null;
}

export interface Capacity extends Room {
  /** of the limit, 0 to 1 and beyond; null: there is none */
  usedShare: number | null;
  level: 'ok' | 'warning' | 'critical' | 'unknown';
  /** null: too little is known of the past */
  growthBytesPerDay: number | null;
  /** until the limit; null: it does not grow, or nothing limits it, or nothing is known */
  daysLeft: number | null;
  /** what the forecast is made of, for people */
  basis: string;
}

export const fullness = { warning: 0.8, critical: 0.9 } as const;
/** A store that lasts fewer days is told of. */
export const fewDays = 14;

const dayMs = hours(24);
/** Two points make a line through anything. */
const fewest = 3;

/** Least squares, bytes a day. Undefined: too few points, or all of one moment. */
export function slopePerDay(points: readonly Held[]): number | undefined {
  if (points.length < fewest) return undefined;
  const days = points.map(({ at }) => Date.parse(at) / dayMs);
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [middle, level] = [mean(days), mean(points.map(({ bytes }) => bytes))];
  const spread = days.reduce((sum, day) => sum + (day - middle) ** 2, 0);
  if (spread === 0) return undefined;
  return points.reduce((sum, { bytes }, n) => sum + (days[n]! - middle) * (bytes - level), 0) / spread;
}

export interface Growth {
  bytesPerDay: number | null;
  basis: string;
}

/**
 * How fast a system's bases grow, from those that are in the store.
 *
 * @param takes - retention has begun to take some: from then on one goes for each that comes, and what grows is their size; before, it is their sum.
 */
export function growthOf(history: Pick<BackupHistory, 'taken'>, takes: boolean): Growth {
  const slopes: number[] = [];
  let count = 0;
  for (const source of new Set(history.taken.map((one) => one.source))) {
    const taken = fullOf(history, source);
    let sum = 0;
    const points = taken.map(({ storedAt, storedBytes }) => ({ at: storedAt, bytes: takes ? storedBytes : (sum += storedBytes) }));
    const slope = slopePerDay(points);
    if (slope === undefined) continue;
    slopes.push(takes ? slope * taken.length : slope);
    count += taken.length;
  }
  if (slopes.length === 0) return { bytesPerDay: null, basis: `fewer than ${fewest} backups: nothing is known of the growth` };
  const what = takes ? `sizes of the ${count} backups that retention keeps` : `sum of ${count} backups, none of which retention has taken`;
  return { bytesPerDay: slopes.reduce((all, slope) => all + slope, 0), basis: `a straight line through the ${what}` };
}

export function forecastCapacity({ usedBytes, limit }: Room, { bytesPerDay, basis }: Growth): Capacity {
  const usedShare = limit && limit.bytes > 0 ? usedBytes / limit.bytes : null;
  const level = usedShare === null ? 'unknown' : usedShare >= fullness.critical ? 'critical' : usedShare >= fullness.warning ? 'warning' : 'ok';
  const left = limit === null ? null : Math.max(0, limit.bytes - usedBytes);
  const daysLeft = left === null || bytesPerDay === null || bytesPerDay <= 0 ? null : left / bytesPerDay;
  return { usedBytes, limit, usedShare, level, growthBytesPerDay: bytesPerDay, daysLeft, basis };
}

/** A line for people. */
export function describeCapacity(capacity: Capacity): string {
  const { growthBytesPerDay, basis } = capacity;
  return growthBytesPerDay === null ? `${describeRoom(capacity)}; ${basis}` : `${describeRoom(capacity)} (${basis})`;
}

/** The same without where it is from. */
export function describeRoom({ usedBytes, limit, usedShare, growthBytesPerDay, daysLeft }: Capacity): string {
  const of = limit ? `${formatBytes(usedBytes)} of ${formatBytes(limit.bytes)} (${limit.kind}), ${Math.round(100 * usedShare!)} %` : `${formatBytes(usedBytes)}, without a limit`;
  if (growthBytesPerDay === null) return of;
  const grows = growthBytesPerDay <= 0 ? 'does not grow' : `grows by ${formatBytes(Math.round(growthBytesPerDay))} a day`;
  return `${of}; ${grows}${daysLeft === null ? '' : `, full in ${Math.floor(daysLeft)} days`}`;
}
