import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import { logPositionAt, type LogPosition } from '../../workflows/domain/log-position.ts';
import type { Catalog, CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { listSlices, type StoredSlice } from './list-slices.ts';
import { rebuildCatalog } from './read-catalog.ts';
import { readOrNote, type Findings } from './findings.ts';
import { inParallel } from './in-parallel.ts';
import { verifyBase } from './verify-base.ts';

export type { Findings } from './findings.ts';

/** Parts held in memory at once: each stored (16 MiB) and opened. */
const atOnce = 4;

/**
 * Reads and authenticates every byte of one base and of the log after it, without restoring.
 *
 * Base: each part's exact version is there, has the bytes and digest that its index says, decrypts under the backup's
 * key as that part and no other, and opens to the digest that the dump took; counts add up from parts to manifest.
 * Log: each slice, by the engine, and none missing in between. Goes on after a problem, so that one run names them all.
 *
 * Reads only; safe to repeat.
 *
 * @param backup - left out: the one that the latest recovery point is restored from.
 * @throws NoRecoveryPoint - there is no such backup and nothing that could be a damaged one of that name.
 * @throws StoreUnavailable - retryable. A store that does not answer is never reported as damage.
 */
export async function verifyRecoveryPoint(
  context: SourceContext,
  { backup }: { backup?: string | undefined },
  engine?: Pick<Engine, 'verifySlice'>,
): Promise<VerifyResult> {
  // Engines build on this room: only a caller knows which, so the registry is looked at when it is needed.
  const { verifySlice } = engine ?? (await import('../engines/open-engine.ts')).openEngine(context.source.engine);
  const of = { system: context.system.system, source: context.sourceName };
  const catalog = await rebuildCatalog(context, of);
  const found: Findings = { objects: 0, bytes: 0, parts: 0, slices: 0, entries: 0, problems: untrusted(catalog) };
  const base = chooseBase(catalog, backup);
  if (!base) {
    if (found.problems.length === 0) throw noSuchBackup(catalog, backup);
    return { ...of, ...found, ok: false, backup: backup ?? null, timeline: null, restorable: null };
  }
  const scope: BackupScope = { ...of, timeline: base.timeline, backup: base.backup };
  const baseIsWhole = await verifyBase(context, scope, base.manifest, found, atOnce);
  const reached = await verifyLog(context, scope, base, catalog, verifySlice, found);
  const usable = baseIsWhole && reached !== undefined;
  return {
    ...of,
    ...found,
    ok: found.problems.length === 0,
    backup: base.backup,
    timeline: base.timeline,
    restorable: usable ? { from: logPositionAt(base.end), to: logPositionAt(reached) } : null,
  };
}

/** Objects not believed. A slice beside the chosen ones is not damage: two archivers overlapped, and one way was taken. */
const untrusted = (catalog: Catalog): Findings['problems'] =>
  catalog.rejected.filter(({ key }) => !key.includes('/slices/')).map(({ key, why }) => ({ key, problem: why }));

function chooseBase(catalog: Catalog, backup: string | undefined): CatalogBase | undefined {
  if (backup !== undefined) return catalog.bases.find((base) => base.backup === backup);
  const now = new Date().toISOString();
  try {
    return findRecoveryPoint(catalog, {}, { now }).base;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    if (error.type === 'NoRecoveryPoint') return undefined;
    // Log is missing before the end: what can still be restored is verified, and the hole is found on the way.
    if (error.type === 'ChainBroken') return findRecoveryPoint(catalog, { targetPosition: String(error.details['nearestBefore']) }, { now }).base;
    throw error;
  }
}

function noSuchBackup(catalog: Catalog, backup: string | undefined): HoldfastError {
  const known = catalog.bases.map((base) => base.backup).join(', ') || 'none';
  return new HoldfastError('NoRecoveryPoint', `${catalog.system}/${catalog.source}: no backup ${backup ?? 'at all'}; known: ${known}`, {
    hint: 'take a base backup',
  });
}

/** @returns the last position that can be restored with this base, by slices that are whole; undefined: not even the base. */
async function verifyLog(
  context: SourceContext,
  scope: BackupScope,
  base: CatalogBase,
  catalog: Catalog,
  verifySlice: Engine['verifySlice'],
  found: Findings,
): Promise<LogPosition | undefined> {
  const probe = (): Promise<unknown> => context.store.get(base.manifest, { signal: context.signal });
  let firstBad: LogPosition | undefined;
  let last = base.logFrom;
  const check = async (slice: StoredSlice): Promise<void> => {
    last = slice.to > last ? slice.to : last;
    const whole = await readOrNote(found, slice.key, probe, () => verifySlice(context, slice));
    if (whole) found.entries += whole.entries;
    else if (firstBad === undefined || slice.from < firstBad) firstBad = slice.from;
    found.objects += 1;
    found.slices += 1;
    found.bytes += slice.bytes;
    context.progress({ phase: 'verify log', done: found.slices, of: 0, unit: 'objects' });
  };
  try {
    await inParallel(listSlices(context.store, scope, { after: base.logFrom, signal: context.signal }), atOnce, check, context.signal);
  } catch (error) {
    const hole = holeOf(error);
    if (!hole) throw error;
    const isDeclared = catalog.gaps.some((gap) => gap.timeline === base.timeline && gap.from <= hole.from && gap.to > hole.from);
    if (!isDeclared) found.problems.push({ key: layout.slice(scope, hole.from, hole.to), problem: (error as Error).message });
  }
  const whole = firstBad ?? last;
  if (whole > base.end || (!base.exact && whole === base.end)) return whole;
  if (base.exact) return base.end;
  if (firstBad === undefined) {
    found.problems.push({ key: layout.slice(scope, last, base.end), problem: 'the log that was written while this base was read is not in the store: the base cannot be used' });
  }
  return undefined;
}

function holeOf(error: unknown): { from: LogPosition; to: LogPosition } | undefined {
  if (!(error instanceof HoldfastError) || error.type !== 'ChainBroken') return undefined;
  return error.details as { from: LogPosition; to: LogPosition };
}
