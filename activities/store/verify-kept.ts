import { createHash } from 'node:crypto';
import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { layout, parseRangeKey, type BackupScope, type TimelineScope } from '../../workflows/domain/layout.ts';
import type { Verification } from '../../workflows/domain/source-records.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';
import { nextShares, rotationAfter, type Rotation } from '../../workflows/domain/verification.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { tellWhole } from '../whole-progress.ts';
import { noteExposed, readOrNote, type Findings, type ReadLimits } from './findings.ts';
import { inParallel } from './in-parallel.ts';
import { isKnownHole } from './known-hole.ts';
import { findMissingBases } from './missing-bases.ts';
import { rebuildCatalog, withImports } from './read-catalog.ts';
import { readSliceNames, type StoredSlice } from './slice-names.ts';
import { samplesOf } from './verifications.ts';
import { bytesOf, lookForParts, openBase, verifyParts, type BytesRead } from './verify-base.ts';

const limits: ReadLimits = { atOnce: 4, untilMs: Infinity };

/**
 * Reads and authenticates a share of all that is kept of a source: of every base that stands, on every timeline, and of every import, its manifest, keys and indexes
 * and those of its parts whose turn it is; the others are looked for in a listing, each at its version, of its size. Of the log those slices whose turn it is, and
 * holes that nobody has told of. A base that is gone whole is missed by the list of those that there should be.
 *
 * Whose turn it is follows from the object's key alone, so what is written or let go meanwhile moves nothing else to another share; which share, from what earlier
 * samples wrote into the store. What is marked bad is known, and is not read again.
 *
 * Reads only; killed, the next try reads the share from its beginning.
 *
 * @param before - what verifications of other runs have written; of this run nothing counts, or a second try would read another share.
 * @param rotation - one share: everything is read.
 */
export async function verifyKept(attempt: SourceContext, rotation: Rotation, before: readonly Verification[], engine: Pick<Engine, 'verifySlice'>): Promise<{ result: VerifyResult; found: Findings; catalog: Catalog }> {
  const of = { system: attempt.system.system, source: attempt.sourceName };
  const now = (await attempt.store.now({ signal: attempt.signal })).toISOString();
  const done = samplesOf(before, rotation.shares);
  const read = nextShares(done, rotation, now);
  const isDue = (key: string): boolean => read.includes(shareOf(key, rotation.shares));
  const catalog = await withImports(attempt, await rebuildCatalog(attempt, of));
  const found: Findings = { objects: 0, bytes: 0, parts: 0, slices: 0, entries: 0, problems: catalog.rejected.filter(({ spare, marked }) => !spare && !marked).map(({ key, why }) => ({ key, problem: why })) };
  const bases = catalog.bases.filter(({ mark }) => mark?.doubt?.is !== 'bad');
  const due: Due = { isDue, expected: ({ storedBytes }) => Math.round((storedBytes * read.length) / rotation.shares) };
  const parts = awaited(bases, due);
  const log = awaited(catalog.spans, due);
  const context = tellWhole(attempt, [{ phase: 'verify base', weight: parts.of }, { phase: 'verify log', weight: log.of }]);
  for (const base of bases) await sampleBase(context, { ...of, ...base }, base, due, found, parts);
  for (const timeline of new Set([...catalog.timelines, ...catalog.spans].map((one) => one.timeline))) await sampleLog(context, { ...of, timeline }, catalog, due, engine.verifySlice, found, log);
  found.problems = [...(await withoutLetGo(context, of, found.problems)), ...(await findMissingBases(context, catalog))];
  await noteExposed(attempt, found);
  if (catalog.bases.length === 0 && found.problems.length === 0) throw new HoldfastError('NoRecoveryPoint', `${of.system}/${of.source}: there is no base at all: nothing is kept that could be verified`, { hint: 'take a base backup' });
  const { problems, ...counts } = found;
  const sample = { of: rotation.shares, read, ...rotationAfter([...done, { at: now, read }], rotation) };
  return {
    result: { ...of, ...counts, scope: rotation.shares === 1 ? 'all' : 'sample', problems: problems.map(({ key, problem }) => ({ key, problem })), ok: problems.length === 0, backup: null, timeline: null, restorable: null, sample },
    found,
    catalog,
  };
}

/** What is read this time. */
interface Due {
  isDue(key: string): boolean;
  /** stored bytes of what is read, about: as much of each base and stretch as of all */
  expected(of: { storedBytes: number }): number;
}

const awaited = (kept: readonly { storedBytes: number }[], { expected }: Due): BytesRead => ({ done: 0, of: kept.reduce((total, one) => total + expected(one), 0) });

/** By the key alone: the same today and in a year, on every worker. */
export const shareOf = (key: string, shares: number): number => createHash('sha256').update(key).digest().readUInt32BE(0) % shares;

async function sampleBase(context: SourceContext, scope: BackupScope, kept: CatalogBase, { isDue, expected }: Due, found: Findings, read: BytesRead): Promise<void> {
  const { manifest: ref } = kept;
  const base = await openBase(context, { system: scope.system, source: scope.source, timeline: scope.timeline, backup: scope.backup }, ref, found);
  const [due, others] = [base?.parts.filter(({ object }) => isDue(object.key)) ?? [], base?.parts.filter(({ object }) => !isDue(object.key)) ?? []];
  read.of += bytesOf(due) - expected(kept);
  if (!base) return;
  await verifyParts(context, scope, { ...base, parts: due }, ref, found, limits, read);
  await lookForParts(context, scope, others, found);
}

async function sampleLog(context: SourceContext, scope: TimelineScope, catalog: Catalog, { isDue }: Due, verifySlice: Engine['verifySlice'], found: Findings, read: BytesRead): Promise<void> {
  const { store, signal } = context;
  const rejected = new Set(catalog.rejected.map(({ key }) => key));
  let whole: StoredSlice | undefined;
  const verify = async (slice: StoredSlice): Promise<void> => {
    const probe = whole;
    const opened = await readOrNote(found, slice.key, () => (probe ? store.getVersion(probe, { signal }) : store.now({ signal })), () => verifySlice(context, slice));
    if (opened) whole = slice;
    found.entries += opened?.entries ?? 0;
    found.objects += 1;
    found.slices += 1;
    found.bytes += slice.bytes;
    read.done += slice.bytes;
    context.progress({ phase: 'verify log', done: read.done, of: Math.max(read.of, read.done), unit: 'bytes', slices: found.slices });
  };
  await inParallel(slicesDue(context, scope, (key) => isDue(key) && !rejected.has(key)), limits.atOnce, verify, signal);
  const spans = catalog.spans.filter(({ timeline }) => timeline === scope.timeline).sort((a, b) => a.from.localeCompare(b.from));
  for (const [at, { to: from }] of spans.slice(0, -1).entries()) {
    const hole = { from, to: spans[at + 1]!.from };
    if (hole.to > hole.from && !isKnownHole(catalog, scope.timeline, hole) && !isRejected(catalog, scope, hole)) found.problems.push({ key: layout.slice(scope, hole.from, hole.to), problem: 'the log between two slices is not in the store, and nothing says that it was lost or let go' });
  }
}

async function* slicesDue({ store, signal }: SourceContext, scope: TimelineScope, isDue: (key: string) => boolean): AsyncGenerator<StoredSlice> {
  for await (const slice of readSliceNames(store, scope, { signal })) if (!('unreadable' in slice) && isDue(slice.key)) yield slice;
}

/** What is not believed there is named already. */
const isRejected = ({ rejected }: Catalog, scope: TimelineScope, hole: { from: string; to: string }): boolean =>
  rejected.some(({ key, spare }) => {
    const range = !spare && key.startsWith(layout.slices(scope)) ? parseRangeKey(key) : undefined;
    return range !== undefined && range.from < hole.to && range.to > hole.from;
  });

/** Retention may have let go what this was about to read: it takes a base's manifest first, and says how far it takes log before it does. */
async function withoutLetGo(context: SourceContext, of: { system: string; source: string }, problems: Findings['problems']): Promise<Findings['problems']> {
  if (!problems.some(({ type }) => type === 'ObjectMissing')) return problems;
  const now = await withImports(context, await rebuildCatalog(context, of));
  const wasLetGo = (key: string): boolean => {
    const [timeline, room, name] = key.slice(layout.source(of.system, of.source).length).split('/');
    const range = room === 'slices' ? parseRangeKey(key) : undefined;
    if (range) return now.expired?.some((one) => one.timeline === timeline && range.to <= one.before) ?? false;
    return room === 'backups' && !now.bases.some(({ backup }) => backup === name) && !now.rejected.some((one) => one.key === layout.manifest({ ...of, timeline: timeline!, backup: name! }));
  };
  return problems.filter(({ key, type }) => type !== 'ObjectMissing' || !wasLetGo(key));
}
