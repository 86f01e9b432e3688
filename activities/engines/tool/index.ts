import { engines, lackOf } from '../../../workflows/domain/engines.ts';
import { unaskedStatus } from '../base/archive-status.ts';
import { readManifest } from '../base/read-base.ts';
import type { Engine } from '../engine.ts';
import { refuse, refusePartial, refuseStream, whoOf } from '../refuse.ts';
import { promoteTarget, replayLog, startTimeline, validateTarget } from './after-restore.ts';
import { dumpGroup } from './dump-group.ts';
import { checkTransport } from './mongodump.ts';
import { lackOfPart } from './pg-dump.ts';
import { planDump } from './plan-dump.ts';
import { prepareRestore, restoreGroup } from './restore.ts';
import { refuseLivingSource } from './same-place.ts';
import { sealBackup } from './seal-backup.ts';
import { verifyForeign } from './verify-foreign.ts';

/**
 * Any program that writes its dump to standard output and reads it back from standard input: mongodump and mongorestore, or a
 * command of the system file. Its bytes are stored as parts like everybody's, and nobody here knows what they mean.
 */
export const toolEngine: Engine = {
  kind: 'tool',
  can: engines.tool,
  planDump,
  dumpGroup,
  sealBackup,
  planImport: refuse('imports'),
  importGroup: refuse('imports'),
  writeExport: refuse('exports'),
  holdSnapshot: refuse('snapshot'),
  archiveLog: refuse('log'),
  drainLog: async (context) => await Promise.resolve({ drained: false, to: null, note: lackOf(whoOf(context), 'log') }),
  readDivergedWrites: refuse('log'),
  startTimeline,
  proveArchive: refuse('log'),
  readArchiveStatus: async (context, archived) => await Promise.resolve({ ...unaskedStatus(context, archived), noLog: true, note: lackOf(whoOf(context), 'log') }),
  checkTransport,
  grants: () => ({ engine: 'tool', commands: [], roles: [], about: 'the source’s own program logs in: what its user needs, its manual says' }),
  checkRights: async () => await Promise.resolve({ missing: [], tooMuch: [] }),
  checkTarget: refuseLivingSource,
  checkPoint: async (context, point) => lackOfPart(await readManifest(context, point)) ?? null,
  verifyForeign,
  verifySlice: refuse('log'),
  countDiscarded: refuse('log'),
  openDivergedEntries: refuseStream('log'),
  prepareRestore,
  restoreGroup,
  replayLog,
  buildIndexes: async () => await Promise.resolve({ indexes: 0, failed: [] }),
  validateTarget,
  promoteTarget,
  ...refusePartial,
};
