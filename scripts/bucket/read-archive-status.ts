import { readArchiveStatus } from '../../activities/read-archive-status.ts';
import type { ArchiveStatus } from '../../workflows/contract.ts';
import { openSources } from './open-sources.ts';

/** How far each source's archive is behind, as the activity of the workflow `readArchiveStatus` says it, without Temporal. */
export async function readArchiveStatuses(system: string, source?: string): Promise<ArchiveStatus[]> {
  return await Promise.all((await openSources(system, source)).map(readArchiveStatus));
}
