import type { Enter } from '../cell.ts';
import type { PhaseId } from '../matrix.ts';
import { enterArchive } from './archive.ts';
import { enterBackup, enterSeal } from './backup.ts';
import { enterDrain, enterFence, enterSwitch } from './cutover.ts';
import { enterConvert, enterIndexBuild, enterReplay, enterRestore } from './recovery.ts';

/** How the middle of each phase is reached. */
export const enter: Record<PhaseId, Enter> = {
  backup: enterBackup,
  archive: enterArchive,
  seal: enterSeal,
  restore: enterRestore,
  replay: enterReplay,
  'index-build': enterIndexBuild,
  convert: enterConvert,
  fence: enterFence,
  drain: enterDrain,
  switch: enterSwitch,
};
