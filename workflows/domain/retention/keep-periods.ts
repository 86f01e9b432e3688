import { hours } from '../units.ts';
import { formatAge, periods, type Keep, type Period, type RetentionRules } from './rules.ts';

export interface Dated {
  id: string;
  /** the store's time, UTC ISO */
  storedAt: string;
}

/**
 * Grandfather, father, son: which of them stand for an hour, a day, a week, a month or a year that is kept, and why.
 *
 * The first of a period stands for it. That does not change when later ones come or others go, so what was kept once is kept until its time is
 * over, and planning again after the rest is gone says the same.
 *
 * @returns clauses by id; who is not in it stands for nothing.
 */
export function keepPeriods(all: readonly Dated[], rules: RetentionRules, now: string): Map<string, string[]> {
  const sorted = [...all].sort((a, b) => a.storedAt.localeCompare(b.storedAt) || a.id.localeCompare(b.id));
  const why = new Map<string, string[]>();
  for (const period of periods) {
    const keep = rules[period];
    if (!keep) continue;
    const firsts = new Map<string, Dated>();
    for (const one of sorted) {
      const name = nameOf(period, one.storedAt, rules.weekBegins);
      if (!firsts.has(name)) firsts.set(name, one);
    }
    for (const [name, one] of kept([...firsts], keep, now)) why.set(one.id, [...(why.get(one.id) ?? []), `the first of the ${nouns[period]} ${name}, ${describeKeep(keep, nouns[period])}`]);
  }
  return why;
}

const nouns: Readonly<Record<Period, string>> = { hourly: 'hour', daily: 'day', weekly: 'week', monthly: 'month', yearly: 'year' };
const describeKeep = (keep: Keep, noun: string): string => ('count' in keep ? `of ${keep.count} ${noun}s that are kept` : `kept ${formatAge(keep.forMs)}`);

/** @param firsts - the oldest first. */
function kept(firsts: [string, Dated][], keep: Keep, now: string): [string, Dated][] {
  if ('count' in keep) return firsts.slice(-keep.count);
  return firsts.filter(([, { storedAt }]) => Date.parse(now) - Date.parse(storedAt) <= keep.forMs);
}

/** UTC; of a week, its first day. */
function nameOf(period: Period, storedAt: string, weekBegins: RetentionRules['weekBegins']): string {
  if (period === 'hourly') return `${storedAt.slice(0, 13)}Z`;
  if (period === 'daily') return storedAt.slice(0, 10);
  if (period === 'monthly') return storedAt.slice(0, 7);
  if (period === 'yearly') return storedAt.slice(0, 4);
  const day = new Date(storedAt);
  const since = (day.getUTCDay() + (weekBegins === 'monday' ? 6 : 0)) % 7;
  return new Date(day.getTime() - since * hours(24)).toISOString().slice(0, 10);
}
