import { engines, lackOf } from '../../../workflows/domain/engines.ts';
import { logPositionAt } from '../../../workflows/domain/log-position.ts';
import { unaskedStatus } from '../base/archive-status.ts';
import type { Engine } from '../engine.ts';
import { refuse, refuseStream, whoOf } from '../refuse.ts';
import { checkRights, grants } from './access.ts';
import { readBaseGlobals } from './base-contents.ts';
import { buildIndexes } from './build-indexes.ts';
import { wantedContents } from './contents.ts';
import { copyBeside, dropCopies, nameCopies } from './databases/bring-database.ts';
import { planSwap, swapBack, swapCollections } from './databases/swap-databases.ts';
import { dumpGroup } from './dump-group.ts';
import { lackOfPasswords } from './globals.ts';
import { refuseLivingDatabase } from './living-database.ts';
import { planDump } from './plan-dump.ts';
import { prepareRestore } from './prepare-restore.ts';
import { promoteTarget, startTimeline } from './promote-target.ts';
import { restoreGroup } from './restore-group.ts';
import { rows } from './rows/index.ts';
import { sealBackup } from './seal-backup.ts';
import { narrowPoint } from './selection.ts';
import { holdSnapshot } from './snapshot.ts';
import { checkTransport } from './transport.ts';
import { validateTarget } from './validate-target.ts';
import { writeExport } from './write-export.ts';

/**
 * One database of a PostgreSQL server, by its driver: rows by COPY, tables side by side at one snapshot, everything that is no row by pg_dump. It
 * brings a database back as it was at one moment, on any server that is as new; what came after that moment is in the log of the whole server,
 * which is another source.
 */
export const postgresEngine: Engine = {
  kind: 'postgres',
  can: engines.postgres,
  planDump,
  dumpGroup,
  sealBackup,
  holdSnapshot,
  planImport: refuse('imports'),
  importGroup: refuse('imports'),
  writeExport,
  archiveLog: refuse('log'),
  drainLog: async (context) => await Promise.resolve({ drained: false, to: null, note: lackOf(whoOf(context), 'log') }),
  readDivergedWrites: refuse('log'),
  startTimeline,
  proveArchive: refuse('log'),
  readArchiveStatus: async (context, archived) => await Promise.resolve({ ...unaskedStatus(context, archived), noLog: true, note: lackOf(whoOf(context), 'log') }),
  checkTransport,
  grants,
  checkRights,
  checkTarget: refuseLivingDatabase,
  checkPoint: async (context, point) => (wantedContents(context) === 'rows' ? null : (lackOfPasswords(await readBaseGlobals(context, point)) ?? null)),
  verifySlice: refuse('log'),
  countDiscarded: refuse('log'),
  narrowPoint,
  openDivergedEntries: refuseStream('log'),
  prepareRestore,
  restoreGroup,
  // The base is of one moment, and there is nothing behind it.
  replayLog: async (_, { point }) => await Promise.resolve({ appliedTo: null, appliedToAt: logPositionAt(point.base.end), entries: 0, operations: 0, slices: 0, discardedTransactions: 0 }),
  buildIndexes,
  validateTarget,
  promoteTarget,
  nameCopies,
  copyBeside,
  dropCopies,
  planSwap,
  swapCollections,
  swapBack,
  rows,
};
