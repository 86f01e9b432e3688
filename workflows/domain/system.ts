import { contactsSchema, gateRungSchema, type Ladders } from './contacts.ts';
import { z } from 'zod';
import { carriesPassword } from './address.ts';
import { defaultElevationMs } from './elevation.ts';
import { bytesSchema } from './bytes.ts';
import { checkSystem } from './check-system.ts';
import { contentsSchema } from './contents.ts';
import { durationSchema } from './duration.ts';
import { engineKinds, type EngineKind } from './engines.ts';
import { peopleSchema, type People } from './people.ts';
import { maskSchema } from './mask.ts';
import { incidentsSchema, listenSchema, type IncidentsView } from './incident-schema.ts';
import { keySchema } from './keys/schema.ts';
import type { NotifyView } from './notify/notice.ts';
import { notifySchema } from './notify/schema.ts';
import { readinessSchema, type ReadinessView } from './readiness-schema.ts';
import { retentionSchema } from './retention/rules.ts';
import type { CopyMode } from './restore-mode.ts';
import { runbookSchema } from './runbook.ts';
import { scheduleSchema } from './schedules/schema.ts';
import { deployPlaceholders } from './deployment.ts';
import { programOf, programSchema, secretRefSchema, toolSchema } from './tool-source.ts';
import { minutes, seconds, mib, hours } from './units.ts';
import { weakerTlsSchema } from './weaker-tls.ts';

/**
 * The system file (`systems/<name>.yaml`): everything that Holdfast knows of a system, in one place.
 * Strict: a misspelt field is an error. Secrets are references, never values, so the file can be committed.
 */

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes, at most 63 characters');

/** Addresses may vary by environment, so they may be `${ENV}` too; they must not carry a password, nor may what that stands for where a program is given it. */
const addressSchema = z
  .string()
  .min(1)
  .refine((text) => !carriesPassword(text), 'an address without user and password: put those under credentials');

const credentialsSchema = z.strictObject({
  username: z.string().min(1),
  password: secretRefSchema,
  authSource: z.string().default('admin'),
});

const endpointSchema = z.strictObject({
  uri: addressSchema.meta({ description: 'for example mongodb://host:27017/?replicaSet=rs0; without user and password' }),
  credentials: credentialsSchema.optional(),
  tls: z
    .strictObject({ caFile: z.string().optional(), certificateKeyFile: z.string().optional() })
    .optional()
    .meta({ description: 'present = TLS is required' }),
  weakerTls: weakerTlsSchema,
});

const environmentSchema = z.strictObject({
  protection: z
    .enum(['production', 'staging', 'open'])
    .meta({ description: 'what the environment is for; recorded, not enforced yet' }),
  endpoints: z.record(name, endpointSchema).meta({ description: 'one per source, by the source’s name' }),
});

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

const sourceSchema = z
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

const localProvisionerSchema = z.strictObject({
  uses: z.literal('local'),
  directory: z.string().min(1).meta({ description: 'where the standby’s data, configuration and pid file live; ${ENV} allowed' }),
  replicaSet: z.string().default('rs0').meta({ description: 'name of the replica set that the standby becomes' }),
  cache: bytesSchema.optional().meta({ description: 'WiredTiger cache, or shared buffers of PostgreSQL; left out: the server’s own choice, or an eighth of the memory up to 4 GiB' }),
  contents: z.enum(['all', 'definitions']).optional().meta({ description: 'engine postgres: what of a base is restored; definitions: the schema without a row; left out: all' }),
  version: z.number().int().min(14).max(18).optional().meta({ description: 'major version of the PostgreSQL server that is made for a source of the engine postgres; left out: 17' }),
  settings: z.record(z.string().regex(/^[a-z_][a-z0-9_.]*$/, 'a setting such as max_connections'), z.union([z.string().regex(/^[^\n\r]*$/), z.number(), z.boolean()])).optional().meta({ description: 'lines of the postgresql.conf of that server: max_connections, shared_preload_libraries …' }),
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

const standbySchema = z.strictObject({ environment: name, provision: provisionSchema });

const fenceUser = credentialsSchema.optional().meta({ description: 'a user that may close its databases and end their sessions; left out: the endpoint’s' });

const fenceSchema = z.discriminatedUnion('uses', [
  z.strictObject({
    uses: z.literal('local').meta({ description: 'a mongod on the worker’s machine: stepped down, or stopped, and kept from starting as a primary' }),
    directory: z.string().min(1).meta({ description: 'directory of the old primary, with its mongod.conf and pid file; ${ENV} allowed' }),
  }),
  z.strictObject({ uses: z.literal('database').meta({ description: 'the endpoint’s database of a PostgreSQL server is closed to everybody; the server goes on' }), credentials: fenceUser }),
  z.strictObject({ uses: z.literal('databases').meta({ description: 'all databases of a PostgreSQL server are closed to everybody, but template1, which it is commanded from' }), credentials: fenceUser }),
]);

const failbackSchema = z.strictObject({
  provision: provisionSchema.meta({ description: 'how each source’s home is made anew, one per source' }),
  fence: z.record(name, fenceSchema).default({}).meta({ description: 'how the standby is made unable to write once the source leaves it, by source' }),
});

const nginxTrafficSchema = z.strictObject({
  uses: z.literal('nginx'),
  directory: z.string().min(1).meta({ description: 'directory of nginx: admission.conf is written here and nginx reloaded' }),
  url: addressSchema.meta({ description: 'what clients call' }),
  sides: z.record(name, addressSchema).meta({ description: 'environment → address of its application, host:port' }),
  health: z.strictObject({
    path: z.string().default('/health'),
    watch: durationSchema.default(seconds(10)).meta({ description: 'how long the new side must stay healthy' }),
    within: durationSchema.optional().meta({ description: 'how long it may take until it has, before the switch fails; left out: three times the watch, and a minute' }),
  }).refine(({ watch, within }) => within === undefined || within > watch, { path: ['within'], message: 'longer than watch: nothing is healthy for longer than it is looked at' }).prefault({}),
  admission: z.array(z.number().int().min(1).max(100)).min(1).default([10, 50, 100])
    .refine((steps) => steps.at(-1) === 100, 'the last step must be 100')
    .meta({ description: 'percent of requests let through to the new side, step by step; the rest get a maintenance answer' }),
});

const validatorSchema = z.discriminatedUnion('uses', [
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

const deployerSchema = z.discriminatedUnion('uses', [
  z.strictObject({
    uses: z.literal('command').meta({ description: 'programs on the worker; {{version}}, {{environment}} and {{system}} stand for what is deployed, and where' }),
    deploy: programOf(deployPlaceholders).meta({ description: 'deploys {{version}} to {{environment}}, and ends when it serves; must be safe to repeat: it is run again when its worker was lost' }),
    current: programOf(deployPlaceholders.filter((one) => one !== 'version')).optional().meta({ description: 'prints the version that runs in {{environment}}, or nothing; left out: only the records say' }),
  }),
  z.strictObject({
    uses: z.literal('manual').meta({ description: 'a person deploys, and confirms' }),
    instructions: z.string().min(1).max(1_000).optional().meta({ description: 'how, for whoever does it' }),
  }),
]);

/** What `{{…}}` of a team's own program may stand for, beside `file:NAME`. */
const commandPlaceholders = ['system', 'environment', 'run', 'purpose'] as const;
const commandSchema = z.strictObject({
  run: programOf(commandPlaceholders).meta({ description: 'must be safe to repeat: it is run again when its worker was lost' }),
  undo: programOf(commandPlaceholders).optional().meta({ description: 'takes back what run did, all of it or a part; left out: nothing is to be taken back' }),
});

const atLeastAMinute = durationSchema.refine((ms) => ms >= minutes(1), 'a minute at least: each is a timer of the run');

const gateSchema = z.strictObject({
  description: z.string(),
  quorum: z.number().int().min(1).max(5).default(1),
  people: z.array(z.string()).default([]).meta({ description: 'names (or ids) that may answer; empty, and no roles: whoever the permission table lets, anybody where the system names no people' }),
  roles: z.array(z.string()).optional().meta({ description: 'roles of the system’s people that may answer too' }),
  notRequester: z.boolean().default(true).meta({ description: 'who asked for the run cannot approve it' }),
  proof: z.enum(['none', 'totp', 'signature', 'any']).optional().meta({ description: 'what an approval is proved by; none, or left out: names are claimed' }),
  expiresAfter: atLeastAMinute.optional().meta({ description: 'approvals that do not come together in this time lapse, and the gate is asked anew; left out: never' }),
  remindEvery: atLeastAMinute.optional().meta({ description: 'says so again while nobody answers; slows down' }),
  escalate: z.array(gateRungSchema).optional().meta({ description: 'who is called too, and may answer, when the gate has been open for so long' }),
  contacts: name.optional().meta({ description: 'a ladder of contacts: its people are called in their turn while nobody answers' }),
  preApproved: z.strictObject({ purpose: z.literal('drill') }).optional().meta({ description: 'runs of this purpose do not wait here' }),
});

const exchangeSchema = z.strictObject({
  directories: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'directories of the data workers that dumps are imported from and exported to, and no others; ${ENV} allowed; left out: none' }),
});

const monitorSchema = z.strictObject({
  backupAge: z
    .strictObject({ warning: durationSchema, critical: durationSchema })
    .refine(({ warning, critical }) => warning <= critical, { path: ['critical'], message: 'not before warning' })
    .transform(({ warning, critical }) => ({ warningMs: warning, criticalMs: critical }))
    .meta({ description: 'how old the newest base of a source may be before metrics, alerts and reports say so' }),
});

const fields = {
  system: name,
  title: z.string(),
  objectives: z.strictObject({ rto: durationSchema, rpo: durationSchema }),
  environments: z.record(name, environmentSchema),
  sources: z.record(name, sourceSchema),
  stores: z.array(z.discriminatedUnion('kind', [s3StoreSchema, localStoreSchema])).min(1).meta({ description: 'the first is used; others are not written yet' }),
  key: keySchema,
  standby: standbySchema,
  fence: z.record(name, fenceSchema).meta({ description: 'how each source’s old primary is made unable to write; without one it is never proved' }),
  drill: standbySchema.optional().meta({ description: 'where drills are restored to, apart from the standby; left out: to the standby' }),
  failback: failbackSchema.optional().meta({ description: 'the way home for a source that lives on the standby: what a runbook with towards: home restores to, and fences' }),
  traffic: nginxTrafficSchema,
  mask: z.record(name, maskSchema).optional().meta({ description: 'by source: what of its data nobody sees outside of production; applied by steps that use mask; left out: nothing' }),
  validators: z.array(validatorSchema).default([{ id: 'equality', uses: 'equality', effect: 'gate' }]),
  approvals: z.record(name, gateSchema).default({}),
  deployer: deployerSchema.optional().meta({ description: 'how a version of the application is deployed, for steps that use deploy; left out: none can' }),
  commands: z.record(name, commandSchema).optional().meta({ description: 'the team’s own programs, by name, for steps that use command' }),
  runbook: runbookSchema.meta({ description: 'what a recovery does' }),
  runbooks: z.record(name, runbookSchema).optional().meta({ description: 'others, by name: for a component, for failback, to escalate to, or parts that steps use' }),
  site: name.default('main').meta({ description: 'where the workers of this system’s data stand: part of the task queues’ names' }),
  databaseReadyWithin: durationSchema.default(minutes(2)).meta({ description: 'how long a server of the standby may take to start, and to become primary' }),
  people: peopleSchema.default({}).meta({ description: 'who may do what, by id; left out: anybody may do anything, and every name is only claimed' }),
  contacts: contactsSchema.default({}).meta({ description: 'ladders by name: who is called, and when, while nobody answers; named by gates, incidents and alerts' }),
  exchange: exchangeSchema.prefault({}).meta({ description: 'where dumps of other programs come from and go to' }),
  notify: notifySchema.optional().meta({ description: 'who is told what of runs, backups and archives; left out: nobody' }),
  incidents: incidentsSchema.optional().meta({ description: 'how incidents are kept; left out: the usual' }),
  listen: listenSchema.optional().meta({ description: 'which alerts of Alertmanager and PagerDuty open an incident (`holdfast listen`); left out: none' }),
  retention: retentionSchema.optional().meta({ description: 'how long what is in the store is kept; left out: for ever' }),
  disposal: z.strictObject({ approval: z.string().meta({ description: 'a gate under approvals that has to be passed before anything is destroyed' }) }).optional().meta({ description: 'who has to approve that a recovery point is disposed of; left out: nobody' }),
  schedules: z.record(name, scheduleSchema).optional().meta({ description: 'what starts by itself, and when, by name: `holdfast apply` gives them to Temporal; left out: nothing' }),
  monitor: monitorSchema.optional().meta({ description: 'from when on a backup is unusual; left out: warned of after 24 hours, critical after 36' }),
  readiness: readinessSchema.optional().meta({ description: 'how often it is looked whether the system could be recovered; left out: every 5m' }),
  elevatedFor: durationSchema.default(defaultElevationMs).meta({ description: 'how long an elevation holds, from its approval on; behind it who was elevated is refused until they are anew' }),
  watchOldSideFor: durationSchema.default(hours(24 * 7)).meta({ description: 'how long the old primary is watched after a switch' }),
};

const fileSchema = z.strictObject(fields);
/** All fields in order, each by itself. */
export type SystemFields = z.output<typeof fileSchema>;

export const systemSchema = fileSchema.superRefine((system, ctx) => checkSystem(system, (path, message) => ctx.addIssue({ code: 'custom', path, message })));

/** As typed in the file, before defaults. */
export type SystemFile = z.input<typeof systemSchema>;
/** Parsed: durations are milliseconds, sizes are bytes, defaults are filled in. Secrets are still references. */
export type System = z.output<typeof systemSchema>;
export type Source = System['sources'][string];
export type StoreConfig = System['stores'][number];
export type Endpoint = z.output<typeof endpointSchema>;
export type GateConfig = z.output<typeof gateSchema>;
export type DeployerConfig = z.output<typeof deployerSchema>;
export type CommandConfig = z.output<typeof commandSchema>;
export type ValidatorConfig = z.output<typeof validatorSchema>;

/**
 * What a workflow may know of a system: no address, no secret reference. It enters the history, so it is all that a
 * reader of the history learns.
 */
export interface SystemView {
  system: string;
  title: string;
  site: string;
  /** SHA-256 of the file's text, without the overlay: a run goes by this text to its end, whatever becomes of the file */
  digest: string;
  /** why the store has no copy of that text, though one was to be kept; left out: it has, or none was */
  unkept?: string | undefined;
  rtoObjectiveMs: number;
  rpoObjectiveMs: number;
  sources: Record<string, { engine: string; environment: string }>;
  standbyEnvironment: string;
  /** all that the system file names; left out: of a run that began before they were kept */
  environments?: string[] | undefined;
  /** where drills are restored to; left out: `standbyEnvironment` */
  drillEnvironment?: string | undefined;
  /** turned round: the sources live on the standby, and `standbyEnvironment` is their home; left out: as the system file says */
  homeward?: true | undefined;
  /** the run restores the place that the sources live at: `standbyEnvironment` is where they live; left out: a place of its own */
  inPlace?: true | undefined;
  /** the run copies what it chose into the living source, and for a swap lets it take its place; left out: it does not */
  copies?: CopyMode | undefined;
  approvals: Record<string, GateConfig>;
  /** who deploys the application; left out: nobody can */
  deployer?: { uses: 'command' } | { uses: 'manual'; instructions?: string | undefined } | undefined;
  /** the team's own programs; left out: none */
  commands?: Record<string, { undo: boolean }> | undefined;
  /** left out: nobody is named */
  people?: People | undefined;
  runbook: z.output<typeof runbookSchema>;
  /** others, by name; left out: none */
  runbooks?: Record<string, z.output<typeof runbookSchema>> | undefined;
  /** how traffic is let in again; left out: all at once, healthy for 10 s */
  traffic?: { admission: number[]; healthWatchMs: number; healthWithinMs?: number | undefined } | undefined;
  /** how long an elevation holds; left out: 8 hours */
  elevatedForMs?: number | undefined;
  /** how long the old side is watched after a switch; left out: 7 days */
  watchOldSideMs?: number | undefined;
  /** who is told what, by name; left out: nobody */
  notify?: NotifyView | undefined;
  /** ladders of contacts, by name; left out: none */
  ladders?: Ladders | undefined;
  /** left out: the usual */
  incidents?: IncidentsView | undefined;
  /** how many columns of each source are masked; left out: none */
  masks?: Record<string, number> | undefined;
  /** what each environment is for; left out: of a run that began before it was kept */
  protections?: Record<string, 'production' | 'staging' | 'open'> | undefined;
  /** left out: no rules, and everything stays */
  retention?: { waitMs: number; approval?: string | undefined } | undefined;
  /** left out: nobody has to approve a disposal */
  disposal?: { approval: string } | undefined;
  /** what each schedule starts, by its id; left out: none */
  schedules?: Record<string, { workflow: string; act: string }> | undefined;
  /** left out: it began before there was one */
  readiness?: ReadinessView | undefined;
  /** left out: one validator, "equality". A validator without `source` runs for every source */
  validators?: { id: string; source?: string | undefined }[] | undefined;
}
