import type { DrillSchedule } from '../drill-history.ts';
import { surpriseSchema } from '../surprise.ts';
import { minutes } from '../units.ts';
import { scheduleId } from './desired.ts';
import type { Schedule } from './schema.ts';
import { compileWhen } from './when.ts';

/** A drill that was started has a report once it is over, and it may have waited for the run before it. */
const startedWithinMs = minutes(10);

const surpriseOf = ({ with: settings }: Schedule): number => surpriseSchema.optional().parse(settings['surprise']) ?? 0;

/** The system file's schedules of drills, in its order. */
export const drillSchedules = ({ system, schedules = {} }: { system: string; schedules?: Record<string, Schedule> | undefined }): DrillSchedule[] =>
  Object.entries(schedules)
    .filter(([, { does }]) => does === 'drill')
    .map(([name, schedule]) => ({ id: scheduleId(system, name), times: compileWhen(schedule), graceMs: schedule.jitter + schedule.catchUp + surpriseOf(schedule) + startedWithinMs, paused: schedule.paused !== undefined }));
