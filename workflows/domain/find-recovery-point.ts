import { claimsOf, newerTimelines, type Claim } from './disbelieved.ts';
import { HoldfastError } from './errors.ts';
import { layout } from './layout.ts';
import {
  formatLogPosition,
  limitOfTargetTime,
  logPositionAt,
  nextLogPosition,
  parseLogPosition,
  parseTypedLogPosition,
  previousLogPosition,
  type LogPosition,
} from './log-position.ts';
import { describeDoubt, describeMark } from './point-mark.ts';
import type { Catalog, CatalogBase, CatalogSpan, RecoveryPoint, RecoveryTarget } from './recovery-point.ts';

/**
 * Chooses what to restore: a base, and the log from it to a limit.
 *
 * - Nothing asked: the end of the newest timeline. Where log is missing before that end it is refused: stopping at the hole
 *   would leave out writes that the store still holds, so a person has to ask for it, by its position.
 * - A target time (its second is included whole) or a target position (exclusive): the newest base that ends before it
 *   and whose log is unbroken up to it. A newer base whose log is missing is passed over for an older one that gets there.
 * - A target beyond the end of the archive, with nothing known after that end, gives the end: `reaches` says so.
 * - A base that is named, of the source or an import, gives the first moment at which it is whole: its own end.
 * - With `orBefore`, a target that no log reaches gives the newest moment before it that can be restored; whoever asks has seen that it may be earlier.
 * - A timeline that is named is taken by itself, to its end or up to the target: also what an earlier recovery left out.
 * - A target up to where a timeline's parent was left is looked for in the parent. One between there and the timeline's first
 *   base is refused: the recovered source may have taken writes by then that no base holds.
 *
 * What is not believed (`disbelieved.ts`) gives nothing, and is not passed over either: where a timeline, base or slice lies beyond
 * the end that is believed, stopping there is refused by name, like at a hole. Its position asked for, any good point is given.
 *
 * A base that is marked suspect or bad is passed over like one that is not there; only who names it is given it. One that is being disposed of nobody is given.
 *
 * A base that was read over a while is usable for limits after its `end` only, and needs the log from `logFrom` on; one
 * that was read at one instant can be restored without any log, to exactly that instant.
 *
 * @param now - UTC ISO.
 * @throws BadInput - the target is not a time or position, or more than one is given.
 * @throws TargetTimeInFuture
 * @throws NoRecoveryPoint - nothing that early, or nothing at all; names the earliest moment that can be restored.
 * @throws ChainBroken - the log is missing there; names the nearest good point on either side.
 * @throws Tampered - as ChainBroken, where an object stands that is not believed; names it.
 */
export function findRecoveryPoint(catalog: Catalog, target: RecoveryTarget, { now }: { now: string }): RecoveryPoint {
  const limit = limitOf(target, now);
  if (target.point !== undefined) return findBase(catalog, target.point);
  const orBefore = target.orBefore === true && limit !== undefined;
  if (target.timeline !== undefined) return findOn(catalog, timelineNamed(catalog, target.timeline), limit, orBefore);
  const newest = catalog.timelines.reduce<Timeline | undefined>((best, one) => (!best || one.timeline > best.timeline ? one : best), undefined);
  const newer = newerTimelines(catalog, newest?.timeline);
  if (newer.length > 0 && (!newest || target.targetPosition === undefined)) throw timelineNotBelieved(catalog, newer, newest, limit);
  if (!newest) throw new HoldfastError('NoRecoveryPoint', `${nameOf(catalog)}: the store holds no timeline of it`, { hint: 'take a base backup' });
  return findOn(catalog, newest, limit, orBefore);
}

type Timeline = Catalog['timelines'][number];

function timelineNamed(catalog: Catalog, timeline: string): Timeline {
  const named = catalog.timelines.find((one) => one.timeline === timeline);
  if (named) return named;
  throw new HoldfastError('NoRecoveryPoint', `${nameOf(catalog)}: no timeline ${timeline}`, { hint: `known: ${catalog.timelines.map((one) => one.timeline).join(', ') || 'none'}` });
}

/** A base and how far its log goes. */
export interface Reach {
  base: CatalogBase;
  /** the whole span that the base's log lies in; undefined when it is restored without log */
  span: CatalogSpan | undefined;
  /** the last position that it can be restored to, inclusive */
  to: LogPosition;
}

/** One base by its id. */
function findBase(catalog: Catalog, backup: string): RecoveryPoint {
  const base = catalog.bases.find((one) => one.backup === backup);
  if (!base) {
    const disposed = catalog.disposed?.find((one) => one.backup === backup);
    if (disposed) throw new HoldfastError('NoRecoveryPoint', `${nameOf(catalog)}: base ${backup} is ${describeMark(disposed.mark)}`, { hint: 'nobody is given it; name another base' });
    const disbelieved = catalog.rejected.find(({ key }) => key.endsWith(`/${backup}/manifest.json`));
    if (disbelieved) throw new HoldfastError('NoRecoveryPoint', `${nameOf(catalog)}: base ${backup} is not believed: ${disbelieved.why}`, { hint: 'name another base' });
    const known = catalog.bases.map((one) => one.backup).slice(-10).join(', ') || 'none';
    throw new HoldfastError('NoRecoveryPoint', `${nameOf(catalog)}: no base and no import ${backup}`, { hint: `holdfast points ${catalog.system} lists them; the newest bases: ${known}` });
  }
  const reach = reachOf(catalog, base);
  if (!reach) {
    throw new HoldfastError('ChainBroken', `${nameOf(catalog)}: base ${backup} was read over a while, and the log from ${formatLogPosition(base.logFrom)} to ${formatLogPosition(base.end)} is not whole`, { hint: 'name another base' });
  }
  return pointOf(catalog, reach, nextLogPosition(base.end));
}

function limitOf({ targetTime, targetPosition, point }: RecoveryTarget, now: string): LogPosition | undefined {
  if ([targetTime, targetPosition, point].filter((given) => given !== undefined).length > 1) {
    throw new HoldfastError('BadInput', 'more than one of target time, target position and point is given', { hint: 'give one of them, or none for the latest' });
  }
  if (targetPosition !== undefined) {
    const position = parseTypedLogPosition(targetPosition);
    if (!position) throw new HoldfastError('BadInput', `target position "${targetPosition}": expected a position such as 1763717205-7`);
    return position;
  }
  if (targetTime === undefined) return undefined;
  const atMs = Date.parse(targetTime);
  if (Number.isNaN(atMs)) throw new HoldfastError('BadInput', `target time "${targetTime}": expected a time such as 2026-11-21T03:00:05Z`);
  if (atMs > Date.parse(now)) {
    throw new HoldfastError('TargetTimeInFuture', `target time ${new Date(atMs).toISOString()} is in the future (now ${now})`, {
      hint: 'leave the target time out to restore the latest recovery point',
    });
  }
  return limitOfTargetTime(new Date(atMs).toISOString());
}

function findOn(catalog: Catalog, timeline: Timeline, limit: LogPosition | undefined, orBefore = false): RecoveryPoint {
  const reaches = reachesOf(catalog, timeline);
  const usable = limit === undefined ? reaches : reaches.filter(({ base }) => base.end < limit);
  if (usable.length === 0) return findOnParent(catalog, timeline, reaches, limit, orBefore);

  const complete = limit === undefined ? [] : usable.filter(({ to }) => nextLogPosition(to) >= limit);
  // Newest base first: the least log to replay. Without a limit, or beyond the archive: whatever reaches furthest.
  const best = complete.length > 0 ? newestBase(complete) : furthest(usable);
  const isShort = limit === undefined || nextLogPosition(best.to) < limit;
  if (isShort && !orBefore) {
    const claim = claimAfter(catalog, timeline, best.to, limit);
    if (claim || isKnownAfter(catalog, timeline, best.to, limit !== undefined)) throw brokenAt(catalog, timeline, reaches, best.to, limit, claim);
  }
  return pointOf(catalog, best, isShort ? nextLogPosition(best.to) : limit);
}

function findOnParent(catalog: Catalog, timeline: Timeline, reaches: Reach[], limit: LogPosition | undefined, orBefore: boolean): RecoveryPoint {
  const parent = timeline.parent && catalog.timelines.find((one) => one.timeline === timeline.parent?.timeline);
  const left = timeline.parent?.limit;
  if (parent && left !== undefined && limit !== undefined && limit <= left) return findOn(catalog, parent, limit, orBefore);
  const first = earliest(reaches);
  const here = `${nameOf(catalog)} ${timeline.timeline}`;
  const wanted = limit === undefined ? 'any moment' : `before ${formatLogPosition(limit)}`;
  const hints = [
    ...(parent && left !== undefined ? [`until ${formatLogPosition(left)} it was timeline ${parent.timeline}: ask for target position ${left} or earlier`] : []),
    first ? `the earliest restorable time of this timeline is ${momentOf(first)}` : 'take a base backup',
    ...doubted(catalog, timeline, limit),
    ...otherBases(catalog, [timeline.timeline, ...(parent ? [parent.timeline] : [])]),
  ];
  const notBelieved = catalog.rejected.filter(({ key }) => key.startsWith(layout.backups({ ...catalog, timeline: timeline.timeline })));
  const named = notBelieved.slice(0, 3).map(({ key, why }) => `; ${key} is not believed: ${why}`).join('');
  throw new HoldfastError('NoRecoveryPoint', `${here}: no base backup to restore ${wanted} from${named}`, {
    hint: hints.join('; '),
    details: { timeline: timeline.timeline, earliest: first ?? null, nearestBefore: parent ? left : null, nearestAfter: first ? nextLogPosition(first) : null },
  });
}

/** Timelines that have bases and were not looked at: what somebody misses may be there. */
function otherBases(catalog: Catalog, lookedAt: string[]): string[] {
  return catalog.timelines.filter(({ timeline }) => !lookedAt.includes(timeline)).flatMap(({ timeline }) => {
    const ends = catalog.bases.filter((base) => base.timeline === timeline).map(({ end }) => end).sort();
    return ends.length === 0 ? [] : [`timeline ${timeline} has ${ends.length === 1 ? 'a base' : `${ends.length} bases`}, the last one of ${formatLogPosition(ends.at(-1)!)}`];
  });
}

/** How far a base and the log behind it go; undefined: it cannot be restored. */
export function reachOf({ spans }: Pick<Catalog, 'spans'>, base: CatalogBase): Reach | undefined {
  // A program's dump holds no position of a log, even where one was archived at the time.
  const span = base.program !== undefined ? undefined : spans.find((one) => one.timeline === base.timeline && one.from <= base.logFrom && one.to > base.logFrom && one.to >= base.end);
  if (span && span.to > base.end) return { base, span, to: span.to };
  if (base.exact || base.alone) return { base, span: undefined, to: base.end };
  return span && { base, span, to: base.end };
}

/** Of the bases of a timeline that nothing is said against: one that is doubted is given to nobody who does not name it. */
const reachesOf = (catalog: Catalog, { timeline }: Pick<Timeline, 'timeline'>): Reach[] =>
  catalog.bases.flatMap((base) => (base.timeline === timeline && !base.mark?.doubt ? (reachOf(catalog, base) ?? []) : []));

/** The bases of a timeline that are passed over for what was said of them, a hint each: their log may be all that is missing. */
const doubted = (catalog: Catalog, { timeline }: Pick<Timeline, 'timeline'>, limit: LogPosition | undefined): string[] =>
  catalog.bases.flatMap(({ timeline: of, end, backup, mark }) => (mark?.doubt && of === timeline && (limit === undefined || end < limit) ? [`base ${backup} of ${formatLogPosition(end)} is ${describeDoubt(mark.doubt)}; whoever names it (point ${backup}) is given it all the same`] : [])).slice(-3);

const newestBase = (reaches: Reach[]): Reach => reaches.reduce((best, one) => (one.base.end > best.base.end ? one : best));
const furthest = (reaches: Reach[]): Reach =>
  reaches.reduce((best, one) => (one.to > best.to || (one.to === best.to && one.base.end > best.base.end) ? one : best));
const earliest = (reaches: Reach[]): LogPosition | undefined => reaches.map(({ base }) => base.end).sort()[0];

/**
 * Whether anything says that the log went on after this position: then stopping here would leave out writes.
 * @param gaps - whether a declared gap counts: with nothing stored behind it, no later moment could be asked for.
 */
function isKnownAfter(catalog: Catalog, { timeline }: Timeline, position: LogPosition, gaps: boolean): boolean {
  const here = <T extends { timeline: string }>(list: T[]): T[] => list.filter((one) => one.timeline === timeline);
  return (
    // What was left there for the next timeline had been archived before.
    catalog.timelines.some(({ parent }) => parent?.timeline === timeline && parent.limit > nextLogPosition(position)) ||
    here(catalog.spans).some((span) => span.to > position) ||
    (gaps && here(catalog.gaps).some((gap) => gap.to > position)) ||
    here(catalog.bases).some((base) => base.end > position)
  );
}

/** The first object that is not believed and would hold more than what is. */
function claimAfter(catalog: Catalog, { timeline }: Timeline, position: LogPosition, limit: LogPosition | undefined): Claim | undefined {
  return claimsOf(catalog)
    .filter((claim) => (claim.kind === 'timeline' ? claim.timeline > timeline : claim.timeline === timeline && claim.to > position && (claim.kind !== 'gap' || limit !== undefined)))
    .sort((a, b) => (a.from < b.from ? -1 : 1))[0];
}

/** The newest timeline is not known, so neither is "the latest", nor which of two logs holds a time. */
function timelineNotBelieved(catalog: Catalog, newer: Claim[], newest: Timeline | undefined, limit: LogPosition | undefined): HoldfastError {
  const reaches = newest ? reachesOf(catalog, newest) : [];
  const usable = limit === undefined ? reaches : reaches.filter(({ base }) => base.end < limit);
  const end = usable.length > 0 ? furthest(usable).to : undefined;
  const before = end === undefined ? null : limit !== undefined && nextLogPosition(end) > limit ? limit : nextLogPosition(end);
  const { key, why } = newer.at(-1)!;
  return new HoldfastError('Tampered', `${nameOf(catalog)}: which timeline is the newest cannot be told: ${key} is not believed: ${why}`, {
    hint: `nearest good points: before it ${before === null ? 'none' : `target position ${before} of timeline ${newest!.timeline}`}; after it none; a target position is looked for without it`,
    details: { key, timeline: newest?.timeline ?? null, nearestBefore: before, nearestAfter: null },
  });
}

function brokenAt(catalog: Catalog, timeline: Timeline, reaches: Reach[], reached: LogPosition, limit: LogPosition | undefined, claim: Claim | undefined): HoldfastError {
  const after = limit && earliest(reaches.filter(({ base }) => base.end >= limit));
  const gap = catalog.gaps.find((one) => one.timeline === timeline.timeline && one.to > reached && (limit === undefined || one.from < limit));
  const nextLog = catalog.spans.filter((span) => span.timeline === timeline.timeline && span.to > reached).map((span) => span.from).sort()[0];
  const farSide = nextLog !== undefined && nextLog > reached ? nextLog : (gap?.to ?? after ?? limit ?? nextLogPosition(reached));
  const why = claim ? `${claim.key} is not believed: ${claim.why}` : gap ? gap.why : catalog.expired?.some((one) => one.timeline === timeline.timeline && farSide <= one.before) ? 'retention took the log' : isLogless(catalog, timeline) ? 'there is no log between its bases' : 'no slice';
  return new HoldfastError(
    claim ? 'Tampered' : 'ChainBroken',
    `${nameOf(catalog)} ${timeline.timeline}: chain broken between ${formatLogPosition(reached)} and ${formatLogPosition(farSide)} (${why}), so ${limit ? formatLogPosition(limit) : 'the latest'} cannot be reached`,
    {
      hint: [`nearest good points: before it ${momentOf(reached)}${limit ? ' (given too where orBefore is asked for)' : ''}; after it ${after ? momentOf(after) : 'none, take a base backup'}`, ...doubted(catalog, timeline, limit)].join('; '),
      details: { timeline: timeline.timeline, from: reached, to: farSide, nearestBefore: nextLogPosition(reached), nearestAfter: after ? nextLogPosition(after) : null, ...(claim ? { key: claim.key } : {}) },
    },
  );
}

function pointOf(catalog: Catalog, { base, span }: Reach, limit: LogPosition): RecoveryPoint {
  const needsLog = span !== undefined && !(base.exact && nextLogPosition(base.end) >= limit);
  const from = needsLog ? base.logFrom : base.end;
  const last = previousLogPosition(limit);
  const share = needsLog ? shareOf(span, from, last) : 0;
  return {
    system: catalog.system,
    source: catalog.source,
    timeline: base.timeline,
    base,
    limit,
    reaches: last,
    reachesAt: logPositionAt(last),
    log: {
      from,
      slices: needsLog ? Math.max(1, Math.ceil(span.slices * share)) : 0,
      storedBytes: needsLog ? Math.ceil(span.storedBytes * share) : 0,
    },
  };
}

/** The share of a span that is replayed, by time: a catalog holds no sizes of single slices. */
function shareOf(span: CatalogSpan, from: LogPosition, to: LogPosition): number {
  const secondsOf = (position: LogPosition): number => parseLogPosition(position).seconds;
  const whole = secondsOf(span.to) - secondsOf(span.from);
  return whole <= 0 ? 1 : Math.min(1, Math.max(0, (secondsOf(to) - secondsOf(from)) / whole));
}

const isLogless = (catalog: Catalog, { timeline }: Timeline): boolean => [...catalog.spans, ...catalog.gaps].every((one) => one.timeline !== timeline) && catalog.bases.filter((base) => base.timeline === timeline).every((base) => base.exact || base.alone);

const nameOf = (catalog: Catalog): string => `${catalog.system}/${catalog.source}`;
/** A position as a person asks for it: up to and including it. */
const momentOf = (position: LogPosition): string => `${formatLogPosition(position)} (target position ${nextLogPosition(position)})`;
