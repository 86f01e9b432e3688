import type { LogPosition } from '../../workflows/domain/log-position.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';

/** From when to when one base can be restored: any second in between. */
export interface Window {
  timeline: string;
  base: CatalogBase;
  from: LogPosition;
  to: LogPosition;
  slices: number;
  storedBytes: number;
}

/** What can be restored, the newest first. A base that has neither an instant of its own nor its log gives nothing. */
export function findWindows(catalog: Catalog): Window[] {
  const windows = catalog.bases.flatMap((base): Window[] => {
    const { timeline, end: from } = base;
    const span = catalog.spans.find((one) => one.timeline === timeline && one.from <= base.logFrom && one.to > base.logFrom && one.to >= base.end);
    if (span) return [{ timeline, base, from, to: span.to, slices: span.slices, storedBytes: span.storedBytes }];
    return base.exact ? [{ timeline, base, from, to: from, slices: 0, storedBytes: 0 }] : [];
  });
  return windows.sort((a, b) => b.timeline.localeCompare(a.timeline) || b.from.localeCompare(a.from));
}
