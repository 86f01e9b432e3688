import { z } from 'zod';
import { addressSchema } from './address.ts';
import { bytesSchema } from './bytes.ts';
import { durationSchema } from './duration.ts';
import { nameSchema as name } from './name-schema.ts';
import { secretRefSchema } from './tool-source.ts';
import { hours } from './units.ts';
import { weakerTlsSchema } from './weaker-tls.ts';

/** A store, in the system file: a bucket or a directory, and its object lock. */

const lockSchema = z.strictObject({
  mode: z.enum(['governance', 'compliance']).default('governance'),
  retain: durationSchema.default(hours(24)),
  evidence: durationSchema.optional().meta({ description: 'how long the audit, its seals and the evidence of runs are locked; left out: as long as everything' }),
  byDefault: z.boolean().optional().meta({ description: '`holdfast store init` makes the bucket lock what is put without a lock, too, for so many whole days; left out: it does not' }),
});

const budgetSchema = bytesSchema.optional().meta({ description: 'so much may lie in the store for this system, every version counted: metrics warn at 80 %; left out: as much as there is room for' });

const s3StoreSchema = z.strictObject({
  name,
  kind: z.literal('s3'),
  endpoint: addressSchema.optional().meta({ description: 'left out: AWS' }),
  region: z.string().default('us-east-1'),
  bucket: z.string().min(1),
  prefix: z.string().default('holdfast'),
  budget: budgetSchema,
  pathStyle: z.boolean().default(true),
  credentials: z.strictObject({ accessKeyId: secretRefSchema, secretAccessKey: secretRefSchema }).optional(),
  caFile: z.string().min(1).optional().meta({ description: 'certificates (PEM) that the server’s is believed by, beside the usual ones; ${ENV} allowed' }),
  weakerTls: weakerTlsSchema,
  lock: lockSchema.optional().meta({ description: 'object lock; the bucket must have it enabled' }),
});

const localStoreSchema = z.strictObject({
  name,
  kind: z.literal('local'),
  path: z.string().min(1),
  prefix: z.string().default('holdfast'),
  budget: budgetSchema,
  quota: bytesSchema.optional().meta({ description: 'so much may lie in the directory, whoever’s it is: a base that would not fit is refused, before it begins and while it is written; left out: as much as there is room for' }),
  lock: lockSchema.optional(),
});

export const storeSchema = z.discriminatedUnion('kind', [s3StoreSchema, localStoreSchema]);
