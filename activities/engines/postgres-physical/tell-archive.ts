import type { ArchiveHeartbeat } from '../../../workflows/contract.ts';
import { logPositionAt } from '../../../workflows/domain/log-position.ts';
import type { SourceContext } from '../../context.ts';

/** The heartbeat of a log whose slices nobody reads entry by entry: a slice counts as one. Whether it comes nearer while it is behind nobody says. */
export function tellArchive(context: SourceContext, { slices, ...of }: Pick<ArchiveHeartbeat, 'phase' | 'timeline' | 'archivedTo' | 'lagMs' | 'slices' | 'bytes'>): void {
  const heartbeat: ArchiveHeartbeat = { ...of, archivedToAt: logPositionAt(of.archivedTo), caughtUpInMs: of.lagMs === 0 ? 0 : null, slices, entries: slices };
  context.progress({ ...heartbeat, done: slices, of: 0, unit: 'objects' });
}
