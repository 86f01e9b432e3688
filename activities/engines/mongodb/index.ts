import { engines } from '../../../workflows/domain/engines.ts';
import type { Engine } from '../engine.ts';
import { refuse } from '../refuse.ts';
import { checkRights, grants } from './access.ts';
import { archiveLog } from './archive/archive-log.ts';
import { drainLog } from './archive/drain-log.ts';
import { proveArchive } from './archive/prove-archive.ts';
import { readArchiveStatus } from './archive/read-archive-status.ts';
import { openDivergedEntries } from './diverged/open-diverged-entries.ts';
import { readDivergedWrites } from './diverged/read-diverged-writes.ts';
import { startTimeline } from './archive/start-timeline.ts';
import { verifySlice } from './archive/verify-slice.ts';
import { copyBeside, dropCopies } from './beside/copy-beside.ts';
import { planSwap, swapBack, swapCollections } from './beside/swap-collections.ts';
import { buildIndexes } from './build-indexes.ts';
import { countDiscarded } from './count-discarded.ts';
import { dumpGroup } from './dump-group.ts';
import { importGroup } from './mongodump/import-group.ts';
import { planImport } from './mongodump/plan-import.ts';
import { writeExport } from './mongodump/write-export.ts';
import { planDump } from './plan-dump.ts';
import { prepareRestore } from './prepare-restore.ts';
import { promoteTarget } from './promote-target.ts';
import { replayLog } from './replay/replay-log.ts';
import { restoreGroup } from './restore-group.ts';
import { sealBackup } from './seal-backup.ts';
import { narrowPoint } from './selection/find-selection.ts';
import { checkTransport } from './transport.ts';
import { validateTarget } from './validate-target.ts';

/** MongoDB by its driver: no program is needed, work resumes at a part, and progress is known. */
export const mongodbEngine: Engine = {
  kind: 'mongodb',
  can: engines.mongodb,
  planDump,
  dumpGroup,
  sealBackup,
  planImport,
  importGroup,
  writeExport,
  holdSnapshot: refuse('snapshot'),
  archiveLog,
  drainLog,
  readDivergedWrites,
  startTimeline,
  proveArchive,
  readArchiveStatus,
  checkTransport,
  grants,
  checkRights,
  verifySlice,
  countDiscarded,
  narrowPoint,
  openDivergedEntries,
  prepareRestore,
  restoreGroup,
  replayLog,
  buildIndexes,
  validateTarget,
  promoteTarget,
  copyBeside,
  dropCopies,
  planSwap,
  swapCollections,
  swapBack,
};
