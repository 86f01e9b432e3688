import { openEngine } from '../../activities/engines/open-engine.ts';
import type { SourceContext } from '../../activities/context.ts';
import { findArchiveEnd } from '../../activities/store/find-archive-end.ts';
import type { ArchiveStatus } from '../../workflows/contract.ts';
import { openSources } from './open-sources.ts';

/** How far each source's archive is behind, from the bucket and the source itself: no workflow is asked. */
export async function readArchiveStatuses(system: string, source?: string): Promise<ArchiveStatus[]> {
  return await Promise.all((await openSources(system, source)).map(readArchiveStatus));
}

export async function readArchiveStatus(context: SourceContext): Promise<ArchiveStatus> {
  const of = { system: context.system.system, source: context.sourceName };
  return await openEngine(context.source.engine).readArchiveStatus(context, await findArchiveEnd(context.store, context.keys, of));
}
