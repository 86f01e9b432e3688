import { openEngine } from '../../activities/engines/open-engine.ts';
import type { SourceContext } from '../../activities/context.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import type { ArchiveStatus } from '../../workflows/contract.ts';
import { logPositionAt } from '../../workflows/domain/log-position.ts';
import type { Catalog } from '../../workflows/domain/recovery-point.ts';
import { openSources } from './open-sources.ts';

/** How far each source's archive is behind, from the bucket and the source itself: no workflow is asked. */
export async function readArchiveStatuses(system: string, source?: string): Promise<ArchiveStatus[]> {
  const statuses: ArchiveStatus[] = [];
  for (const context of await openSources(system, source)) {
    statuses.push(await archiveStatusOf(context, await rebuildCatalog(context, { system, source: context.sourceName })));
  }
  return statuses;
}

export async function archiveStatusOf(context: SourceContext, catalog: Catalog): Promise<ArchiveStatus> {
  const timeline = catalog.timelines.map((one) => one.timeline).sort().at(-1) ?? null;
  const archivedTo = catalog.spans.filter((span) => span.timeline === timeline).map(({ to }) => to).sort().at(-1) ?? null;
  const archivedToAt = archivedTo === null ? null : logPositionAt(archivedTo);
  return await openEngine(context.source.engine).readArchiveStatus(context, { timeline, archivedTo, archivedToAt });
}
