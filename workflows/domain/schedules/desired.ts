import type { EntryWorkflow } from '../inputs.ts';
import { operationOf } from './operations.ts';
import type { Schedule } from './schema.ts';
import { compileWhen, type ScheduleTimes } from './when.ts';

/** Temporal’s names; ours are SKIP and BUFFER_ONE. */
export type Overlap = 'SKIP' | 'BUFFER_ONE' | 'BUFFER_ALL' | 'CANCEL_OTHER' | 'TERMINATE_OTHER' | 'ALLOW_ALL';

/** A schedule as Temporal is to have it, or has it: the parts of it that are ours. */
export interface ScheduleState {
  times: ScheduleTimes;
  workflow: string;
  /** what it starts is called this, a dash, and the moment that it was due at */
  workflowId: string;
  input: unknown;
  summary: string;
  overlap: Overlap;
  catchUpMs: number;
  pauseOnFailure: boolean;
  paused: boolean;
  note: string;
}

export interface DesiredSchedule extends ScheduleState {
  id: string;
  workflow: EntryWorkflow;
}

export const scheduleId = (system: string, name: string): string => `${system}/${name}`;

/** The name that a schedule asks by: no person's, as it has a slash. */
export const askedBySchedule = (system: string, name: string): string => `schedule/${scheduleId(system, name)}`;

/** What a pause of ours begins with in the schedule's note: any other pause is a person's, or follows a failure, and is left alone. */
export const ourPause = 'holdfast: ';

/** The system file's schedules, in its order. */
export function desiredSchedules({ system, schedules = {} }: { system: string; schedules?: Record<string, Schedule> | undefined }): DesiredSchedule[] {
  return Object.entries(schedules).map(([name, schedule]) => {
    const { workflow, kind, input, about } = operationOf(schedule.does);
    const by = askedBySchedule(system, name);
    return {
      id: scheduleId(system, name),
      times: compileWhen(schedule),
      workflow,
      workflowId: `${kind}/${system}/${name}`,
      input: input({ system, schedule: name, by }, schedule.with),
      summary: `${system}/${name}: ${about}`,
      overlap: schedule.overlap === 'wait' ? 'BUFFER_ONE' : 'SKIP',
      catchUpMs: schedule.catchUp,
      pauseOnFailure: schedule.pauseOnFailure,
      paused: schedule.paused !== undefined,
      note: schedule.paused === undefined ? (schedule.note ?? '') : `${ourPause}${schedule.paused}`,
    };
  });
}
