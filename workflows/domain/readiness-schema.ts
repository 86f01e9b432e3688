import { z } from 'zod';
import { durationSchema } from './duration.ts';
import { hours, minutes, seconds } from './units.ts';

/** The `readiness` block of a system file. */
export const readinessSchema = z.strictObject({
  every: durationSchema
    .refine((ms) => ms >= seconds(10), 'expected 10s at least')
    .default(minutes(5))
    .meta({ description: 'from the end of one check to the next' }),
  remindEvery: durationSchema
    .refine((ms) => ms >= minutes(1), 'expected 1m at least')
    .default(hours(4))
    .meta({ description: 'people are told again of what goes on for so long' }),
  paused: z.string().min(1).max(200).optional().meta({ description: 'why nobody looks for now; left out: somebody does' }),
});
export type ReadinessConfig = z.output<typeof readinessSchema>;

/** What workflows may know of it. */
export interface ReadinessView {
  everyMs: number;
  remindEveryMs: number;
  paused: string | null;
}

/** @param config - of the system file; left out: the usual. */
export function toReadinessView(config: ReadinessConfig | undefined): ReadinessView {
  const { every, remindEvery, paused } = config ?? readinessSchema.parse({});
  return { everyMs: every, remindEveryMs: remindEvery, paused: paused ?? null };
}
