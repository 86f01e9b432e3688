import { z } from 'zod';
import { bytesSchema } from '../bytes.ts';
import { durationSchema } from '../duration.ts';
import { hours, parseDurationMs } from '../units.ts';

/** How long what is kept is kept: the rules of the system file, by source. */

const dayMs = hours(24);

/** A year counts 366 days: what has to be kept for seven years is never gone a day too early. */
const ageOf = (text: string): number | undefined => {
  const years = /^(\d+)y$/.exec(text)?.[1];
  return years === undefined ? parseDurationMs(text) : Number(years) * 366 * dayMs;
};

const ageSchema = z
  .string()
  .refine((text) => ageOf(text) !== undefined, 'an age such as 72h, 30d or 7y')
  .transform((text) => ageOf(text)!)
  .meta({ description: 'an age: 72h, 30d, 7y' });

const keepSchema = z
  .union([z.int().min(1).transform((count) => ({ count })), ageSchema.transform((forMs) => ({ forMs }))])
  .meta({ description: 'how long (30d, 7y), or how many of the newest (14)' });
export type Keep = z.output<typeof keepSchema>;

export const periods = ['hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
export type Period = (typeof periods)[number];

export const rulesSchema = z.strictObject({
  every: ageSchema.optional().meta({ description: 'all bases that are younger' }),
  hourly: keepSchema.optional().meta({ description: 'the first base of each hour' }),
  daily: keepSchema.optional().meta({ description: 'the first base of each day, UTC' }),
  weekly: keepSchema.optional().meta({ description: 'the first base of each week' }),
  monthly: keepSchema.optional().meta({ description: 'the first base of each month' }),
  yearly: keepSchema.optional().meta({ description: 'the first base of each year' }),
  weekBegins: z.enum(['sunday', 'monday']).default('sunday'),
  log: ageSchema.optional().meta({ description: 'any second of so long back can be restored; left out: of as long as the bases that are kept' }),
  imports: ageSchema.optional().meta({ description: 'imports that are younger; left out: all' }),
  atLeast: z.int().min(1).default(1).meta({ description: 'so many good bases stay, however old they are' }),
  atMost: bytesSchema.optional().meta({ description: 'of what the ages above keep, the oldest goes until all of it is no larger; less than the store’s quota, by one base at least: retention comes behind a base' }),
});
export type RetentionRules = z.output<typeof rulesSchema>;

export const retentionSchema = z.strictObject({
  sources: z.record(z.string(), rulesSchema).meta({ description: 'by the source’s name; of a source that is not named everything is kept' }),
  wait: durationSchema.default(hours(1)).meta({ description: 'how long before anything goes people can still say no' }),
  approval: z.string().optional().meta({ description: 'a gate under approvals that has to be passed before anything goes; left out: none' }),
});

/** `30 days`, `72 hours`: for people. */
export const formatAge = (ms: number): string => (ms % dayMs === 0 && ms > 3 * dayMs ? `${ms / dayMs} days` : `${Number((ms / hours(1)).toFixed(1))} hours`);
