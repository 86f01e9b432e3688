import { formatLogPosition } from '../log-position.ts';
import { formatBytes } from '../units.ts';
import type { BaseVerdict, LogVerdict, RetentionPlan, UnfinishedVerdict } from './plan.ts';

/** A plan as people and a workflow's answer have it: the newest of each list, and how many there are in all. */
export interface RetentionSummary {
  system: string;
  source: string;
  at: string;
  bases: BaseVerdict[];
  log: LogVerdict[];
  unfinished: UnfinishedVerdict[];
  notes: string[];
  totals: { bases: number; basesThatGo: number; slices: number; slicesThatGo: number; unfinishedThatGo: number; bytesThatGo: number };
}

export function summariseRetention({ system, source, at, bases, unfinished, notes }: RetentionPlan, log: readonly LogVerdict[], limit: number): RetentionSummary {
  const sum = <T>(list: readonly T[], of: (one: T) => number): number => list.reduce((total, one) => total + of(one), 0);
  const [basesGo, logGoes, restsGo] = [bases, log, unfinished].map((list) => list.filter(({ goes }) => goes)) as [BaseVerdict[], LogVerdict[], UnfinishedVerdict[]];
  return {
    system,
    source,
    at,
    bases: bases.slice(0, limit),
    log: log.slice(-limit),
    unfinished: unfinished.slice(-limit),
    notes: notes.slice(0, limit),
    totals: {
      bases: bases.length,
      basesThatGo: basesGo.length,
      slices: sum(log, ({ slices }) => slices),
      slicesThatGo: sum(logGoes, ({ slices }) => slices),
      unfinishedThatGo: restsGo.length,
      bytesThatGo: sum([...basesGo, ...logGoes, ...restsGo], ({ storedBytes }) => storedBytes),
    },
  };
}

export const isIdle = ({ totals }: RetentionSummary): boolean => totals.basesThatGo + totals.slicesThatGo + totals.unfinishedThatGo === 0;

const verb = (goes: boolean): string => (goes ? 'goes' : 'stays');

/** A line that says how much, then one for each base and stretch of log, with its reasons. */
export function describeRetention({ system, source, at, bases, log, unfinished, notes, totals }: RetentionSummary): string[] {
  const name = `${system}/${source}`;
  const more = (what: string, shown: number, all: number): string[] => (shown < all ? [`${name}: ${all - shown} more ${what}`] : []);
  return [
    `${name}: ${totals.basesThatGo} of ${totals.bases} bases and ${totals.slicesThatGo} of ${totals.slices} slices ${totals.basesThatGo + totals.slicesThatGo === 1 ? 'goes' : 'go'}, ${formatBytes(totals.bytesThatGo)}; by the store’s time ${at}`,
    ...notes.map((note) => `${name}: ${note}`),
    ...bases.map(({ backup, end, storedBytes, goes, why }) => `${name}: ${verb(goes)}: base ${backup} of ${formatLogPosition(end)}, ${formatBytes(storedBytes)}: ${why.join('; ')}`),
    ...more('bases', bases.length, totals.bases),
    ...unfinished.map(({ backup, objects, storedBytes, goes, why }) => `${name}: ${verb(goes)}: what was written of ${backup}, ${objects} objects, ${formatBytes(storedBytes)}: ${why.join('; ')}`),
    ...log.map(({ timeline, from, to, slices, storedBytes, goes, why }) => `${name}: ${verb(goes)}: log from ${formatLogPosition(from)} to ${formatLogPosition(to)} of ${timeline}, ${slices} slices, ${formatBytes(storedBytes)}: ${why.join('; ')}`),
  ];
}

/** What carrying out a plan came to, for one source. */
export interface Expired {
  system: string;
  source: string;
  /** of those that were to go, whoever let them go */
  bases: number;
  /** by the try that ended it, as are objects and bytes: what an earlier one let go before it was killed is not among them */
  slices: number;
  /** what backups and imports that were never sealed had left behind */
  unfinished: number;
  objects: number;
  bytes: number;
  /** what the store did not let go, or what is kept since the plan was made: key or id, and why; the first hundred */
  left: { what: string; why: string }[];
  leftCount: number;
}

export const describeExpired = ({ system, source, bases, slices, unfinished, objects, bytes, left, leftCount }: Expired): string[] => [
  `${system}/${source}: ${bases} bases${unfinished > 0 ? `, ${unfinished} that were never sealed` : ''} and ${slices} slices are gone, ${objects} objects in all, ${formatBytes(bytes)}`,
  ...left.map(({ what, why }) => `${system}/${source}: left for the next run: ${what}: ${why}`),
  ...(leftCount > left.length ? [`${system}/${source}: ${leftCount - left.length} more were left`] : []),
];
