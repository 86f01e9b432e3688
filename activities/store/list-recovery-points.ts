import { listPoints, pageCatalog, type CatalogPage, type Page, type PointsPage } from '../../workflows/domain/list-points.ts';
import type { SourceContext } from '../context.ts';
import { rebuildCatalog, withImports } from './read-catalog.ts';

const whichSource = ({ system, sourceName }: SourceContext): { system: string; source: string } => ({ system: system.system, source: sourceName });

/** What can be restored of one source, from the bucket alone. Reads only; safe to repeat. */
export async function listRecoveryPoints(context: SourceContext, page: Page): Promise<PointsPage> {
  return listPoints(await withImports(context, await rebuildCatalog(context, whichSource(context))), page);
}

/** Reads the whole catalog of one source from the bucket, and answers a page of it. Reads only; safe to repeat. */
export async function readCatalog(context: SourceContext, page: Page): Promise<CatalogPage> {
  const startedAtMs = performance.now();
  const catalog = await rebuildCatalog(context, whichSource(context));
  return pageCatalog(catalog, page, Math.round(performance.now() - startedAtMs));
}
