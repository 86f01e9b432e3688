import { z } from 'zod';
import { parseDurationMs } from './units.ts';

export const durationSchema = z
  .string()
  .refine((text) => parseDurationMs(text) !== undefined, 'a duration such as 90s, 5m or 1h30m')
  .transform((text) => parseDurationMs(text)!)
  .meta({ description: 'a duration: 250ms, 90s, 5m, 1h30m, 7d' });
