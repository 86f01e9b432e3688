import type { ArchiveStatus } from '../workflows/contract.ts';
import type { SourceContext } from './context.ts';
import { openEngine } from './engines/open-engine.ts';
import { findArchiveEnd } from './store/find-archive-end.ts';

/** How far the archive of one source is behind, from the bucket and the source itself: no workflow is asked. Reads only. */
export async function readArchiveStatus(context: SourceContext): Promise<ArchiveStatus> {
  const of = { system: context.system.system, source: context.sourceName };
  const end = await findArchiveEnd(context.store, context.keys, of, { signal: context.signal });
  return await (await openEngine(context.source.engine)).readArchiveStatus(context, end);
}
