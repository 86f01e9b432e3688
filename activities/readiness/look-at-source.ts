import { abilitiesOf } from '../../workflows/domain/engines.ts';
import { findWindows, type Window } from '../../workflows/domain/list-points.ts';
import { logPositionAt } from '../../workflows/domain/log-position.ts';
import type { ClockReading, SourceReadiness } from '../../workflows/domain/readiness.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import { baseDueMs } from '../../workflows/domain/schedules/base-due.ts';
import { compareSeen, type SeenSource } from '../../workflows/domain/seen-store.ts';
import type { ArchiveStatus } from '../../workflows/contract.ts';
import type { SourceContext } from '../context.ts';
import { readArchiveStatus } from '../read-archive-status.ts';
import { rebuildCatalog } from '../store/read-catalog.ts';
import { lastWhole } from '../store/verifications.ts';
import { lookAtKeys } from './look-at-keys.ts';
import { listSource } from './list-source.ts';
import { retiredBases } from './retired-bases.ts';

const shown = 10;

export interface LookAsked {
  /** the store's clock */
  nowMs: number;
  /** what was due before is nobody's fault; left out: not known */
  knownSinceMs?: number | undefined;
  /** what the check before saw; null: there was none */
  seen: SeenSource | null;
  /** what is there now is taken as it is */
  accept: boolean;
}

/** One source: its bucket by listing and by the signed objects, its archive by the source's own clock. Reads only; twice: the same. @throws StoreUnavailable, what opening throws. */
export async function lookAtSource(context: SourceContext, { nowMs, knownSinceMs, seen, accept }: LookAsked): Promise<{ source: SourceReadiness; seen: SeenSource; clocks: ClockReading[] }> {
  const of = { system: context.system.system, source: context.sourceName };
  // Before the catalog: what is archived while that is read would otherwise seem out of every base's reach.
  const status = await readArchiveStatus(context);
  const catalog = await rebuildCatalog(context, of);
  const listed = await listSource(context);
  const at = new Date(nowMs).toISOString();
  const missing = seen?.bases.some(({ backup }) => !catalog.bases.some((base) => base.backup === backup));
  const compared = compareSeen(seen, catalog, listed, { at, accept, retired: missing ? await retiredBases(context) : new Set() });
  const good = findWindows(catalog).filter(({ base }) => !base.mark?.doubt);
  const newest = good[0] ?? null;
  const sealedAt = newest && (listed.sealedAt.get(newest.base.backup) ?? newest.base.finishedAt);
  const dueMs = baseDueMs(context.system.schedules, context.sourceName, nowMs, knownSinceMs);
  const gaps = openGaps(catalog);
  return {
    source: {
      source: context.sourceName,
      engine: context.source.engine,
      newest: newest && { timeline: newest.timeline, base: newest.base.backup, from: newest.from, to: newest.to, fromAt: logPositionAt(newest.from), toAt: logPositionAt(newest.to) },
      oldestAt: good.map(({ from }) => logPositionAt(from)).sort()[0] ?? null,
      windows: good.length,
      ...whatWouldBeLost(status, newest, { hasLog: abilitiesOf(context.source.engine).log, sealedAt, nowMs }),
      base: newest && { backup: newest.base.backup, at: sealedAt!, ageMs: Math.max(0, nowMs - Date.parse(sealedAt!)) },
      baseDueAt: dueMs === null ? null : new Date(dueMs).toISOString(),
      openGaps: gaps.slice(-shown),
      gaps: catalog.gaps.length,
      disbelieved: catalog.rejected.filter(({ spare, marked }) => !spare && !marked).slice(0, shown).map(({ key, why }) => ({ key, why })),
      lost: compared.lost,
      verified: await lastWhole(context, listed.verified),
      keys: await lookAtKeys(context, listed, { nowMs, knownSinceMs }),
    },
    seen: compared.seen,
    clocks: status.clockAheadMs === undefined ? [] : [{ of: `source ${context.sourceName}`, aheadMs: status.clockAheadMs }],
  };
}

/** By the source where it answers; of log that no base reaches, all of it is lost. */
function whatWouldBeLost(status: ArchiveStatus, newest: Window | null, { hasLog, sealedAt, nowMs }: { hasLog: boolean; sealedAt: string | null; nowMs: number }): Pick<SourceReadiness, 'rpoMs' | 'rpoNote'> {
  if (!newest) return { rpoMs: null, rpoNote: 'there is no recovery point' };
  if (!hasLog) return { rpoMs: Math.max(0, nowMs - Date.parse(sealedAt!)), rpoNote: 'no log is archived: what the newest base does not hold would be lost' };
  const endMs = Date.parse(logPositionAt(newest.to));
  const out = status.archivedTo !== null && (status.timeline !== newest.timeline || status.archivedTo > newest.to);
  if (out) return { rpoMs: Math.max(0, Date.parse(status.checkedAt) - endMs), rpoNote: `log is archived to ${status.archivedToAt} on ${status.timeline}, and no base reaches it` };
  if (status.rpoMs === null) return { rpoMs: null, rpoNote: `${status.note ?? 'the source does not answer'}; the log reaches ${logPositionAt(newest.to)}` };
  return { rpoMs: status.rpoMs, rpoNote: status.note };
}

/** Of the newest timeline that has a base or a gap; a base behind a gap, or a later timeline's, closes it. */
function openGaps({ gaps, bases }: Catalog): SourceReadiness['openGaps'] {
  const closes = (gap: Catalog['gaps'][number], { timeline, end, mark }: Catalog['bases'][number]): boolean => !mark?.doubt && (timeline > gap.timeline || (timeline === gap.timeline && end >= gap.to));
  return gaps.filter((gap) => !bases.some((base) => closes(gap, base))).map(({ timeline, from, to, why }) => ({ timeline, from, to, why }));
}
