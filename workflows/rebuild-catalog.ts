import { callControl } from './call.ts';
import { parseInput, rebuildCatalogInput } from './domain/inputs.ts';
import { describeCatalog, type CatalogPage } from './domain/list-points.ts';
import { readSources } from './read-sources.ts';
import { showLines } from './show-lines.ts';

/**
 * Reads the whole catalog of each source from the bucket alone. Reads only: the bucket is the catalog, nothing else keeps one.
 *
 * @param typed - RebuildCatalogInput as a person types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, and what keeps the bucket from being read.
 */
export async function rebuildCatalog(typed: unknown): Promise<{ catalogs: CatalogPage[] }> {
  const catalogs = await readSources('rebuildCatalog', 'catalog', () => parseInput('rebuildCatalog', rebuildCatalogInput, typed), (of, { limit }) =>
    callControl('rebuildCatalog', { ...of, limit }, `read all that the bucket holds of ${of.source}`),
  );
  showLines('what the bucket holds', catalogs.flatMap((one) => [describeCatalog(one), ...one.rejected.map(({ key, why, spare }) => `${spare ? 'not needed' : 'not believed'}: ${key}: ${why}`)]));
  return { catalogs };
}
