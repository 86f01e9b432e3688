import type { VerifyResult } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { findRecoveryPoint } from '../../workflows/domain/find-recovery-point.ts';
import { layout, type BackupScope } from '../../workflows/domain/layout.ts';
import { logPositionAt, parseLogPosition, type LogPosition } from '../../workflows/domain/log-position.ts';
import { addsTo, type Catalog, type CatalogBase } from '../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../context.ts';
import type { Engine } from '../engines/engine.ts';
import { openEngine } from '../engines/open-engine.ts';
import { isKnownHole } from './known-hole.ts';
import { findMissingBases } from './missing-bases.ts';
import { readCatalogOf } from './read-catalog.ts';
import { noteExposed, type Findings, type ReadLimits } from './findings.ts';
import { verifyControl } from './verify-control.ts';
import { verifyBase, type BytesRead } from './verify-base.ts';
import { missingSlice, verifyLog } from './verify-log.ts';
import { tellWhole } from '../whole-progress.ts';

export type { Findings } from './findings.ts';

/**
 * `newest`, or left out: the base, with those that it adds to, and its log. `log`: the parts of the base are not read, so nothing is claimed of them. `base`: the log behind it is not, and neither is what
 * else lies in the store. `backup` left out: the one that the latest recovery point is restored from.
 */
export interface WhatToVerify {
  backup?: string | undefined;
  scope?: 'newest' | 'base' | 'log' | undefined;
}

const everything: ReadLimits = { atOnce: 4, untilMs: Infinity };

/**
 * Reads and authenticates every byte of one base and of the log after it, without restoring.
 *
 * Base: each part's exact version is there, has the bytes and digest that its index says, decrypts under the backup's
 * key as that part and no other, and opens to the digest that the dump took; counts add up from parts to manifest.
 * Log: each slice, by the engine, and none missing in between. Goes on after a problem, so that one run names them all.
 *
 * Reads only; safe to repeat.
 *
 * @param asked - which base, of the source or an import, and whether its parts are read too.
 * @throws NoRecoveryPoint - there is no such backup and nothing that could be a damaged one of that name.
 * @throws StoreUnavailable - retryable. A store that does not answer is never reported as damage.
 */
export async function verifyRecoveryPoint(
  attempt: SourceContext,
  asked: WhatToVerify,
  engine?: Pick<Engine, 'verifySlice' | 'verifyForeign'>,
): Promise<VerifyResult> {
  return (await verifyPoint(attempt, asked, engine)).result;
}

/** As `verifyRecoveryPoint`, with what was found in full, the catalog that it went by, and the base that was read; undefined: there was none. */
export async function verifyPoint(
  attempt: SourceContext,
  { backup, scope: extent = 'newest' }: WhatToVerify,
  engine?: Pick<Engine, 'verifySlice' | 'verifyForeign'>,
): Promise<{ result: VerifyResult; found: Findings; catalog: Catalog; base: CatalogBase | undefined }> {
  const { verifySlice, verifyForeign } = engine ?? (await openEngine(attempt.source.engine));
  const of = { system: attempt.system.system, source: attempt.sourceName };
  const catalog = await readCatalogOf(attempt, of, backup);
  const found: Findings = { objects: 0, bytes: 0, parts: 0, slices: 0, entries: 0, problems: extent === 'base' ? [] : untrusted(catalog) };
  if (extent === 'newest' && backup === undefined) {
    found.problems.push(...(await findMissingBases(attempt, catalog)));
    await noteExposed(attempt, found);
  }
  const base = chooseBase(catalog, backup);
  if (!base) {
    if (found.problems.length === 0) throw noSuchBackup(catalog, backup);
    return { result: { ...of, ...counted(found), scope: extent, ok: false, backup: backup ?? null, timeline: null, restorable: null }, found, catalog, base };
  }
  const scope: BackupScope = { ...of, timeline: base.timeline, backup: base.backup };
  // What was just taken is read back alone: those that it adds to were when they were taken.
  const parents = extent === 'newest' ? catalog.bases.filter(({ timeline, backup: one }) => timeline === base.timeline && addsTo(base, one)) : [];
  const bases = extent === 'log' ? [] : [...parents, base];
  const read: BytesRead = { done: 0, of: bases.reduce((sum, { storedBytes }) => sum + storedBytes, 0) };
  const context = tellWhole(attempt, [...(extent === 'log' ? [] : [{ phase: 'verify base', weight: read.of }]), ...(extent === 'base' ? [] : [{ phase: 'verify log', weight: logBytesBehind(base, catalog) }])]);
  let partsAreWhole = true;
  for (const one of bases) if (!(await verifyBase(context, { ...scope, backup: one.backup }, one.manifest, found, everything, read))) partsAreWhole = false;
  const missing = extent !== 'log' && partsAreWhole && base.foreign !== undefined ? ((await verifyForeign?.(context, base)) ?? null) : null;
  if (missing !== null) found.problems.push({ key: base.manifest.key, problem: missing });
  const baseIsWhole = partsAreWhole && missing === null;
  await verifyControl(context, scope, base.manifest, found);
  const reached = extent === 'base' ? (base.exact || base.alone ? base.end : undefined) : await verifyLogOf(context, scope, base, catalog, verifySlice, found);
  const usable = baseIsWhole && reached !== undefined;
  const restorable = usable ? { from: logPositionAt(base.end), to: logPositionAt(reached) } : null;
  return { result: { ...of, ...counted(found), scope: extent, ok: found.problems.length === 0, backup: base.backup, timeline: base.timeline, restorable }, found, catalog, base };
}

const counted = (found: Findings): Pick<VerifyResult, keyof Findings> => ({ ...found, problems: found.problems.map(({ key, problem }) => ({ key, problem })) });

/** Objects not believed. An authentic slice beside the chosen ones is no damage: two archivers overlapped, and one way was taken. */
const untrusted = (catalog: Catalog): Findings['problems'] =>
  catalog.rejected.filter(({ spare }) => !spare).map(({ key, why }) => ({ key, problem: why }));

function chooseBase(catalog: Catalog, backup: string | undefined): CatalogBase | undefined {
  if (backup !== undefined) return catalog.bases.find((base) => base.backup === backup);
  const now = new Date().toISOString();
  try {
    return findRecoveryPoint(catalog, {}, { now }).base;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    // Log is missing before the end, or something there is not believed: what can still be restored is verified.
    const { nearestBefore } = error.details;
    if ((error.type === 'ChainBroken' || error.type === 'Tampered') && nearestBefore) return findRecoveryPoint(catalog, { targetPosition: String(nearestBefore) }, { now }).base;
    if (error.type === 'NoRecoveryPoint' || error.type === 'Tampered') return undefined;
    throw error;
  }
}

function noSuchBackup(catalog: Catalog, backup: string | undefined): HoldfastError {
  const known = catalog.bases.map((base) => base.backup).join(', ') || 'none';
  return new HoldfastError('NoRecoveryPoint', `${catalog.system}/${catalog.source}: no backup ${backup ?? 'at all'}; known: ${known}`, {
    hint: 'take a base backup',
  });
}

/** Stored bytes of the log behind a base, about: by the seconds that it is of its span. For the time left only. */
function logBytesBehind({ timeline, logFrom }: CatalogBase, { spans }: Catalog): number {
  const span = spans.find((one) => one.timeline === timeline && one.from <= logFrom && one.to > logFrom);
  if (!span) return 0;
  const secondsTo = (position: LogPosition): number => parseLogPosition(span.to).seconds - parseLogPosition(position).seconds;
  return Math.round(span.storedBytes * Math.min(1, secondsTo(logFrom) / Math.max(1, secondsTo(span.from))));
}

/** @returns the last position that can be restored with this base, by slices that are whole; undefined: not even the base. */
async function verifyLogOf(
  context: SourceContext,
  scope: BackupScope,
  base: CatalogBase,
  catalog: Catalog,
  verifySlice: Engine['verifySlice'],
  found: Findings,
): Promise<LogPosition | undefined> {
  // A program's dump has no log behind it, and none that was written while it ran.
  if (base.program !== undefined) return base.end;
  const distrust = new Map(catalog.rejected.filter(({ spare }) => !spare).map(({ key, why }) => [key, why]));
  const endsAt = catalog.spans.filter(({ timeline, from, to }) => timeline === base.timeline && from <= base.logFrom && to > base.logFrom).map(({ to }) => to).sort().at(-1);
  const { wholeTo, damaged, hole } = await verifyLog(context, scope, { after: base.logFrom, distrust, endsAt }, { verifySlice, probe: base.manifest, found, limits: everything });
  if (hole) {
    if (!isKnownHole(catalog, base.timeline, hole)) found.problems.push({ key: missingSlice(scope, hole), problem: hole.problem });
  }
  if (wholeTo > base.end || (!base.exact && wholeTo === base.end)) return wholeTo;
  if (base.exact) return base.end;
  if (!damaged) {
    found.problems.push({ key: layout.slice(scope, wholeTo, base.end), problem: 'the log that was written while this base was read is not in the store: the base cannot be used' });
  }
  return undefined;
}
