import { z } from 'zod';
import { durationSchema } from './duration.ts';
import { hours } from './units.ts';

/**
 * The `tool` block of a source: which program writes its dump to standard output, and which one reads it back from standard
 * input. An argument is public on the machine, so it holds no secret: those go into the environment or a private file.
 */

/** `${NAME}` reads an environment variable of the worker, `file:PATH` a file on it (relative to the system file). */
export const secretRefSchema = z
  .string()
  .regex(/^(\$\{[A-Za-z_][A-Za-z0-9_]*\}|file:.+)$/, 'a reference to a secret: ${ENV_NAME} or file:PATH, never the secret itself')
  .meta({ description: '${ENV_NAME} or file:PATH; the secret itself never stands in the file' });

/** What `{{…}}` in an argument or a plain variable may stand for, beside `file:NAME`. */
const toolPlaceholders = ['uri', 'host', 'port', 'username'] as const;

/** `{{uri}}`, `{{file:NAME}}`: everything that stands between doubled braces. */
const placeholdersIn = (text: string): string[] => [...text.matchAll(/\{\{([^{}]*)\}\}/g)].map(([, inner]) => inner!.trim());

const argumentSchema = z
  .string()
  .refine((text) => !/\$\{[A-Za-z_]\w*\}/.test(text), 'no ${NAME} in an argument, which anybody on the machine can read: secrets belong under env or files, addresses under environments as {{uri}}, {{host}} and {{port}}');

const variableName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of an environment variable');
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a file name without a directory');

const plainSchema = z.strictObject({ plain: argumentSchema });

/** A program whose arguments and plain variables may hold these placeholders, beside `{{file:NAME}}`. */
export const programOf = (placeholders: readonly string[]) => z
  .strictObject({
    argv: z.array(argumentSchema).min(1).meta({ description: 'the program and its arguments; no shell looks at them' }),
    env: z
      .record(variableName, z.union([secretRefSchema, plainSchema], 'a reference to a secret (${ENV_NAME} or file:PATH), or {plain: text} for what is none'))
      .default({})
      .meta({ description: 'added to the worker’s own environment: a reference to a secret, or {plain: text} for what is none' }),
    files: z
      .record(fileName, secretRefSchema)
      .default({})
      .meta({ description: 'private files (0600) that exist while the program runs; {{file:NAME}} is the path of one' }),
  })
  .superRefine(({ argv, env, files }, ctx) => {
    const texts = [...argv.map((text, at) => ({ text, path: ['argv', at] })), ...Object.entries(env).flatMap(([key, value]) => (typeof value === 'string' ? [] : [{ text: value.plain, path: ['env', key, 'plain'] }]))];
    for (const { text, path } of texts) {
      for (const inner of placeholdersIn(text)) {
        const file = /^file:(.+)$/.exec(inner)?.[1];
        if (file !== undefined ? Object.hasOwn(files, file) : placeholders.includes(inner)) continue;
        const known = [...placeholders, ...Object.keys(files).map((one) => `file:${one}`)].map((one) => `{{${one}}}`);
        ctx.addIssue({ code: 'custom', path, message: `unknown {{${inner}}}; known: ${known.join(', ')}` });
      }
    }
  });

export const programSchema = programOf(toolPlaceholders);

/** A program with its arguments, environment and private files, as the system file says it. */
export type ProgramConfig = z.output<typeof programSchema>;

const quietFor = durationSchema
  .default(hours(1))
  .meta({ description: 'a program that passes no byte on for so long, though it could, hangs and is ended; one that has read everything may go on without a word' });

const mongodumpSchema = z.strictObject({
  uses: z.literal('mongodump').meta({ description: 'mongodump --archive, and mongorestore --archive --drop' }),
  oplog: z.boolean().default(false).meta({ description: 'true: --oplog and --oplogReplay, for a replica set: of one moment, the dump’s end' }),
  quietFor,
});

const patterns = z.array(z.string().regex(/^[^\0]+$/, 'a pattern of pg_dump, such as app or app.orders_*')).min(1).optional();

const pgDumpSchema = z.strictObject({
  uses: z.literal('pg_dump').meta({ description: 'pg_dump --format=custom of one database, of one moment, its start; and pg_restore --clean into a database that is there already' }),
  contents: z.enum(['all', 'definitions']).default('all').meta({ description: 'definitions: pg_dump --schema-only' }),
  include: z.strictObject({ schemas: patterns, tables: patterns }).default({}).meta({ description: 'these alone, by pg_dump’s own patterns (--schema, --table); one that finds nothing fails the dump; left out: all' }),
  exclude: z.strictObject({ schemas: patterns, tables: patterns, rows: patterns }).default({}).meta({ description: 'not these (--exclude-schema, --exclude-table); rows: the definitions of these tables, and no row (--exclude-table-data)' }),
  quietFor,
});
export type PgDumpConfig = z.output<typeof pgDumpSchema>;

const commandSchema = z.strictObject({
  uses: z.literal('command').meta({ description: 'any program that dumps to standard output, and any that restores from standard input' }),
  dump: programSchema,
  restore: programSchema.meta({ description: 'must replace what it restored before: it starts over whole' }),
  version: z.array(argumentSchema.refine((text) => placeholdersIn(text).length === 0, 'no {{…}} here: a version is asked for at no endpoint')).min(1).optional().meta({ description: 'prints the dump program’s version; left out: unknown' }),
  moment: z
    .enum(['start', 'end'])
    .optional()
    .meta({ description: 'all that the program writes is as it was at its start, or its end; left out: of no one moment' }),
  quietFor,
});

const pgbackrestSchema = z.strictObject({
  uses: z.literal('pgbackrest').meta({ description: 'pgBackRest, which keeps the backup in a repository of its own: Holdfast stores which one it is' }),
  stanza: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a name of a stanza'),
  config: z.string().regex(/^\//, 'an absolute path').optional().meta({ description: 'its configuration on the worker; left out: where pgBackRest itself looks' }),
  type: z.enum(['full', 'diff', 'incr']).default('incr').meta({ description: 'of each backup; the first is full whatever is said' }),
  quietFor,
});
export type PgBackRestConfig = z.output<typeof pgbackrestSchema>;

export const toolSchema = z.discriminatedUnion('uses', [mongodumpSchema, pgDumpSchema, pgbackrestSchema, commandSchema]);
export type ToolConfig = z.output<typeof toolSchema>;
