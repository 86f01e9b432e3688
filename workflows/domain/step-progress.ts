import type { TransferState } from './exchange.ts';
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

export type BackupPhase = 'planning' | 'dumping' | 'sealing' | 'reading back' | 'done';

const activitiesOfPhase: Readonly<Record<Exclude<BackupPhase | TransferState['phase'], 'done'>, readonly string[]>> = {
  planning: ['planDump'],
  dumping: ['dumpGroup'],
  sealing: ['sealBackup'],
  'reading back': ['verifyRecoveryPoint'],
  checking: ['planImport'],
  importing: ['importGroup'],
  choosing: ['findRecoveryPoint'],
  exporting: ['writeExport'],
  publishing: [],
  verifying: ['verifyRecoveryPoint', 'verifyKept', 'checkKeys'],
};

/** How far the backup of one source is, or an import, an export or a verification. `source` left out: whatever runs is its own. */
export function progressOfBackup(
  { phase, work, source }: { phase: BackupPhase | TransferState['phase']; work: Work | null; source?: string },
  running: readonly (Progress & { activity: string; source?: string | undefined })[],
  nowMs: number,
): Progress | undefined {
  // What asks may be older than the workflow, and not know its phase.
  const own = (activitiesOfPhase as Readonly<Record<string, readonly string[]>>)[phase] ?? [];
  return sumProgress(running.filter((one) => own.includes(one.activity) && (source === undefined || one.source === source)), work ?? undefined, nowMs);
}
