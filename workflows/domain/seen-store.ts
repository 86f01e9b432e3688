import { formatLogPosition, type LogPosition } from './log-position.ts';
import type { Catalog } from './recovery-point.ts';

/**
 * What a check of one source saw in the store, small enough to be carried in a workflow's state: what the next check holds the bucket against.
 * Whoever empties or alters a bucket can take everything in it, and not what Temporal remembers of it. Pure.
 *
 * What is missing stays remembered, so that it stays a problem until it is there again or a person has accepted the loss. Retention is told apart by
 * its own signed objects.
 */
export interface SeenSource {
  /** by the store's clock, UTC ISO */
  at: string;
  /** the newest 60 */
  bases: SeenBase[];
  /** the newest 30 */
  spans: { timeline: string; from: LogPosition; to: LogPosition }[];
  /** how many there were when somebody accepted them; more than that are new */
  accepted: Strays;
}

export interface SeenBase {
  timeline: string;
  backup: string;
  /** of the manifest that was believed */
  versionId: string;
  /** of all that lies in the base's folder */
  objects: number;
  bytes: number;
}

/** What Holdfast never leaves behind: it deletes versions and not keys, and writes these objects once. */
export interface Strays {
  deleteMarkers: number;
  /** versions behind the first, of manifests, timelines, slices, gaps and heads */
  overwrites: number;
}

/** What one listing of a source's folder adds up to. */
export interface Listed extends Strays {
  /** by backup id */
  folders: ReadonlyMap<string, { objects: number; bytes: number }>;
  /** a key or two to look at */
  examples: { deleteMarkers: string[]; overwrites: string[] };
}

const basesKept = 60;
const spansKept = 30;
const saidAtMost = 10;

export interface Compared {
  /** a sentence each, at most ten */
  lost: string[];
  seen: SeenSource;
}

/**
 * @param before - what the check before saw; null: there was none, or a person has accepted what is there now.
 * @param retired - ids of bases that retention or a disposal was let to take.
 */
export function compareSeen(before: SeenSource | null, catalog: Catalog, listed: Listed, { at, retired, accept }: { at: string; retired: ReadonlySet<string>; accept: boolean }): Compared {
  const now: SeenSource = {
    at,
    bases: catalog.bases.map(({ timeline, backup, manifest }) => ({ timeline, backup, versionId: manifest.versionId, ...(listed.folders.get(backup) ?? { objects: 0, bytes: 0 }) })).slice(-basesKept),
    spans: catalog.spans.map(({ timeline, from, to }) => ({ timeline, from, to })).slice(-spansKept),
    accepted: accept ? { deleteMarkers: listed.deleteMarkers, overwrites: listed.overwrites } : (before?.accepted ?? { deleteMarkers: 0, overwrites: 0 }),
  };
  const strays = straysOf(now.accepted, listed);
  if (!before || accept) return { lost: strays.slice(0, saidAtMost), seen: now };
  const bases = before.bases.flatMap((base) => lostBase(base, catalog, listed, retired).map((what) => ({ base, what })));
  const spans = before.spans.filter((span) => !isCovered(span, catalog));
  const kept = new Set(bases.map(({ base }) => base.backup));
  return {
    lost: [...bases.map(({ what }) => what), ...spans.map((span) => lostSpan(span, catalog)), ...strays].slice(0, saidAtMost),
    seen: {
      ...now,
      bases: [...bases.map(({ base }) => base), ...now.bases.filter(({ backup }) => !kept.has(backup))].slice(-basesKept - bases.length),
      spans: [...spans, ...now.spans].slice(-spansKept - spans.length),
    },
  };
}

function lostBase(base: SeenBase, { bases }: Catalog, { folders }: Listed, retired: ReadonlySet<string>): string[] {
  const { backup, timeline, versionId, objects, bytes } = base;
  if (retired.has(backup)) return [];
  const found = bases.find((one) => one.backup === backup && one.timeline === timeline);
  if (!found) return [`base ${backup} was there, and its manifest is gone or is not believed any more; neither retention nor a disposal took it`];
  if (found.manifest.versionId !== versionId) return [`base ${backup}: another manifest stands in the place of the one that was there`];
  const now = folders.get(backup) ?? { objects: 0, bytes: 0 };
  return now.objects < objects || now.bytes < bytes ? [`base ${backup}: ${objects - now.objects} of its ${objects} objects (${bytes - now.bytes} bytes) are gone`] : [];
}

type Span = SeenSource['spans'][number];

const isCovered = ({ timeline, from, to }: Span, { spans, expired = [] }: Catalog): boolean => {
  const before = expired.filter((one) => one.timeline === timeline).map((one) => one.before).sort().at(-1);
  if (before !== undefined && to <= before) return true;
  // Below what retention may take a hole is no loss.
  const begins = before !== undefined && before > from ? before : from;
  return spans.some((span) => span.timeline === timeline && span.from <= begins && span.to >= to);
};

function lostSpan({ timeline, from, to }: Span, { spans }: Catalog): string {
  const left = spans.filter((span) => span.timeline === timeline && span.to > from && span.from < to).map((span) => `${formatLogPosition(span.from)} to ${formatLogPosition(span.to)}`);
  return `the log of ${timeline} was whole from ${formatLogPosition(from)} to ${formatLogPosition(to)}, and is not: ${left.length > 0 ? `left are ${left.slice(0, 3).join(', ')}` : 'nothing is left of it'}`;
}

function straysOf(accepted: Strays, { deleteMarkers, overwrites, examples }: Listed): string[] {
  return [
    ...(deleteMarkers > accepted.deleteMarkers ? [`${deleteMarkers - accepted.deleteMarkers} delete markers, which Holdfast never writes: ${examples.deleteMarkers.join(', ')}`] : []),
    ...(overwrites > accepted.overwrites ? [`${overwrites - accepted.overwrites} objects that are written once were written again: ${examples.overwrites.join(', ')}`] : []),
  ];
}
