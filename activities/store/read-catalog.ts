import { coverSlices, spanBuilder, type CoverEvent } from '../../workflows/domain/chain.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { importTimeline, layout, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import { gapSchema, manifestSchema, timelineSchema, type Manifest, type ObjectRef } from '../../workflows/domain/manifest.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { JobContext } from '../context.ts';
import type { Keys } from '../stream/keys.ts';
import { readSliceNames, type StoredSlice } from './list-slices.ts';
import { findSigned } from './signed-object.ts';
import type { Store } from './store.ts';

export interface CatalogContext {
  store: Store;
  keys: Keys;
  signal?: AbortSignal;
  progress?: JobContext['progress'];
}

/** More than this many objects not believed are counted, not listed: somebody who fills a bucket must not fill our memory. */
const rejectedListed = 1_000;

/**
 * What the bucket holds of one source, from the bucket alone: every object that it says anything of was listed by
 * version, and every manifest, timeline and gap is the oldest validly signed one of its key. Slices are known by name
 * only, and are authenticated when they are read.
 *
 * Streams: memory holds the spans, not the slices. Reads only; safe to repeat.
 *
 * @throws StoreUnavailable - retryable.
 */
export async function rebuildCatalog(context: CatalogContext, of: { system: string; source: string }): Promise<Catalog> {
  const catalog: Catalog = { system: of.system, source: of.source, timelines: [], bases: [], spans: [], gaps: [], rejected: [] };
  const reject = rejectInto(catalog);
  await readTimelines(context, of, catalog, reject);
  for (const { timeline } of catalog.timelines) {
    const scope = { ...of, timeline };
    await readBases(context, scope, catalog, reject);
    await readSpans(context, scope, catalog, reject);
    await readGaps(context, scope, catalog, reject);
  }
  return catalog;
}

type Reject = (key: string, why: string) => void;

function rejectInto(catalog: Catalog): Reject {
  let unlisted = 0;
  return (key, why) => {
    if (catalog.rejected.length < rejectedListed) {
      catalog.rejected.push({ key, why });
      return;
    }
    unlisted += 1;
    catalog.rejected[rejectedListed] = { key, why: `${unlisted} more, the last of them: ${why}` };
  };
}

async function readTimelines({ store, keys, signal }: CatalogContext, of: { system: string; source: string }, catalog: Catalog, reject: Reject): Promise<void> {
  for await (const key of keysUnder(store, layout.timelines(of.system, of.source), signal)) {
    const found = await believe(reject, key, () => findSigned(store, keys, timelineSchema, key, { signal }));
    if (!found) continue;
    const { timeline, startedAt, why, sourceIdentity, parent } = found.body;
    catalog.timelines.push({ timeline, startedAt, why, sourceIdentity, parent });
  }
}

/** A backup's parts are many and lie beside its manifest: so only the first key of each backup is listed. */
async function readBases(context: CatalogContext, scope: TimelineScope, catalog: Catalog, reject: Reject): Promise<void> {
  const { store, keys, signal } = context;
  for await (const backup of foldersUnder(store, layout.backups(scope), signal)) {
    const key = layout.manifest({ ...scope, backup });
    const found = await believe(reject, key, () => findSigned(store, keys, manifestSchema, key, { signal }));
    if (found) catalog.bases.push(baseOf(found.body, found.ref));
    context.progress?.({ phase: 'read manifests', done: catalog.bases.length, of: 0, unit: 'objects' });
  }
}

/** What choosing a recovery point needs to know of a manifest. */
export function baseOf(manifest: Manifest, ref: ObjectRef): CatalogBase {
  return {
    timeline: manifest.timeline,
    backup: manifest.backup,
    manifest: ref,
    logFrom: manifest.logFrom,
    start: manifest.start,
    end: manifest.end,
    finishedAt: manifest.finishedAt,
    documents: manifest.totals.documents,
    plainBytes: manifest.totals.plainBytes,
    storedBytes: manifest.totals.storedBytes,
    exact: manifest.start === manifest.end && manifest.units.every((unit) => unit.fuzzy === null),
    why: manifest.why,
    ...(manifest.origin && !manifest.origin.log ? { alone: true } : {}),
  };
}

/** The ids of what was imported for a source; one whose import never ended is among them. */
export async function listImports({ store, signal }: CatalogContext, of: { system: string; source: string }): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of foldersUnder(store, layout.imports(of.system, of.source), signal)) ids.push(id);
  return ids;
}

/**
 * The catalog of one import, as if it were all that its source has: the same rules choose a moment in it. Only who names
 * an import gets one, so "the latest" of a source never means somebody's dump.
 * @throws NoRecoveryPoint - there is no whole import of that id; names those there are.
 */
export async function readImport(context: CatalogContext, of: { system: string; source: string }, backup: string): Promise<Catalog> {
  const timeline = importTimeline(backup);
  const catalog: Catalog = { ...of, timelines: [], bases: [], spans: [], gaps: [], rejected: [] };
  const reject = rejectInto(catalog);
  await readBases(context, { ...of, timeline }, catalog, reject);
  await readSpans(context, { ...of, timeline }, catalog, reject);
  const [base] = catalog.bases;
  if (!base || base.backup !== backup) {
    const known = (await listImports(context, of)).join(', ') || 'none';
    throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: no import ${backup}${catalog.rejected.map(({ key, why }) => `; ${key}: ${why}`).join('')}`, { hint: `imports: ${known}` });
  }
  catalog.timelines.push({ timeline, startedAt: base.finishedAt, why: base.why, sourceIdentity: 'imported', parent: null });
  return catalog;
}

async function readSpans(context: CatalogContext, scope: TimelineScope, catalog: Catalog, reject: Reject): Promise<void> {
  const cover = coverSlices<StoredSlice>();
  const spans = spanBuilder(scope.timeline);
  const take = (events: CoverEvent<StoredSlice>[]): void => {
    for (const event of events) {
      if ('rejected' in event) {
        reject(event.rejected.key, event.why);
        continue;
      }
      const closed = spans.add(event.chosen);
      if (closed) catalog.spans.push(closed);
    }
  };
  let done = 0;
  for await (const slice of readSliceNames(context.store, scope, { signal: context.signal })) {
    if ('unreadable' in slice) reject(slice.key, 'its name is not that of a slice, or ends later than tomorrow');
    else take(cover.add(slice));
    done += 1;
    if (done % 1_000 === 0) context.progress?.({ phase: 'read slices', done, of: 0, unit: 'objects' });
  }
  take(cover.end());
  const last = spans.end();
  if (last) catalog.spans.push(last);
}

async function readGaps({ store, keys, signal }: CatalogContext, scope: TimelineScope, catalog: Catalog, reject: Reject): Promise<void> {
  for await (const key of keysUnder(store, layout.gaps(scope), signal)) {
    if (!parseRangeKey(key)) {
      reject(key, 'its name is not that of a gap');
      continue;
    }
    const found = await believe(reject, key, () => findSigned(store, keys, gapSchema, key, { signal }));
    if (found) catalog.gaps.push({ timeline: scope.timeline, from: found.body.from, to: found.body.to, why: found.body.why });
  }
}

/** The first validly signed object of the key; what was not believed is reported, and so is one of a newer format. */
async function believe<T>(
  reject: Reject,
  key: string,
  find: () => Promise<{ found: T | undefined; rejected: { key: string; why: string }[] }>,
): Promise<T | undefined> {
  try {
    const { found, rejected } = await find();
    for (const one of rejected) reject(one.key, one.why);
    return found;
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.retryable) throw error;
    reject(key, error.message);
    return undefined;
  }
}

/** Each key that has a version, once. */
async function* keysUnder(store: Store, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  let previous = '';
  for await (const version of store.list(prefix, { signal })) {
    if (version.isDeleteMarker || version.key === previous) continue;
    previous = version.key;
    yield version.key;
  }
}

/** The names directly under the prefix that are folders, jumping over what they hold. */
export async function* foldersUnder(store: Store, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<string> {
  let startAfter: string | undefined;
  for (;;) {
    let folder: string | undefined;
    for await (const version of store.list(prefix, { signal, ...(startAfter === undefined ? {} : { startAfter }) })) {
      folder = version.key.slice(prefix.length).split('/')[0]!;
      break;
    }
    if (folder === undefined) return;
    yield folder;
    // `~` is after every character of our keys.
    startAfter = `${prefix}${folder}/~`;
  }
}
