import { HoldfastError } from './errors.ts';
import { formatLogPosition, type LogPosition } from './log-position.ts';
import { describeMark } from './point-mark.ts';
import type { Catalog, CatalogBase } from './recovery-point.ts';
import { formatBytes, formatDuration } from './units.ts';

/** From when to when one base can be restored: any second in between. */
export interface Window {
  timeline: string;
  base: CatalogBase;
  from: LogPosition;
  to: LogPosition;
  slices: number;
  storedBytes: number;
}

/** Which part of a list is wanted. A whole one could outgrow what a workflow may answer. */
export interface Page {
  /** at most so many of each list */
  limit: number;
  /** only windows of bases behind this one, in the order of the list */
  after?: string | undefined;
  /** only windows of bases that were finished since, UTC ISO */
  since?: string | undefined;
}

/** What can be restored of one source, a page of it: the newest first. */
export interface PointsPage {
  system: string;
  source: string;
  windows: Window[];
  gaps: Catalog['gaps'];
  rejected: Catalog['rejected'];
  /** how many there are in all */
  totals: { windows: number; gaps: number; rejected: number };
  /** what `after` is for the next page; null: this is the last */
  next: string | null;
  /** as it was asked for */
  since?: string;
}

/** The catalog of one source with its lists cut to a page, the newest of each. */
export interface CatalogPage extends Catalog {
  totals: { timelines: number; bases: number; slices: number; spans: number; gaps: number; rejected: number };
  tookMs: number;
}

/** What can be restored, the newest first. A base that has neither an instant of its own nor its log gives nothing. */
export function findWindows(catalog: Catalog): Window[] {
  const windows = catalog.bases.flatMap((base): Window[] => {
    const { timeline, end: from } = base;
    const span = base.program !== undefined ? undefined : catalog.spans.find((one) => one.timeline === timeline && one.from <= base.logFrom && one.to > base.logFrom && one.to >= base.end);
    if (span) return [{ timeline, base, from, to: span.to, slices: span.slices, storedBytes: span.storedBytes }];
    return base.exact || base.alone ? [{ timeline, base, from, to: from, slices: 0, storedBytes: 0 }] : [];
  });
  return windows.sort((a, b) => b.timeline.localeCompare(a.timeline) || b.from.localeCompare(a.from));
}

/** @throws BadInput - no base that `after` names gives a recovery point. */
export function listPoints(catalog: Catalog, { limit, after, since }: Page): PointsPage {
  const all = findWindows(catalog).filter(({ base }) => since === undefined || Date.parse(base.finishedAt) >= Date.parse(since));
  const begin = after === undefined ? 0 : all.findIndex(({ base }) => base.backup === after) + 1;
  if (begin === 0 && after !== undefined) {
    throw new HoldfastError('BadInput', `field "after" is "${after}", and no recovery point of ${catalog.system}/${catalog.source} has that base`, { hint: 'take it from the field "next" of the page before' });
  }
  const windows = all.slice(begin, begin + limit);
  return {
    system: catalog.system,
    source: catalog.source,
    windows,
    gaps: newest(catalog.gaps, limit),
    rejected: catalog.rejected.slice(0, limit),
    totals: { windows: all.length, gaps: catalog.gaps.length, rejected: catalog.rejected.length },
    next: begin + limit < all.length ? windows.at(-1)!.base.backup : null,
    ...(since === undefined ? {} : { since }),
  };
}

export function pageCatalog(catalog: Catalog, { limit }: Page, tookMs: number): CatalogPage {
  const { timelines, bases, spans, gaps, rejected } = catalog;
  return {
    ...catalog,
    timelines: newest(timelines, limit),
    bases: newest(bases, limit),
    spans: newest(spans, limit),
    gaps: newest(gaps, limit),
    rejected: rejected.slice(0, limit),
    totals: {
      timelines: timelines.length,
      bases: bases.length,
      slices: spans.reduce((sum, span) => sum + span.slices, 0),
      spans: spans.length,
      gaps: gaps.length,
      rejected: rejected.length,
    },
    tookMs,
  };
}

/** Lists of a catalog are in log order: their end is the newest. */
const newest = <T>(list: readonly T[], limit: number): T[] => list.slice(-limit);

/** A line a window, a gap and an object that is not believed; and a line that says what is not shown. */
export function describePoints(of: PointsPage): string[] {
  const name = `${of.system}/${of.source}`;
  const hidden = (what: string, shown: number, all: number): string[] => (shown < all ? [`${name}: ${all - shown} more ${what}`] : []);
  return [
    ...(of.totals.windows === 0 ? [of.since === undefined ? `${name}: nothing can be restored` : `${name}: no base since ${of.since}`] : []),
    ...of.windows.map(
      ({ timeline, base, from, to, slices }) =>
        `${name}: ${formatLogPosition(from)} to ${formatLogPosition(to)}, base ${base.backup}, ${slices} slices, ${base.program ? `${base.foreign === undefined ? `a stream of ${base.program}` : `foreign: ${base.foreign} in the repository of ${base.program}`}${momentOf(base)}` : `${base.documents.toLocaleString('en-US')} documents`}, ${formatBytes(base.plainBytes)}${base.parents ? `, incremental on ${base.parents.at(-1)!.backup} (${base.parents.length + 1} bases in all)` : ''}, timeline ${timeline}${base.exact ? '' : ', without proof'}${base.mark ? `; ${describeMark(base.mark)}` : ''}`,
    ),
    ...(of.next === null ? [] : [`${name}: ${of.windows.length} of ${of.totals.windows} shown; the next are those after ${of.next}`]),
    ...of.gaps.map((gap) => `${name}: gap from ${formatLogPosition(gap.from)} to ${formatLogPosition(gap.to)}: ${gap.why}`),
    ...hidden('gaps', of.gaps.length, of.totals.gaps),
    ...of.rejected.map(({ key, why, spare }) => `${name}: ${spare ? 'not needed' : 'not believed'}: ${key}: ${why}`),
    ...hidden('objects not believed', of.rejected.length, of.totals.rejected),
  ];
}

function momentOf({ moment, start, end }: CatalogBase): string {
  if (moment === undefined) return '';
  return moment === null ? ', of no one moment' : `, all of it of the program’s ${moment} at ${formatLogPosition(moment === 'start' ? start : end)}`;
}

export function describeCatalog({ system, source, totals, tookMs }: CatalogPage): string {
  return `${system}/${source}: ${totals.timelines} timelines, ${totals.bases} bases, ${totals.slices} slices in ${totals.spans} unbroken spans, ${totals.gaps} gaps, ${totals.rejected} objects not believed; read in ${formatDuration(tookMs)}`;
}
