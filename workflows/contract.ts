import type { PlanningActivities } from './contract/planning.ts';
import type { ProductionActivities } from './contract/production.ts';
import type { RecordingActivities } from './contract/recording.ts';
import type { ReportingActivities } from './contract/reporting.ts';

/**
 * The activities as workflows see them, one interface per task queue. `activities/` satisfies these.
 *
 * Inputs and results enter the workflow's history: they hold names, positions and store references, never data,
 * addresses or secrets, and stay under a few hundred KiB.
 */

export type * from './contract/archive.ts';
export type * from './contract/data.ts';
export type * from './contract/planning.ts';
export type * from './contract/production.ts';
export type * from './contract/recording.ts';
export type * from './contract/recover.ts';
export type * from './contract/refs.ts';
export type * from './contract/reporting.ts';

/** On the control queue: light, on any worker. */
export type ControlActivities = PlanningActivities & RecordingActivities & ProductionActivities & ReportingActivities;

/** Task queues by role. The control queue is the one that a person types into the UI. */
export const taskQueues = {
  control: 'holdfast',
  data: (site: string) => `data/${site}`,
  archive: (site: string) => `archive/${site}`,
  recover: (site: string) => `recover/${site}`,
} as const;
