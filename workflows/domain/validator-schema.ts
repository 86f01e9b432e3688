import { z } from 'zod';
import { durationSchema } from './duration.ts';
import { nameSchema as name } from './name-schema.ts';
import { programSchema } from './tool-source.ts';
import { minutes } from './units.ts';

/** What a restored target is asked before it is believed. Each gates the run, or warns. */
export const validatorSchema = z.discriminatedUnion('uses', [
  z.strictObject({
    id: name,
    uses: z.literal('equality').meta({ description: 'every collection equals what base and log say' }),
    effect: z.enum(['gate', 'warn']).default('gate'),
  }),
  z.strictObject({
    id: name,
    uses: z.literal('query').meta({ description: 'a count that must lie in a range' }),
    source: name,
    namespace: z.string().regex(/^[^.]+\..+$/, 'database.collection'),
    filter: z.record(z.string(), z.unknown()).default({}),
    min: z.number().int().optional(),
    max: z.number().int().optional(),
    effect: z.enum(['gate', 'warn']).default('gate'),
  }),
  z.strictObject({
    id: name,
    uses: z.literal('sql').meta({ description: 'a question in SQL that is asked of the target of a PostgreSQL source, with the answer that is expected' }),
    source: name,
    database: z.string().min(1).optional().meta({ description: 'of a whole server (engine postgres-physical): which of its databases is asked; left out: that of the address' }),
    statement: z.string().min(1).max(10_000).meta({ description: "a SELECT with one row of one column; it may only read. current_setting('holdfast.moment') is the moment that the data is of: WHERE at > current_setting('holdfast.moment')::timestamptz - interval '1 day'" }),
    equals: z.union([z.number(), z.boolean(), z.string()]).optional().meta({ description: 'the answer; left out: it is a number, from min to max' }),
    min: z.number().optional(),
    max: z.number().optional(),
    within: durationSchema.default(minutes(1)).meta({ description: 'how long the answer may take' }),
    effect: z.enum(['gate', 'warn']).default('gate'),
  }),
  z.strictObject({
    id: name,
    uses: z.literal('command').meta({ description: 'a program that looks at the target of a source of the engine tool, and ends with code 0 when it holds' }),
    source: name,
    run: programSchema,
    effect: z.enum(['gate', 'warn']).default('gate'),
  }),
]);
