import type { Enter } from '../cell.ts';
import type { Cell, PhaseId } from '../matrix.ts';
import { enterArchive } from './archive.ts';
import { enterBackup, enterSeal, enterSealAsking } from './backup.ts';
import { enterDrain, enterFence, enterFenceAsking, enterSwitch } from './cutover.ts';
import { enterConvert, enterIndexBuild, enterReplay, enterRestore, startRecovery, type EnterRun } from './recovery.ts';

const enter: Record<PhaseId, EnterRun> = {
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

/** How the middle of a phase is reached: that part of it which works with what is struck. */
export function enterFor({ fault, phase }: Cell): Enter {
  if (phase === 'fence' && fault.startsWith('store-')) return enterFenceAsking;
  if (phase === 'seal' && fault.startsWith('mongod-')) return enterSealAsking;
  // A drill commands nothing.
  if (fault === 'two-control-planes') return async (bench) => await enter[phase](bench, startRecovery);
  return enter[phase];
}
