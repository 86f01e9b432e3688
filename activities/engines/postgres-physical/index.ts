import { engines, lackOf } from '../../../workflows/domain/engines.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { SourceContext } from '../../context.ts';
import type { Engine } from '../engine.ts';
import { refuse, refusePartial, whoOf } from '../refuse.ts';
import { refuseLivingSource } from '../tool/same-place.ts';
import { checkRights, checkServer, grants } from './access.ts';
import { countDiscarded, startTimeline, verifySlice } from './after-recovery.ts';
import { archiveLog } from './archive-log.ts';
import { checkTransport } from '../postgres/transport.ts';
import { drainLog } from './drain-log.ts';
import { dumpGroup } from './dump-group.ts';
import { findMark } from './find-mark.ts';
import { planDump } from './plan-dump.ts';
import { promoteTarget } from './promote-target.ts';
import { proveArchive } from './prove-archive.ts';
import { readArchiveStatus } from './push-state.ts';
import { replayLog } from './replay.ts';
import { prepareRestore, restoreGroup } from './restore.ts';
import { sealBackup } from './seal-backup.ts';
import { validateTarget } from './validate-target.ts';

const noRows = (context: SourceContext): HoldfastError =>
  new HoldfastError('Unsupported', `${lackOf(whoOf(context), 'units')}; what an old primary took is in its own WAL, which is not read row by row`, { hint: 'its data directory is still there: start it apart, and compare' });

/** A whole PostgreSQL server as files, and its WAL. */
export const postgresPhysicalEngine: Engine = {
  kind: 'postgres-physical',
  can: engines['postgres-physical'],
  planDump,
  dumpGroup,
  sealBackup,
  planImport: refuse('imports'),
  importGroup: refuse('imports'),
  writeExport: refuse('exports'),
  holdSnapshot: refuse('snapshot'),
  archiveLog,
  drainLog,
  readDivergedWrites: async (context) => await Promise.reject(noRows(context)),
  startTimeline,
  proveArchive,
  readArchiveStatus,
  checkTransport,
  grants,
  checkRights,
  checkServer,
  checkTarget: refuseLivingSource,
  verifySlice,
  findMark,
  countDiscarded,
  openDivergedEntries: async function* (context) {
    throw await Promise.resolve(noRows(context));
  },
  prepareRestore,
  restoreGroup,
  replayLog,
  buildIndexes: async () => await Promise.resolve({ indexes: 0, failed: [] }),
  validateTarget,
  promoteTarget,
  ...refusePartial,
};
