import { logPositionAt } from '../../../workflows/domain/log-position.ts';
import { findWindows } from '../../../workflows/domain/list-points.ts';
import { listed, type BaseFacts, type SourceFacts } from '../../../workflows/domain/period-report.ts';
import type { Catalog, CatalogBase } from '../../../workflows/domain/recovery-point.ts';
import type { SourceContext } from '../../context.ts';
import { rebuildCatalog } from '../../store/read-catalog.ts';

/** What the bucket holds of one source, and what of it is of a time. Reads only; safe to repeat. */
export async function readSourceFacts(context: SourceContext, period: { from: string; to: string }): Promise<SourceFacts> {
  const catalog = await rebuildCatalog(context, { system: context.system.system, source: context.sourceName });
  return toSourceFacts(catalog, context.source.engine, period);
}

/** A base is of the time that it holds, a gap of the time at which the log goes on: both by the source's clock. */
export function toSourceFacts(catalog: Catalog, engine: string, { from, to }: { from: string; to: string }): SourceFacts {
  const within = (at: string): boolean => at > from && at <= to;
  const bases = catalog.bases.map(toBaseFacts).filter(({ at }) => at <= to).sort((a, b) => b.at.localeCompare(a.at));
  const made = bases.filter(({ at }) => within(at));
  const gaps = catalog.gaps.filter((gap) => within(logPositionAt(gap.to))).map((gap) => ({ from: logPositionAt(gap.from), to: logPositionAt(gap.to), why: gap.why }));
  const disbelieved = catalog.rejected.filter(({ spare, marked }) => !spare && !marked).map(({ key }) => key);
  return {
    source: catalog.source,
    engine,
    made: made.slice(0, listed),
    madeCount: made.length,
    newest: bases[0] ?? null,
    before: bases.find(({ at }) => at <= from) ?? null,
    bases: catalog.bases.length,
    storedBytes: [...catalog.bases, ...catalog.spans].reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    gaps: gaps.slice(-listed),
    gapCount: gaps.length,
    restorable: restorableOf(catalog),
    disbelieved: disbelieved.slice(0, listed),
    disbelievedCount: disbelieved.length,
  };
}

function toBaseFacts({ backup, end, documents, plainBytes, storedBytes, why, mark, parents }: CatalogBase): BaseFacts {
  return { backup, at: logPositionAt(end), documents, plainBytes, storedBytes, why, mark: mark?.doubt?.is ?? null, ...(parents ? { increment: true as const } : {}) };
}

/** The unbroken time up to the newest moment that there is: of the windows that end there the longest. A base in doubt opens none. */
function restorableOf(catalog: Catalog): SourceFacts['restorable'] {
  const windows = findWindows(catalog).filter(({ base }) => !base.mark?.doubt);
  const newest = windows[0];
  if (!newest) return null;
  const from = windows.filter(({ timeline, to }) => timeline === newest.timeline && to === newest.to).map((window) => window.from).sort()[0]!;
  return { from: logPositionAt(from), to: logPositionAt(newest.to) };
}
