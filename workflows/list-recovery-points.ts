import { callControl } from './call.ts';
import { listRecoveryPointsInput, parseInput } from './domain/inputs.ts';
import { describePoints, type PointsPage } from './domain/list-points.ts';
import { readSources } from './read-sources.ts';
import { showLines } from './show-lines.ts';

/**
 * Lists what can be restored of each source, the newest first, from the bucket alone. Reads only.
 *
 * @param typed - ListRecoveryPointsInput as a person types it, or the bare name of a system.
 * @throws BadInput, UnknownSystem, BadSystemFile, and what keeps the bucket from being read (StoreUnavailable, WrongKey …).
 */
export async function listRecoveryPoints(typed: unknown): Promise<{ sources: PointsPage[] }> {
  const sources = await readSources('listRecoveryPoints', 'points', () => parseInput('listRecoveryPoints', listRecoveryPointsInput, typed), (of, { limit, after, since }) =>
    callControl('listRecoveryPoints', { ...of, limit, after, since }, `list what can be restored of ${of.source}`),
  );
  showLines('what can be restored', sources.flatMap(describePoints));
  return { sources };
}
