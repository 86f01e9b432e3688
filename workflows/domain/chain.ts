import type { CatalogSpan } from './recovery-point.ts';
import type { LogPosition } from './log-position.ts';

/** What a slice's name says: the log after `from`, up to and including `to`. */
export interface SliceRange {
  key: string;
  from: LogPosition;
  to: LogPosition;
}

export type CoverEvent<T extends SliceRange> = { chosen: T } | { rejected: T; why: string };

/** An end that some chosen way through the slices reaches; `trail`: what leads to it and is not decided yet. */
interface Open<T> {
  at: LogPosition;
  trail: T[];
}

/**
 * Chooses one unbroken cover from the slices of a timeline.
 *
 * Slices touch: the next one's `from` equals the last one's `to`. Two archivers that overlapped for a while leave
 * several ways through the same log, each of which touches; content does not differ, since a timeline has one log. The
 * way that reaches furthest is chosen, of equal ones the one with the earlier slice end; slices on no such way, and slices that
 * begin where nothing ends, are rejected. A slice that begins after everything before it ended starts a new span.
 *
 * Memory holds the undecided ways only: one slice where there was one archiver.
 *
 * `add` wants slices in the order of their keys (by `from`, then `to`).
 */
export function coverSlices<T extends SliceRange>(): { add(slice: T): CoverEvent<T>[]; end(): CoverEvent<T>[] } {
  let ways: Open<T>[] = [];

  /** Drops ends that nothing can join any more; the furthest is kept unless `next` begins after it. */
  function settle(next: LogPosition | undefined): CoverEvent<T>[] {
    if (ways.length === 0) return [];
    const furthest = ways.reduce((best, way) => (way.at > best.at ? way : best));
    const alive = ways.filter((way) => next !== undefined && way.at >= next);
    const kept = alive.length > 0 ? alive : [furthest];
    const events: CoverEvent<T>[] = [];
    const stillUsed = new Set(kept.flatMap((way) => way.trail));
    for (const dropped of new Set(ways.filter((way) => !kept.includes(way)).flatMap((way) => way.trail))) {
      if (!stillUsed.has(dropped)) events.push({ rejected: dropped, why: 'overlaps slices that reach further' });
    }
    if (kept.length === 1) {
      events.push(...kept[0]!.trail.map((chosen) => ({ chosen })));
      kept[0]!.trail = [];
    }
    ways = alive;
    return events;
  }

  return {
    add(slice) {
      if (slice.to <= slice.from) return [{ rejected: slice, why: 'ends before it begins' }];
      const events = settle(slice.from);
      // A new span; its start stays open, as another slice may begin there too.
      if (ways.length === 0) ways.push({ at: slice.from, trail: [] });
      const before = ways.find((way) => way.at === slice.from);
      if (!before) {
        events.push({ rejected: slice, why: 'begins inside another slice and touches none' });
      } else if (ways.some((way) => way.at === slice.to)) {
        events.push({ rejected: slice, why: 'other slices reach the same end' });
      } else {
        ways.push({ at: slice.to, trail: [...before.trail, slice] });
      }
      return events;
    },
    end: () => settle(undefined),
  };
}

/** Grows spans from chosen slices, in order; memory is one span. */
export function spanBuilder(timeline: string): { add(slice: SliceRange & { bytes: number }): CatalogSpan | undefined; end(): CatalogSpan | undefined } {
  let open: CatalogSpan | undefined;
  return {
    /** @returns the span that this slice closed, because it does not touch it. */
    add(slice) {
      if (open && open.to === slice.from) {
        open.to = slice.to;
        open.slices += 1;
        open.storedBytes += slice.bytes;
        return undefined;
      }
      const closed = open;
      open = { timeline, from: slice.from, to: slice.to, slices: 1, storedBytes: slice.bytes };
      return closed;
    },
    end: () => open,
  };
}
