import type { ArchiveActivities } from '../../workflows/contract.ts';
import { attempt } from '../attempt.ts';
import { openEngine } from '../engines/open-engine.ts';
import { atSource, inDataPlane } from './at-source.ts';

export const archiveActivities: ArchiveActivities = {
  // In the worker's own process: it holds a session open, and reads nothing.
  holdSnapshot: attempt(async (of, context) => await atSource(of, context, async (source) => await (await openEngine(source.source.engine)).holdSnapshot(source, of))),
  archiveLog: inDataPlane('archiveLog'),
  drainLog: inDataPlane('drainLog'),
  readDivergedWrites: inDataPlane('readDivergedWrites'),
  startTimeline: attempt(
    async (of, context) => await atSource(of, context, async (source) => await (await openEngine(source.source.engine)).startTimeline(source, of)),
  ),
  proveArchive: inDataPlane('proveArchive'),
};
