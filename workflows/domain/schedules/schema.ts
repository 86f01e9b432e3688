import { z } from 'zod';
import { durationSchema } from '../duration.ts';
import { abilitiesOf, lacks, type EngineKind } from '../engines.ts';
import { hours, seconds } from '../units.ts';
import { operationNames, operationOf } from './operations.ts';
import { checkWhen, whenFields } from './when.ts';

/** Temporal takes no shorter one: its own pauses would be outages. */
const shortestCatchUpMs = seconds(10);

export const scheduleSchema = z.strictObject({
  does: z.enum(operationNames).meta({ description: operationNames.map((name) => `${name}: ${operationOf(name).about}`).join('; ') }),
  with: z.record(z.string(), z.unknown()).default({}).meta({ description: 'settings of what it does' }),
  ...whenFields,
  overlap: z.enum(['skip', 'wait']).default('skip').meta({ description: 'when the start before it still runs: skip this one, or start it (and of several, one) behind that' }),
  catchUp: durationSchema
    .refine((ms) => ms >= shortestCatchUpMs, 'expected 10s at least')
    .default(hours(12))
    .meta({ description: 'a start that was missed because Temporal was away is made up for within this time' }),
  pauseOnFailure: z.boolean().default(false).meta({ description: 'after a failure nothing starts until a person resumes it' }),
  paused: z.string().min(1).max(200).optional().meta({ description: 'why it does not start anything for now; left out: it does' }),
  note: z.string().min(1).max(200).optional().meta({ description: 'shown beside it in the UI' }),
});
export type Schedule = z.output<typeof scheduleSchema>;

interface Named {
  schedules?: Record<string, Schedule> | undefined;
  sources: Record<string, { engine: EngineKind }>;
  runbooks?: Record<string, unknown> | undefined;
}

/** What a schedule's fields say together, and whether what they name is there. */
export function checkSchedules({ schedules = {}, sources, runbooks = {} }: Named, complain: (path: (string | number)[], message: string) => void): void {
  for (const [name, schedule] of Object.entries(schedules)) {
    const at = (...path: string[]): string[] => ['schedules', name, ...path];
    checkWhen(schedule, (field, message) => complain(at(field), message));
    const { settings } = operationOf(schedule.does);
    const parsed = settings.safeParse(schedule.with);
    for (const issue of parsed.error?.issues ?? []) {
      if (issue.code === 'unrecognized_keys') {
        for (const key of issue.keys) complain(at('with', key), `unknown field of ${schedule.does}; expected one of ${Object.keys(settings.shape).join(', ')}`);
      } else complain(at('with', ...issue.path.map(String)), issue.message);
    }
    const knows = (field: string, known: Record<string, unknown>): void => {
      const value = schedule.with[field];
      if (typeof value === 'string' && field in settings.shape && !known[value]) complain(at('with', field), `unknown ${field}; known: ${Object.keys(known).join(', ') || 'none'}`);
    };
    knows('source', sources);
    if (schedule.does === 'backup' && schedule.with['incremental'] === true) {
      const refused = Object.entries(sources).find(([source, { engine }]) => [undefined, source].includes(schedule.with['source'] as string | undefined) && abilitiesOf(engine).increments !== true);
      if (refused) complain(at('with', 'incremental'), `the engine "${refused[1].engine}" of "${refused[0]}" ${lacks.increments}`);
    }
    knows('runbook', runbooks);
  }
}
