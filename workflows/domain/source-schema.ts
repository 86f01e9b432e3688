import { z } from 'zod';
import { bytesSchema } from './bytes.ts';
import { contentsSchema } from './contents.ts';
import { durationSchema } from './duration.ts';
import { engineKinds, type EngineKind } from './engines.ts';
import { nameSchema as name } from './name-schema.ts';
import { toolSchema } from './tool-source.ts';
import { mib, seconds } from './units.ts';

/** A source, in the system file: its engine, where it lives, how it is read and how its log is archived. */

const limitsSchema = z.strictObject({
  bytesPerSecond: bytesSchema.optional(),
  connections: z.number().int().min(1).max(64).default(4),
  readPreference: z.enum(['primary', 'primaryPreferred', 'secondary', 'secondaryPreferred', 'nearest']).default('secondaryPreferred'),
  pauseAboveReplicationLag: durationSchema.default(seconds(30)),
  writeLatencyGrowth: z.number().positive().default(0.2).meta({ description: 'a backup reads less while a write of the application takes longer by this share: 0.2 is a fifth' }),
});

const archiveSchema = z.strictObject({
  every: durationSchema.default(seconds(5)).meta({ description: 'a slice is closed after this time at the latest' }),
  bytes: bytesSchema.default(mib(8)).meta({ description: 'or when it has this many bytes of log' }),
});

/** How the log of a PostgreSQL server as files comes to the store. */
const walSchema = z.strictObject({
  by: z.enum(['push', 'receive']).default('push').meta({ description: 'push: the server runs `holdfast wal-push`; receive: a worker streams it out of a slot of the server' }),
});

const namespacesSchema = z.strictObject({ exclude: z.array(z.string()).default([]) });

/** What only some engines have; filled in for every source, so that engines see one shape. */
const meaningless: Partial<Record<EngineKind, { fields: readonly ('archive' | 'limits' | 'namespaces')[]; why: string }>> = {
  tool: { fields: ['archive', 'limits', 'namespaces'], why: 'what a program reads, and how fast, its own arguments say' },
  'postgres-physical': { fields: ['namespaces'], why: 'a physical base is the whole server' },
};

export const sourceSchema = z
  .strictObject({
    engine: z.enum(engineKinds),
    environment: name.meta({ description: 'where the source lives: a name under environments' }),
    archive: archiveSchema.optional(),
    limits: limitsSchema.optional(),
    wal: walSchema.optional().meta({ description: 'engine postgres-physical: how its log is archived; left out: pushed' }),
    namespaces: namespacesSchema.optional().meta({ description: 'databases or database.collection left out of backups; of PostgreSQL the rows of a schema or of schema.table' }),
    contents: contentsSchema.optional().meta({ description: 'engine postgres: what its bases hold; definitions: the schema without a row; rows: what tables hold, for tables that are there; left out: all' }),
    tool: toolSchema.optional().meta({ description: 'engine tool: the programs that dump and restore' }),
  })
  .superRefine((source, ctx) => {
    const complain = (path: string, message: string): void => ctx.addIssue({ code: 'custom', path: [path], message });
    if (source.engine !== 'tool' && source.tool) complain('tool', `belongs to the engine "tool", and this source’s is "${source.engine}"`);
    if (source.engine === 'tool' && !source.tool) complain('tool', 'the engine "tool" needs to know its programs: uses mongodump, pg_dump, pgbackrest or command');
    if (source.engine !== 'postgres-physical' && source.wal) complain('wal', `belongs to the engine "postgres-physical", and this source’s is "${source.engine}"`);
    if (source.engine === 'postgres-physical' && source.archive && source.wal?.by !== 'receive') complain('archive', 'a server that pushes its log says itself how often, by archive_timeout: it belongs to wal.by: receive');
    if (source.engine !== 'postgres' && source.contents) complain('contents', `belongs to the engine "postgres", and this source’s is "${source.engine}"`);
    if (source.engine === 'postgres' && source.archive) complain('archive', 'the engine "postgres" archives no log');
    const { fields = [], why } = meaningless[source.engine] ?? {};
    for (const field of fields) {
      if (source[field]) complain(field, `means nothing to the engine "${source.engine}": ${why}`);
    }
  })
  .transform(({ tool, ...source }) => ({
    ...source,
    archive: source.archive ?? archiveSchema.parse({}),
    limits: source.limits ?? limitsSchema.parse({}),
    namespaces: source.namespaces ?? namespacesSchema.parse({}),
    wal: source.wal ?? walSchema.parse({}),
    ...(tool ? { tool } : {}),
  }));
