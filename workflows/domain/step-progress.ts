import { sumProgress, type Progress, type Work } from './progress.ts';
import type { StepState } from './run-state.ts';
import { factsOf } from './step-language.ts';

/** Which activities tell how far a step is, by what the step uses. */
export const activitiesOfStep = (uses: string): readonly string[] => factsOf(uses).toldBy ?? [];

/** How far a step is: what it has finished, and those of the run's activities that are its own. Undefined: nothing is known. */
export function progressOfStep(step: Pick<StepState, 'uses' | 'work'>, running: readonly (Progress & { activity: string })[], nowMs: number): Progress | undefined {
  const own = running.filter(({ activity }) => activitiesOfStep(step.uses).includes(activity));
  return sumProgress(own, step.work, nowMs);
}

const activitiesOfPhase: Readonly<Record<string, readonly string[]>> = {
  planning: ['planDump'],
  dumping: ['dumpGroup'],
  sealing: ['sealBackup'],
  checking: ['planImport'],
  importing: ['importGroup'],
  choosing: ['findRecoveryPoint'],
  exporting: ['writeExport'],
  verifying: ['verifyRecoveryPoint', 'verifyKept'],
};

/** How far the backup of one source is, or an import, an export or a verification. */
export function progressOfBackup(
  { phase, work }: { phase: string; work: Work | null },
  running: readonly (Progress & { activity: string })[],
  nowMs: number,
): Progress | undefined {
  return sumProgress(running.filter(({ activity }) => activitiesOfPhase[phase]?.includes(activity)), work ?? undefined, nowMs);
}
