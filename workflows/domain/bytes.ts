import { z } from 'zod';
import { parseBytes } from './units.ts';

export const bytesSchema = z
  .string()
  .refine((text) => parseBytes(text) !== undefined, 'a size such as 8MiB or 512KiB')
  .transform((text) => parseBytes(text)!)
  .meta({ description: 'a size: 512KiB, 8MiB, 2GiB' });
