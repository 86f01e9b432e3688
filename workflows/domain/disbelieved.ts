import { isTimelineId, layout, parseHeadKey, parseRangeKey } from './layout.ts';
import { logPosition, type LogPosition } from './log-position.ts';
import { timeOfId } from './make-id.ts';
import type { Catalog } from './recovery-point.ts';

/**
 * What an object that is not believed would say if it were whole, by its key alone.
 *
 * It may be ours and damaged, or somebody else's and forged: nothing tells the two apart. So it never gives a recovery
 * point, and it is never passed over where it could mean that there is more than what is believed.
 */
export interface Claim {
  key: string;
  why: string;
  kind: 'timeline' | 'base' | 'log' | 'gap';
  timeline: string;
  from: LogPosition;
  /** it would hold something up to here */
  to: LogPosition;
  /** somebody has looked, and marked it */
  marked?: true;
}

/** What the catalog's objects that are not believed claim. Those that something believed stands for claim nothing. */
export function claimsOf(catalog: Catalog): Claim[] {
  const prefix = layout.source(catalog.system, catalog.source);
  return catalog.rejected.flatMap(({ key, why, spare, marked }) => {
    const [timeline, room, ...rest] = key.startsWith(prefix) && !spare ? key.slice(prefix.length).split('/') : [];
    const claim = timeline && room ? readClaim(catalog, timeline, room, rest, key) : undefined;
    return claim ? [{ ...claim, key, why, ...(marked ? { marked } : {}) }] : [];
  });
}

function readClaim(catalog: Catalog, timeline: string, room: string, [name, object]: string[], key: string): Omit<Claim, 'key' | 'why' | 'marked'> | undefined {
  if (timeline === 'timelines') {
    const [id, suffix] = room.split('.');
    if (suffix !== 'json' || !isTimelineId(id!) || catalog.timelines.some((one) => one.timeline === id)) return undefined;
    return { kind: 'timeline', timeline: id!, from: logPosition(0, 0), to: logPosition(0, 0) };
  }
  if (room === 'backups' && object === 'manifest.json' && !catalog.bases.some((base) => base.backup === name)) {
    const atMs = timeOfId(name!);
    if (atMs === undefined) return undefined;
    const at = logPosition(Math.floor(atMs / 1000), 0);
    return { kind: 'base', timeline, from: at, to: at };
  }
  const head = room === 'heads' ? parseHeadKey(key) : undefined;
  if (head !== undefined) return { kind: 'log', timeline, from: head, to: head };
  const range = room === 'slices' || room === 'gaps' ? parseRangeKey(key) : undefined;
  return range && { kind: room === 'slices' ? 'log' : 'gap', timeline, ...range };
}

/** Newer timelines than `newest` that may exist: then what is newest is not known. */
export const newerTimelines = (catalog: Catalog, newest: string | undefined): Claim[] =>
  claimsOf(catalog).filter(({ kind, timeline }) => kind === 'timeline' && (newest === undefined || timeline > newest));

