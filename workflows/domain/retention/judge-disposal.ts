import { reachOf } from '../find-recovery-point.ts';
import { formatLogPosition, logPosition, type LogPosition } from '../log-position.ts';
import { describeMark } from '../point-mark.ts';
import { addsTo, type Catalog, type CatalogBase } from '../recovery-point.ts';
import type { RetentionFacts } from './plan.ts';
import { formatAge, type RetentionRules } from './rules.ts';

/** Whether a point may be disposed of. */
export interface DisposalVerdict {
  base: CatalogBase;
  /** nothing but the world's changing helps */
  never: string[];
  /** only who says `evenTheLast` gets it */
  unlessEvenTheLast: string[];
  /** what people should know, a sentence each */
  notes: string[];
}

/**
 * Judges the disposal of one base or import. Pure; undefined: neither the source nor an import of it is known by that id.
 *
 * Never while somebody holds it, a run reads it, or another base adds to it. Only with `evenTheLast` where it takes away what people count on: "the latest", what a run last restored and
 * found equal, and moments of the log's window (of the whole log where no rule says how long it is kept) that no other base leads to.
 */
export function judgeDisposal(facts: RetentionFacts, rules: RetentionRules | undefined, point: string): DisposalVerdict | undefined {
  const { catalog, imports, holds, proved } = facts;
  const begun = catalog.disposed?.find(({ backup }) => backup === point);
  const imported = imports.find(({ backup }) => backup === point);
  const base = begun ?? imported ?? catalog.bases.find(({ backup }) => backup === point);
  if (!base) return undefined;
  const never = [
    ...(base.mark?.hold ? [`it is ${describeMark({ hold: base.mark.hold })}`] : []),
    ...holds.filter(({ backup }) => backup === point).map(({ run, why }) => why || `run ${run} reads it`),
    ...addedTo(facts, point),
  ];
  const notes = [
    ...(imported || base.alone ? [] : ['the log since is not its own: it goes by the rules of retention, and holds what was written since']),
    ...(base.foreign === undefined ? [] : [`the backup itself is ${base.foreign} in the repository of ${base.program}, which is not touched, and can be opened as before: what lies here only names it`]),
  ];
  if (begun || imported) return { base, never, unlessEvenTheLast: [], notes };
  return { base, never, notes, unlessEvenTheLast: [...latestLost(catalog, base), ...(proved?.backup === point ? [`it is the last that was restored and found equal (run ${proved.run}, ${proved.at})`] : []), ...momentsLost(facts, rules, base)] };
}

/** What is nothing without it. */
export const addedTo = ({ catalog, unfinished }: { catalog: Pick<Catalog, 'bases' | 'disposed'>; unfinished: RetentionFacts['unfinished'] }, point: string): string[] => [
  ...[...catalog.bases, ...(catalog.disposed ?? [])].filter((base) => addsTo(base, point)).map(({ backup }) => `base ${backup} adds to it: dispose of that one first`),
  ...unfinished.filter(({ parents = [] }) => parents.includes(point)).map(({ backup }) => `backup ${backup}, which is not sealed yet, adds to it`),
];

const goodOf = (catalog: Catalog, without?: CatalogBase) => catalog.bases.flatMap((base) => (base === without || base.mark?.doubt ? [] : (reachOf(catalog, base) ?? [])));

/** What "the latest" is: the newest timeline's furthest moment that a base leads to. */
function latestLost(catalog: Catalog, base: CatalogBase): string[] {
  const newestOf = (without?: CatalogBase): { timeline: string; to: LogPosition } | undefined =>
    goodOf(catalog, without).map(({ base: { timeline }, to }) => ({ timeline, to })).sort((a, b) => (a.timeline === b.timeline ? (a.to < b.to ? -1 : 1) : a.timeline < b.timeline ? -1 : 1)).at(-1);
  const before = newestOf();
  const after = newestOf(base);
  if (!before || (after && after.timeline === before.timeline && after.to === before.to)) return [];
  if (!after) return ['it is the only restorable point of the source'];
  return [`without it the latest moment that can be restored is ${formatLogPosition(after.to)} of ${after.timeline}, and not ${formatLogPosition(before.to)} of ${before.timeline}`];
}

/** Of a stretch of log each moment is restored from the newest base before it: so only the first base of a stretch is the only one for any. */
function momentsLost({ catalog, now }: RetentionFacts, rules: RetentionRules | undefined, base: CatalogBase): string[] {
  const good = goodOf(catalog);
  const mine = good.find((reach) => reach.base === base);
  if (!mine?.span) return [];
  const others = good.filter((reach) => reach.span === mine.span && reach.base !== base).map(({ base: { end } }) => end).sort();
  const first = others[0];
  if (first !== undefined && first <= base.end) return [];
  const to = first ?? mine.to;
  const begin = rules?.log === undefined ? logPosition(0, 0) : logPosition(Math.max(0, Math.floor((Date.parse(now) - rules.log) / 1000)), 0);
  if (to <= base.end || to <= begin) return [];
  return [`the log of ${base.timeline} from ${formatLogPosition(base.end)} to ${formatLogPosition(to)} is restored from it alone${rules?.log === undefined ? '' : `, and the last ${formatAge(rules.log)} are to be restorable`}`];
}
