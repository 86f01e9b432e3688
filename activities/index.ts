import type { ArchiveActivities, ControlActivities, DataActivities, RecoverActivities } from '../workflows/contract.ts';
import { archiveActivities } from './contract/archive.ts';
import { dataActivities } from './contract/data.ts';
import type { ActivityEnvironment } from './contract/environment.ts';
import { planningActivities } from './contract/planning.ts';
import { productionActivities } from './contract/production.ts';
import { recordingActivities } from './contract/recording.ts';
import { recoverActivities } from './contract/recover.ts';
import { reportingActivities } from './contract/reporting.ts';

export interface ActivitiesByRole {
  control: ControlActivities;
  data: DataActivities;
  archive: ArchiveActivities;
  recover: RecoverActivities;
}

/**
 * All activities of the contract, by task queue; `activities/contract/` has a file for each of the contract's. What works on data is a job in a process of its own; see
 * jobs.ts. What draws, mails or checks codes brings libraries that a worker's start would wait for, and is loaded when it is first asked for.
 */
export function createActivities(environment: ActivityEnvironment): ActivitiesByRole {
  return {
    control: { ...planningActivities(environment), ...recordingActivities, ...productionActivities, ...reportingActivities(environment) },
    data: dataActivities,
    archive: archiveActivities,
    recover: recoverActivities,
  };
}
