import { z } from 'zod';
import { addressSchema } from './address.ts';
import { checkSystem } from './check-system.ts';
import { contactsSchema, gateRungSchema } from './contacts.ts';
import { deployPlaceholders } from './deployment.ts';
import { durationSchema } from './duration.ts';
import { defaultElevationMs } from './elevation.ts';
import { incidentsSchema, listenSchema } from './incident-schema.ts';
import { keySchema } from './keys/schema.ts';
import { maskSchema } from './mask.ts';
import { nameSchema as name } from './name-schema.ts';
import { notifySchema } from './notify/schema.ts';
import { peopleSchema } from './people.ts';
import { environmentSchema, failbackSchema, fenceSchema, standbySchema, type endpointSchema } from './place-schema.ts';
import { readinessSchema } from './readiness-schema.ts';
import { retentionSchema } from './retention/rules.ts';
import { runbookSchema } from './runbook.ts';
import { scheduleSchema } from './schedules/schema.ts';
import { sourceSchema } from './source-schema.ts';
import { storeSchema } from './store-schema.ts';
import { programOf } from './tool-source.ts';
import { hours, minutes, seconds } from './units.ts';
import { validatorSchema } from './validator-schema.ts';

/**
 * The system file (`systems/<name>.yaml`): everything that Holdfast knows of a system, in one place.
 * Strict: a misspelt field is an error. Secrets are references, never values, so the file can be committed.
 */

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
  stores: z.array(storeSchema).min(1).meta({ description: 'the first is used; others are not written yet' }),
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
export type ValidatorConfig = z.output<typeof validatorSchema>;
