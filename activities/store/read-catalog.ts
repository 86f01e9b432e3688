import type { z } from 'zod';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { importTimeline, isTimelineId, layout, parseRangeKey, type TimelineScope } from '../../workflows/domain/layout.ts';
import { manifestSchema, type Manifest } from '../../workflows/domain/manifest.ts';
import { expiredLogSchema } from '../../workflows/domain/retention/records.ts';
import { gapSchema, headSchema, markSchema, timelineSchema } from '../../workflows/domain/source-records.ts';
import { timeOfId } from '../../workflows/domain/make-id.ts';
import type { ObjectRef } from '../../workflows/domain/stored-object.ts';
import { describeDoubt, describeMark, keyOfSlicePoint, type PointMark } from '../../workflows/domain/point-mark.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { JobContext } from '../context.ts';
import type { Keys } from '../stream/keys.ts';
import { endIsLost, findNewestHead } from './heads.ts';
import { foldersUnder, keysUnder } from './keys-under.ts';
import { readMarks } from './marks.ts';
import { readSpans } from './read-spans.ts';
import { readOrFault } from './findings.ts';
import { findSigned, type Found } from './signed-object.ts';
import type { Store } from './store.ts';

export interface CatalogContext {
  store: Store;
  keys: Keys;
  signal?: AbortSignal;
  progress?: JobContext['progress'];
  /** objects that somebody has read and found damaged, by key (of a base: its manifest's), with the reason: not believed */
  distrust?: ReadonlyMap<string, string>;
}

/** More than this many objects not believed are counted, not listed: somebody who fills a bucket must not fill our memory. */
const rejectedListed = 1_000;

/**
 * What the bucket holds of one source, from the bucket alone: every object that it says anything of was listed by
 * version, and every manifest, timeline and gap is the oldest validly signed one of its key. Slices are known by name,
 * opened where they overlap or end a span, and otherwise authenticated when they are read.
 *
 * Streams: memory holds the spans, not the slices. Reads only; safe to repeat.
 *
 * @throws StoreUnavailable - retryable.
 */
export async function rebuildCatalog(given: CatalogContext, of: { system: string; source: string }): Promise<Catalog> {
  const catalog: Catalog = { system: of.system, source: of.source, timelines: [], bases: [], spans: [], gaps: [], rejected: [] };
  const { reject, believer, ...room } = await openRoom(given, catalog);
  const context = { ...given, ...room };
  await readTimelines(context, believer, catalog, reject);
  for (const { timeline } of catalog.timelines) {
    const scope = { ...of, timeline };
    await readBases(context, believer, scope, catalog);
    judgeByParents(catalog, scope, reject);
    await addSpans(context, believer, scope, catalog, reject);
    await readGaps(context, believer, scope, catalog, reject);
    await readExpired(context, believer, scope, catalog);
  }
  noteGone(catalog, room.marks);
  return catalog;
}

/** What was marked bad and has no manifest, believed or not. */
function noteGone(catalog: Catalog, marks: ReadonlyMap<string, PointMark>): void {
  const there = new Set([...catalog.bases, ...(catalog.disposed ?? [])].map(({ backup }) => backup));
  const gone = [...marks].flatMap(([backup, { doubt }]) => (doubt?.is === 'bad' && timeOfId(backup) !== undefined && !there.has(backup) && !catalog.rejected.some(({ key }) => key.endsWith(`/${backup}/manifest.json`)) ? [{ backup, doubt }] : []));
  if (gone.length > 0) catalog.gone = gone;
}

/**
 * What was said of points comes first: a base is read with its mark, and a slice that is marked is as one that was found damaged.
 * Marks themselves are objects that are believed or not.
 */
async function openRoom(context: CatalogContext, catalog: Catalog): Promise<{ reject: Reject; believer: Believer; marks: ReadonlyMap<string, PointMark>; distrust: ReadonlyMap<string, string> }> {
  const said = new Map<string, string>();
  const reject = rejectInto(catalog, said);
  const believer = new Believer(context, reject);
  const marks = await readMarks(context, catalog, async (key) => await believer.find(markSchema, key));
  for (const [point, { doubt }] of marks) {
    const key = doubt && keyOfSlicePoint(catalog, point);
    if (key) said.set(key, `is ${describeDoubt(doubt)}`);
  }
  return { reject, believer, marks, distrust: new Map([...said, ...(context.distrust ?? [])]) };
}

type Reject = (key: string, why: string, spare?: true) => void;

/** @param said - keys that were marked, with what was said. */
function rejectInto(catalog: Catalog, said: ReadonlyMap<string, string>): Reject {
  let unlisted = 0;
  return (key, why, spare) => {
    if (catalog.rejected.length < rejectedListed) {
      catalog.rejected.push({ key, why, ...(spare ? { spare } : {}), ...(said.get(key) === why ? { marked: true as const } : {}) });
      return;
    }
    unlisted += 1;
    const before = catalog.rejected[rejectedListed];
    // The one that is furthest on stands for all: what lies beyond the end is what a choice depends on.
    if (!before || key > before.key) catalog.rejected[rejectedListed] = { key, why };
    catalog.rejected[rejectedListed]!.why = `${unlisted} more, of which this is the furthest on`;
  };
}

async function readTimelines({ store, signal }: CatalogContext, believer: Believer, catalog: Catalog, reject: Reject): Promise<void> {
  const { system, source } = catalog;
  for await (const key of keysUnder(store, layout.timelines(system, source), signal)) {
    const found = await believer.find(timelineSchema, key);
    if (!found) continue;
    const { timeline, startedAt, why, sourceIdentity, parent } = found.body;
    catalog.timelines.push({ timeline, startedAt, why, sourceIdentity, parent });
  }
  const keyOf = (timeline: string): string => layout.timeline({ system, source, timeline });
  const known = new Set([...catalog.timelines.map(({ timeline }) => keyOf(timeline)), ...catalog.rejected.map(({ key }) => key)]);
  for await (const name of foldersUnder(store, layout.source(system, source), signal)) {
    if (isTimelineId(name) && !known.has(keyOf(name))) reject(keyOf(name), 'is not there, and objects of this timeline are');
  }
}

/** A backup's parts are many and lie beside its manifest: so only the first key of each backup is listed. */
async function readBases({ store, signal, progress, marks }: MarkedContext, believer: Believer, scope: TimelineScope, catalog: Catalog): Promise<void> {
  for await (const backup of foldersUnder(store, layout.backups(scope), signal)) {
    const key = layout.manifest({ ...scope, backup });
    const found = await believer.find(manifestSchema, key);
    const mark = marks.get(backup);
    if (found) (mark?.disposal ? (catalog.disposed ??= []) : catalog.bases).push({ ...baseOf(found.body, found.ref), ...(mark ? { mark } : {}) });
    progress?.({ phase: 'read manifests', done: catalog.bases.length, of: 0, unit: 'objects' });
  }
}

/**
 * An incremental base is as good as those that it adds to. Where one is doubted it is too. Where one is gone it is not believed: nobody is given it, whoever verifies is told, and retention waits until
 * somebody has looked, and marked it.
 */
function judgeByParents(catalog: Catalog, scope: TimelineScope, reject: Reject): void {
  const here = new Map([...catalog.bases, ...(catalog.disposed ?? [])].filter(({ timeline }) => timeline === scope.timeline).map((base) => [base.backup, base]));
  const isWhole = (base: CatalogBase): boolean => {
    if (base.timeline !== scope.timeline || base.mark?.doubt) return true;
    const parents = (base.parents ?? []).map(({ backup }) => ({ backup, found: here.get(backup) }));
    const missing = parents.find(({ found }) => !found);
    if (missing) {
      reject(layout.manifest({ ...scope, backup: base.backup }), `it adds to base ${missing.backup}, which is not there`);
      return false;
    }
    const [doubt] = parents.flatMap(({ found }) => doubtFrom(found!));
    if (doubt) base.mark = { ...base.mark, doubt };
    return true;
  };
  catalog.bases = catalog.bases.filter(isWhole);
}

/** What is said against whatever adds to this base. One that is being disposed of is as good as gone. */
function doubtFrom({ backup, mark }: CatalogBase): NonNullable<PointMark['doubt']>[] {
  const doubt = mark?.doubt ?? (mark?.disposal && { is: 'suspect' as const, ...mark.disposal, reason: `disposed of: ${mark.disposal.reason}` });
  return doubt ? [{ ...doubt, reason: `it adds to base ${backup}: ${doubt.reason}` }] : [];
}

/** The bases of one timeline, with what was said of them, and not its log: what a further base may add to. */
export async function readBasesOf(given: CatalogContext, { timeline, ...of }: TimelineScope): Promise<Pick<Catalog, 'bases' | 'disposed'>> {
  const catalog: Catalog = { ...of, timelines: [], bases: [], spans: [], gaps: [], rejected: [] };
  const { reject, believer, ...room } = await openRoom(given, catalog);
  await readBases({ ...given, ...room }, believer, { ...of, timeline }, catalog);
  judgeByParents(catalog, { ...of, timeline }, reject);
  return catalog;
}

type MarkedContext = CatalogContext & { marks: ReadonlyMap<string, PointMark> };

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
    ...(manifest.parents ? { parents: manifest.parents.map(({ backup, plainBytes }) => ({ backup, plainBytes })) } : {}),
    ...(manifest.origin && !manifest.origin.log ? { alone: true as const } : {}),
    ...(manifest.origin?.form === 'stream' ? { program: manifest.origin.program, moment: manifest.origin.moment, ...(manifest.origin.foreign ? { foreign: manifest.origin.foreign.label } : {}) } : {}),
  };
}

/**
 * The catalog that a named base or import is looked for in: the import's own, or the source's.
 * @param point - left out: the source's.
 */
export async function readCatalogOf(context: CatalogContext, of: { system: string; source: string }, point?: string): Promise<Catalog> {
  if (point === undefined) return await rebuildCatalog(context, of);
  for await (const _ of context.store.list(`${layout.imports(of.system, of.source)}${point}/`, { signal: context.signal })) return await readImport(context, of, point);
  return await rebuildCatalog(context, of);
}

/** Adds every whole import of the source to its catalog, for a list of what there is: nobody may choose a moment from it. */
export async function withImports(given: CatalogContext, catalog: Catalog): Promise<Catalog> {
  const all: Catalog = { ...catalog, bases: [...catalog.bases], spans: [...catalog.spans], rejected: [...catalog.rejected], ...(catalog.disposed ? { disposed: [...catalog.disposed] } : {}) };
  const { reject, believer, ...room } = await openRoom(given, all);
  const context = { ...given, ...room };
  for (const backup of await listImports(context, catalog)) {
    const scope = { system: catalog.system, source: catalog.source, timeline: importTimeline(backup) };
    await readBases(context, believer, scope, all);
    await addSpans(context, believer, scope, all, reject);
  }
  return all;
}

/** The ids of what was imported for a source; one whose import never ended is among them. */
async function listImports({ store, signal }: CatalogContext, of: { system: string; source: string }): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of foldersUnder(store, layout.imports(of.system, of.source), signal)) ids.push(id);
  return ids;
}

/**
 * The catalog of one import, as if it were all that its source has: the same rules choose a moment in it. Only who names
 * an import gets one, so "the latest" of a source never means somebody's dump.
 * @throws NoRecoveryPoint - there is no whole import of that id; names those there are.
 */
export async function readImport(given: CatalogContext, of: { system: string; source: string }, backup: string): Promise<Catalog> {
  const timeline = importTimeline(backup);
  const catalog: Catalog = { ...of, timelines: [], bases: [], spans: [], gaps: [], rejected: [] };
  const { reject, believer, ...room } = await openRoom(given, catalog);
  const context = { ...given, ...room };
  await readBases(context, believer, { ...of, timeline }, catalog);
  await addSpans(context, believer, { ...of, timeline }, catalog, reject);
  const [base] = catalog.bases;
  if (!base || base.backup !== backup) {
    const [disposed] = catalog.disposed ?? [];
    if (disposed) throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: import ${backup} is ${describeMark(disposed.mark)}`);
    const known = (await listImports(context, of)).join(', ') || 'none';
    throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: no import ${backup}${catalog.rejected.map(({ key, why }) => `; ${key}: ${why}`).join('')}`, { hint: `imports: ${known}` });
  }
  catalog.timelines.push({ timeline, startedAt: base.finishedAt, why: base.why, sourceIdentity: 'imported', parent: null });
  return catalog;
}

async function addSpans(context: CatalogContext, believer: Believer, scope: TimelineScope, catalog: Catalog, reject: Reject): Promise<void> {
  // Before the slices: what is archived while this reads would otherwise seem lost.
  const head = await findNewestHead(context, scope, async (key) => await believer.find(headSchema, key));
  const listed = (done: number): void => void (done % 1_000 === 0 && context.progress?.({ phase: 'read slices', done, of: 0, unit: 'objects' }));
  catalog.spans.push(...(await readSpans(context, scope, { distrust: context.distrust, reject, listed })));
  if (!head || !endIsLost(head, catalog.spans)) return;
  const newest = layout.slice(scope, head.from, head.to);
  // One that is there and does not open is named already.
  if (catalog.rejected.some(({ key }) => key === newest)) return;
  reject(newest, `is not there, and ${layout.head(scope, head.to)} says that it was archived at ${head.archivedAt}: the end of the log is gone`);
}

async function readGaps({ store, signal }: CatalogContext, believer: Believer, scope: TimelineScope, catalog: Catalog, reject: Reject): Promise<void> {
  for await (const key of keysUnder(store, layout.gaps(scope), signal)) {
    if (!parseRangeKey(key)) {
      reject(key, 'its name is not that of a gap');
      continue;
    }
    const found = await believer.find(gapSchema, key);
    if (!found) continue;
    const { from, to, why } = found.body;
    // Filled since it was written down: nothing is lost.
    if (catalog.spans.some((span) => span.timeline === scope.timeline && span.from <= from && span.to >= to)) continue;
    catalog.gaps.push({ timeline: scope.timeline, from, to, why });
  }
}

/** How far retention has gone: the furthest that is believed. */
async function readExpired({ store, signal }: CatalogContext, believer: Believer, scope: TimelineScope, catalog: Catalog): Promise<void> {
  let before: string | undefined;
  for await (const key of keysUnder(store, layout.expiredLogs(scope), signal)) before = (await believer.find(expiredLogSchema, key))?.body.before ?? before;
  if (before !== undefined) (catalog.expired ??= []).push({ timeline: scope.timeline, before });
}

/**
 * The first validly signed object of each key; what was not believed is reported, and so is one of a newer format.
 * One that the store does not give, while it gives the last one that was read, is damaged below the store.
 */
class Believer {
  readonly #context: CatalogContext;
  readonly #reject: Reject;
  #probe: ObjectRef | undefined;

  constructor(context: CatalogContext, reject: Reject) {
    this.#context = context;
    this.#reject = reject;
  }

  async find<S extends z.ZodType>(schema: S, key: string): Promise<Found<z.output<S>> | undefined> {
    const { store, keys, signal, distrust } = this.#context;
    const damage = distrust?.get(key);
    if (damage !== undefined) return void this.#reject(key, damage);
    const probe = this.#probe;
    const outcome = await readOrFault(() => findSigned(store, keys, schema, key, { signal }), probe && (() => store.get(probe, { signal })));
    if ('fault' in outcome) return void this.#reject(key, outcome.fault.message);
    for (const rejected of outcome.value.rejected) this.#reject(rejected.key, rejected.why);
    this.#probe = outcome.value.found?.ref ?? probe;
    return outcome.value.found;
  }
}
