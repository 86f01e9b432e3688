import { z } from 'zod';
import { addressSchema } from './address.ts';
import { bytesSchema } from './bytes.ts';
import { contentsSchema } from './contents.ts';
import { nameSchema as name } from './name-schema.ts';
import { secretRefSchema } from './tool-source.ts';
import { weakerTlsSchema } from './weaker-tls.ts';

/** Places, in the system file: where sources live and are restored to, how a target is made there, and how what is left behind is fenced. */

const credentialsSchema = z.strictObject({
  username: z.string().min(1),
  password: secretRefSchema,
  authSource: z.string().default('admin'),
});

export const endpointSchema = z.strictObject({
  uri: addressSchema.meta({ description: 'for example mongodb://host:27017/?replicaSet=rs0; without user and password' }),
  credentials: credentialsSchema.optional(),
  tls: z
    .strictObject({ caFile: z.string().optional(), certificateKeyFile: z.string().optional() })
    .optional()
    .meta({ description: 'present = TLS is required' }),
  weakerTls: weakerTlsSchema,
});

export const environmentSchema = z.strictObject({
  protection: z
    .enum(['production', 'staging', 'open'])
    .meta({ description: 'what the environment is for; what is restored to one of production is never masked' }),
  endpoints: z.record(name, endpointSchema).meta({ description: 'one per source, by the source’s name' }),
});

const localProvisionerSchema = z.strictObject({
  uses: z.literal('local'),
  directory: z.string().min(1).meta({ description: 'where the standby’s data, configuration and pid file live; ${ENV} allowed' }),
  replicaSet: z.string().default('rs0').meta({ description: 'name of the replica set that the standby becomes' }),
  cache: bytesSchema.optional().meta({ description: 'WiredTiger cache, or shared buffers of PostgreSQL; left out: the server’s own choice, or an eighth of the memory up to 4 GiB' }),
  contents: z.enum(['all', 'definitions']).optional().meta({ description: 'engine postgres: what of a base is restored; definitions: the schema without a row; left out: all' }),
  version: z.number().int().min(14).max(18).optional().meta({ description: 'major version of the PostgreSQL server that is made for a source of the engine postgres; left out: 17' }),
  settings: z.record(z.string().regex(/^[a-z_][a-z0-9_.]*$/, 'a setting such as max_connections'), z.union([z.string().regex(/^[^\n\r]*$/), z.number(), z.boolean()])).optional().meta({ description: 'lines of the postgresql.conf of that server: max_connections, shared_preload_libraries …' }),
  configuration: z.string().min(1).optional().meta({ description: 'engine postgres-physical: directory with the postgresql.conf and pg_hba.conf of the server that is restored, where its base holds none (Debian keeps them in /etc/postgresql); ${ENV} allowed; left out: what the base brought' }),
  tls: z.strictObject({ certificateKeyFile: z.string().min(1), caFile: z.string().min(1) }).optional().meta({ description: 'PEM files of the server: mongod speaks TLS too once it is promoted, PostgreSQL from the beginning; ${ENV} allowed; left out: in the clear' }),
});

const existingProvisionerSchema = z.strictObject({
  uses: z.literal('existing').meta({ description: 'the target is there already: nothing is started or stopped' }),
  directory: z.string().min(1).meta({ description: 'where it is noted which run restores to it; ${ENV} allowed' }),
});

const databaseProvisionerSchema = z.strictObject({
  uses: z.literal('database').meta({ description: 'a database of a PostgreSQL server that is there already: made by the restore where it is not there, and taken away again with it' }),
  directory: z.string().min(1).meta({ description: 'where it is noted which run restores to it; ${ENV} allowed' }),
  contents: contentsSchema.optional().meta({ description: 'what of a base is restored; definitions: the schema without a row; rows: rows alone, into tables that are there, and empty; left out: all' }),
});

const provisionSchema = z.record(name, z.discriminatedUnion('uses', [localProvisionerSchema, existingProvisionerSchema, databaseProvisionerSchema])).meta({ description: 'one per source, by the source’s name' });

export const standbySchema = z.strictObject({ environment: name, provision: provisionSchema });

const fenceUser = credentialsSchema.optional().meta({ description: 'a user that may close its databases and end their sessions; left out: the endpoint’s' });

export const fenceSchema = z.discriminatedUnion('uses', [
  z.strictObject({
    uses: z.literal('local').meta({ description: 'a mongod on the worker’s machine: stepped down, or stopped, and kept from starting as a primary' }),
    directory: z.string().min(1).meta({ description: 'directory of the old primary, with its mongod.conf and pid file; ${ENV} allowed' }),
  }),
  z.strictObject({ uses: z.literal('database').meta({ description: 'the endpoint’s database of a PostgreSQL server is closed to everybody; the server goes on' }), credentials: fenceUser }),
  z.strictObject({ uses: z.literal('databases').meta({ description: 'all databases of a PostgreSQL server are closed to everybody, but template1, which it is commanded from' }), credentials: fenceUser }),
]);

export const failbackSchema = z.strictObject({
  provision: provisionSchema.meta({ description: 'how each source’s home is made anew, one per source' }),
  fence: z.record(name, fenceSchema).default({}).meta({ description: 'how the standby is made unable to write once the source leaves it, by source' }),
});
