import { z } from 'zod';
import { durationSchema } from '../duration.ts';
import { minutes } from '../units.ts';

/** What may be said of a rotating sample: the same in a schedule and in what a person types. */
export const rotationFields = {
  shares: z.int('a whole number from 2 to 1000').min(2, 'a whole number from 2 to 1000').max(1_000, 'a whole number from 2 to 1000').optional().meta({ description: 'of a sample: one in so many objects is read; left out: 28, which every six hours is a week' }),
  within: durationSchema.refine((ms) => ms >= minutes(1), 'a minute at least').optional().meta({ description: 'of a sample: a share that was not read for so long is read beside the one whose turn it is; left out: 7d' }),
} as const;
