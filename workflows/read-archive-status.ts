import { callControl } from './call.ts';
import type { ArchiveStatus } from './contract.ts';
import { describeArchiveStatus } from './domain/describe-archive-status.ts';
import { parseInput, readArchiveStatusInput } from './domain/inputs.ts';
import { readSources } from './read-sources.ts';
import { showLines } from './show-lines.ts';

/**
 * How far each source's archive is behind, from the bucket and the source itself: the archive's own workflow is not asked. Reads only.
 *
 * @param typed - ReadArchiveStatusInput as a person types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, and what keeps the bucket from being read.
 */
export async function readArchiveStatus(typed: unknown): Promise<{ archives: ArchiveStatus[] }> {
  const archives = await readSources('readArchiveStatus', 'archive', () => parseInput('readArchiveStatus', readArchiveStatusInput, typed), (of) =>
    callControl('readArchiveStatus', of, `how far the archive of ${of.source} is behind`),
  );
  showLines('archive', archives.map(describeArchiveStatus));
  return { archives };
}
