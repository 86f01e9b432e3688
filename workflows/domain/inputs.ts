import { z } from 'zod';
import { alertSchema } from './alert.ts';
import { onlySchema } from './chosen-namespaces.ts';
import { versionSchema } from './deployment.ts';
import { describeIssues } from './describe-issues.ts';
import { HoldfastError } from './errors.ts';
import { markPattern } from './recovery-point.ts';
import { parseTypedLogPosition } from './log-position.ts';
import { recoveryClaimSchema } from './keys/records.ts';
import { severitySchema } from './messages.ts';
import { periodNames } from './period-report.ts';
import { markStates } from './point-mark.ts';
import { rotationFields } from './schedules/rotation.ts';
import { restoreModeSchema } from './restore-mode.ts';
import { durationSchema } from './duration.ts';
import { surpriseSchema } from './surprise.ts';

/**
 * What a person types to start a workflow: one JSON object, every field but `system` optional, or the bare name of a
 * system. Strict, so that a misspelt field is an error at once and not a default that nobody asked for.
 */

const system = z
  .string('the name of a system, as in systems/<name>.yaml')
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of a system, as in systems/<name>.yaml: lower-case letters, digits and dashes');
const source = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of a source, as under sources in the system’s file')
  .optional();
const text = z.string().min(1, 'some text').max(500, 'at most 500 characters').optional();

const name = z.string('a name').regex(/^[a-z][a-z0-9-]{0,62}$/, 'the name of a runbook, as under runbooks in the system’s file');
const environment = z.string('a name').regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of an environment, as under environments in the system’s file');

const id = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, 'the id of a base or of an import, as listRecoveryPoints lists them');
/** Which of them a worker reads or writes is up to the system file. */
const path = z.string('a path on the data worker').regex(/^\/[^\0]{1,1000}$/, 'a whole path on the data worker, such as /exchange/shop.archive');

const instant = z.iso
  .datetime({ offset: true, error: 'a time with its zone, such as 2026-11-21T03:00:05Z' })
  .transform((at) => new Date(at).toISOString())
  .optional();

const position = z
  .string()
  .refine((typed) => parseTypedLogPosition(typed) !== undefined, 'a log position: seconds and ordinal, such as 1763717205-7')
  .transform((typed) => parseTypedLogPosition(typed)!)
  .optional();

const target = {
  targetTime: instant.meta({ description: 'recover to this second, included whole; left out: the latest' }),
  targetPosition: position.meta({ description: 'recover to before this log position' }),
  point: z.union([id, z.string().regex(markPattern)], 'the id of a base or of an import, as listRecoveryPoints lists them; of PostgreSQL also lsn:0/3000060 or named:NAME').optional().meta({ description: 'a base or an import by its id: as it was at its own end; of PostgreSQL as files also lsn:0/3000060, or named:NAME, a restore point' }),
  timeline: z.string().regex(/^t\d{8}$/, 'a timeline such as t00000001, as listRecoveryPoints lists them').optional().meta({ description: 'on this timeline, also behind the moment that a later one left it at: its end, or targetTime or targetPosition of it' }),
};
const orBefore = z.boolean('true or false').optional().meta({ description: 'true: where no log reaches the moment that was asked for, the newest recovery point before it; left out: that is refused, with the points on either side' });
const beforeWhat = { path: ['orBefore'], message: 'before what: give targetTime or targetPosition' };
const hasBefore = ({ orBefore: asked, targetTime, targetPosition }: { orBefore?: boolean | undefined; targetTime?: string | undefined; targetPosition?: string | undefined }): boolean => !asked || (targetTime ?? targetPosition) !== undefined;
const only = onlySchema.optional().meta({ description: 'a partial restore of these namespaces, for taking data out: ["shop.orders", "shop.*"]; no traffic is moved' });
const oneTarget = { path: ['targetPosition'], message: 'either targetTime or targetPosition or point, one at most, and no timeline beside a point' };
const notBoth = (input: { targetTime?: string | undefined; targetPosition?: string | undefined; point?: string | undefined; timeline?: string | undefined }): boolean =>
  [input.targetTime, input.targetPosition, input.point].filter((given) => given !== undefined).length <= 1 && !(input.point !== undefined && input.timeline !== undefined);

export const recoverSystemInput = z
  .strictObject({
    system,
    ...target,
    only,
    incidentAt: instant.meta({ description: 'when service was lost: the RTO clock starts here; left out: now' }),
    requestedBy: text,
    reason: text,
    purpose: z.enum(['recovery', 'drill'], '"recovery" or "drill"').default('recovery'),
    incident: z.string().regex(/^(open|[0-9A-HJKMNP-TV-Z]{26})$/, 'the id of an incident that is open, or "open" for the one that is').optional().meta({ description: 'the incident that it belongs to: its RTO clock and severity are the incident’s' }),
    runbook: name.optional().meta({ description: 'one of the system file’s runbooks by its name; left out: its runbook' }),
    mode: restoreModeSchema.optional().meta({ description: 'in-place: the runbook of the system file that restores where the source lives; beside, swap: the one that copies what only chooses (of an engine that copies whole databases: those) into the living source; rows: the one that puts rows of what only chooses back into it; new, or left out: to a place of its own' }),
    severity: severitySchema.optional().meta({ description: 'how severe it is, P1 to P4; the signal severity changes it' }),
    dryRun: z.boolean('true or false').optional().meta({ description: 'true: all checks and no acts; touches nothing, waits for nobody, answers what would fail' }),
    version: versionSchema.optional().meta({ description: 'the application’s version that steps which use deploy deploy; left out: the one that ran at the recovery point' }),
    ifRunning: z.enum(['fail', 'skip'], '"fail" or "skip"').optional().meta({ description: 'when a run of the system goes on already: fail at once, or answer that it was skipped; left out: fail' }),
    takeOver: z.boolean('true or false').default(false).meta({ description: 'take the command from another control plane' }),
    unattended: z.boolean('true or false').optional().meta({ description: 'of a drill: a step that fails ends it, and it is undone, as nobody is there to answer; left out: it waits for people' }),
    orBefore,
    ago: durationSchema.optional().meta({ description: 'of a drill: a moment so long before its start, such as 30d, or the newest recovery point before that' }),
    surprise: surpriseSchema.optional().meta({ description: 'of a drill: it begins at some moment within this time, which nobody knows before' }),
  })
  .refine(notBoth, oneTarget)
  .refine(({ purpose, unattended }) => !unattended || purpose === 'drill', { path: ['unattended'], message: 'only for a drill: a recovery is never given up by itself' })
  .refine(({ purpose, surprise, dryRun }) => surprise === undefined || (purpose === 'drill' && !dryRun), { path: ['surprise'], message: 'only for a drill' })
  .refine(hasBefore, beforeWhat)
  .refine(({ ago, purpose, targetTime, targetPosition, point, timeline }) => ago === undefined || (purpose === 'drill' && (targetTime ?? targetPosition ?? point ?? timeline) === undefined), { path: ['ago'], message: 'only for a drill, and instead of targetTime, targetPosition, point and timeline' })
  .refine(({ incident, incidentAt }) => incident === undefined || incidentAt === undefined, { path: ['incidentAt'], message: 'none beside an incident: the clock is the incident’s' })
  .refine(({ incident, purpose, only, dryRun }) => incident === undefined || (purpose === 'recovery' && only === undefined && !dryRun), { path: ['incident'], message: 'none for a drill, a partial restore or a dry run: they have no RTO' });
export type RecoverSystemInput = z.output<typeof recoverSystemInput>;

export const backUpSystemInput = z.strictObject({
  system,
  source: source.meta({ description: 'left out: every source of the system' }),
  incremental: z.boolean().optional().meta({ description: 'true: only what changed since the newest base, of sources whose engine can; left out: a full one' }),
  why: text.meta({ description: 'a label that the manifest keeps' }),
  requestedBy: text,
  ifRunning: z
    .enum(['fail', 'wait', 'skip'], '"fail", "wait" or "skip"')
    .default('fail')
    .meta({ description: 'when a backup of the system runs already: fail at once, wait for it and then start, or answer that it was skipped' }),
});
export type BackUpSystemInput = z.output<typeof backUpSystemInput>;

export const archiveLogInput = z.strictObject({ system, source: source.meta({ description: 'may be left out when the system has only one' }), requestedBy: text });

export const verifySystemInput = z
  .strictObject({
    system,
    source,
    backup: text.meta({ description: 'a backup’s id; left out: the newest of each source' }),
    scope: z
      .enum(['newest', 'log', 'sample', 'all', 'keys'], '"newest", "log", "sample", "all" or "keys"')
      .default('newest')
      .meta({ description: 'newest: every byte of the newest base and its log; log: only the log since that base, which must be no later than the RPO; sample: the share of all that is kept that was read longest ago; all: every byte of all that is kept; keys: that every kept key is wrapped for everybody, and opens' }),
    ...rotationFields,
    requestedBy: text,
  })
  .refine((input) => !input.backup || input.source, { path: ['source'], message: 'a backup belongs to one source: name it' })
  .refine((input) => !input.backup || input.scope === 'newest', { path: ['backup'], message: 'one backup is verified by scope newest' })
  .refine((input) => input.scope === 'sample' || (input.shares ?? input.within) === undefined, { path: ['shares'], message: 'shares and within are of scope sample' });
export type VerifySystemInput = z.output<typeof verifySystemInput>;

/** What a workflow answers must stay under two MiB: a page of this length does, whatever stands in it. */
const limit = z.int('a whole number from 1 to 500').min(1, 'a whole number from 1 to 500').max(500, 'a whole number from 1 to 500').default(50);
const everySource = source.meta({ description: 'left out: every source of the system' });

export const listRecoveryPointsInput = z
  .strictObject({
    system,
    source: everySource,
    limit: limit.meta({ description: 'the newest so many, of each source' }),
    after: text.meta({ description: 'only those after this base, in the order of the list: the "next" of the page before' }),
    since: instant.meta({ description: 'only bases that were made since' }),
    requestedBy: text,
  })
  .refine((input) => !input.after || input.source, { path: ['source'], message: 'a base belongs to one source: name it' });

export const planRecoveryInput = z.strictObject({ system, ...target, orBefore, only, requestedBy: text, version: versionSchema.optional().meta({ description: 'as for recoverSystem' }), runbook: name.optional().meta({ description: 'left out: the system file’s runbook' }), mode: restoreModeSchema.optional() }).refine(notBoth, oneTarget).refine(hasBefore, beforeWhat);

export const readArchiveStatusInput = z.strictObject({ system, source: everySource, requestedBy: text });

export const rebuildCatalogInput = z.strictObject({ system, source: everySource, limit: limit.meta({ description: 'the newest so many of each list' }), requestedBy: text });

export const readAuditInput = z.strictObject({
  system,
  by: text.meta({ description: 'only what this person asked for, as they gave their name' }),
  act: text.meta({ description: 'only this act of the permission table, such as export' }),
  since: instant.meta({ description: 'only what was asked for since' }),
  limit: limit.meta({ description: 'the newest so many' }),
  requestedBy: text,
});

export const sealAuditInput = z.strictObject({ system, requestedBy: text });

const oneSource = source.meta({ description: 'may be left out when the system has only one' });

export const importDumpInput = z.strictObject({
  system,
  source: oneSource,
  path: path.meta({ description: 'the folder or archive that mongodump wrote, under one of the system’s exchange.directories' }),
  why: text.meta({ description: 'a label that the manifest keeps' }),
  requestedBy: text,
});

export const exportRecoveryPointInput = z
  .strictObject({
    system,
    source: oneSource,
    ...target,
    as: z.enum(['archive', 'folder'], '"archive" or "folder"').default('archive'),
    gzip: z.boolean('true or false').default(false),
    path: path.meta({ description: 'where the archive or folder is to be, under one of the system’s exchange.directories; nothing may be there' }),
    requestedBy: text,
  })
  .refine(notBoth, oneTarget);

export const openIncidentInput = z.strictObject({
  system,
  summary: text.meta({ description: 'what is wrong, a line; left out: what the alert says' }),
  severity: severitySchema.optional(),
  impact: z.string().min(1, 'what people cannot do').max(300, 'at most 300 characters').optional(),
  startedAt: instant.meta({ description: 'when service was lost: the RTO clock of its recoveries starts here; left out: now, or when the alert began' }),
  requestedBy: text,
  alert: alertSchema.optional().meta({ description: 'sent by holdfast listen' }),
});
export type OpenIncidentInput = z.output<typeof openIncidentInput>;

export const recordDeploymentInput = z.strictObject({
  system,
  version: versionSchema,
  environment: environment.optional().meta({ description: 'where it runs; left out: where the system lives now' }),
  at: instant.meta({ description: 'since when it runs, when that was earlier than now' }),
  why: text.meta({ description: 'a label that the record keeps' }),
  requestedBy: text,
});

export const markPointInput = z.strictObject({
  system,
  source: oneSource,
  point: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'the id of a base or of an import, as listRecoveryPoints lists them').meta({ description: 'the id of a base or an import; of a slice <timeline>.<from>_<to>' }),
  state: z.enum(markStates, '"suspect", "bad", "hold" or "good"').meta({ description: 'suspect, bad: given to nobody who does not name it; hold: retention never takes it; good: takes back both' }),
  reason: z.string('some text').min(1, 'some text').max(500, 'at most 500 characters'),
  requestedBy: text,
});

export const applyRetentionInput = z.strictObject({
  system,
  source: everySource,
  apply: z.boolean('true or false').default(false).meta({ description: 'true: what goes is gone, after the wait and the approval of the system file; left out: only said' }),
  limit: limit.meta({ description: 'so many verdicts of each source are in the answer, the newest' }),
  requestedBy: text,
});

export const disposePointInput = z.strictObject({
  system,
  source: oneSource,
  point: id.meta({ description: 'the id of a base or of an import' }),
  reason: z.string('some text').min(1, 'some text').max(500, 'at most 500 characters').meta({ description: 'why; it stays with the certificate' }),
  evenTheLast: z.boolean('true or false').default(false).meta({ description: 'true: also where "the latest", what a run last proved, or moments of the log’s window are restored from it alone' }),
  dryRun: z.boolean('true or false').optional().meta({ description: 'true: says what would be destroyed and what stands against it, and touches nothing' }),
  requestedBy: text,
});
export type DisposePointInput = z.output<typeof disposePointInput>;

export const disposeAllInput = z.strictObject({
  system,
  source: everySource,
  reason: z.string('some text').min(1, 'some text').max(400, 'at most 400 characters').meta({ description: 'why; it stays with each certificate' }),
  expected: z.string().regex(/^[0-9a-f]{64}$/, 'the digest of a list, 64 hex digits').optional().meta({ description: 'the list that was looked at, which a dry run shows: if there is another by now, nothing goes' }),
  dryRun: z.boolean('true or false').optional().meta({ description: 'true: lists what would be destroyed and what stands against it, and touches nothing' }),
  requestedBy: text,
});
export type DisposeAllInput = z.output<typeof disposeAllInput>;

export const rotateKeysInput = z.strictObject({
  system,
  source: everySource,
  reason: z.string('some text').min(1, 'some text').max(500, 'at most 500 characters').meta({ description: 'why; it stays with the record' }),
  dryRun: z.boolean('true or false').optional().meta({ description: 'true: says how many wrappings are missing, and puts none' }),
  requestedBy: text,
}).refine(({ source: one, dryRun }) => one === undefined || dryRun === true, { path: ['source'], message: 'only of a dry run: a key is retired for the whole system' });

export const recordRecoveryProofInput = z.strictObject({
  system,
  proofs: z.array(recoveryClaimSchema.omit({ system: true }).extend({ mac: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits') })).min(1).max(100).meta({ description: 'what holdfast key prove-recovery opened, a source each' }),
  requestedBy: text,
});

export const applySystemInput = z.strictObject({
  system,
  dryRun: z.boolean('true or false').optional().meta({ description: 'true: says what would be done, and does nothing' }),
  resume: z.boolean('true or false').optional().meta({ description: 'true: schedules that people or failures paused go on, too' }),
  withoutFile: z.boolean('true or false').optional().meta({ description: 'true: the system’s file is gone, or cannot be read: what its schedules start would fail, so they are paused, and none is deleted' }),
  expected: z.string().regex(/^[0-9a-f]{64}$/, 'the digest of a plan, 64 hex digits').optional().meta({ description: 'the plan that was agreed to: if the worker’s file asks for something else, nothing is done' }),
  requestedBy: text,
});

export const reportSystemInput = z.strictObject({
  system,
  period: z.enum(periodNames, '"day" or "week"').default('day').meta({ description: 'how much of the time before `until` it is of' }),
  until: instant.meta({ description: 'its end; left out: now, or the moment that its schedule was due at' }),
  requestedBy: text,
});

export const listDrillsInput = z.strictObject({
  system,
  limit: z.int('a whole number from 1 to 200').min(1, 'a whole number from 1 to 200').max(200, 'a whole number from 1 to 200').default(50).meta({ description: 'the newest so many runs' }),
  requestedBy: text,
});

/** An input that works, for each workflow that a person starts: shown with every refusal. */
export const inputExamples = {
  recoverSystem: '{"system": "demo", "targetTime": "2026-11-21T03:00:05Z", "requestedBy": "dana", "reason": "disk lost"}',
  backUpSystem: '{"system": "demo", "why": "before the upgrade", "requestedBy": "dana"}',
  archiveLog: '{"system": "demo", "source": "documents"}',
  verifySystem: '{"system": "demo"}',
  listRecoveryPoints: '{"system": "demo", "limit": 50}',
  planRecovery: '{"system": "demo", "targetTime": "2026-11-21T03:00:05Z"}',
  readArchiveStatus: '{"system": "demo"}',
  rebuildCatalog: '{"system": "demo"}',
  listDrills: '{"system": "demo"}',
  readAudit: '{"system": "demo", "act": "export", "since": "2026-11-21T00:00:00Z"}',
  sealAudit: '{"system": "demo"}',
  importDump: '{"system": "demo", "path": "/exchange/shop.archive.gz", "requestedBy": "dana"}',
  openIncident: '{"system": "demo", "summary": "documents cannot be saved", "severity": "P1", "requestedBy": "dana"}',
  applyRetention: '{"system": "demo"}',
  markPoint: '{"system": "demo", "point": "01KAJ6S0Z5M6W2T8Q4V1X9C3RB", "state": "suspect", "reason": "orders of that night look wrong", "requestedBy": "dana"}',
  disposeAll: '{"system": "demo", "source": "documents", "reason": "the system is given up", "dryRun": true, "requestedBy": "dana"}',
  disposePoint: '{"system": "demo", "point": "01KAJ6S0Z5M6W2T8Q4V1X9C3RB", "reason": "an erasure that a court ordered", "requestedBy": "dana"}',
  rotateKeys: '{"system": "demo", "reason": "the quarter is over", "requestedBy": "dana"}',
  recordRecoveryProof: '{"system": "demo", "proofs": [{"source": "documents", "timeline": "t00000001", "backup": "01KAJ6S0Z5M6W2T8Q4V1X9C3RB", "recipient": {"kind": "age", "id": "paper"}, "key": "k0123456789abcdef01234567", "archiveKey": null, "part": null, "plainSha256": null, "mac": "0000000000000000000000000000000000000000000000000000000000000000"}], "requestedBy": "dana"}',
  recordDeployment: '{"system": "demo", "version": "2.4.1", "requestedBy": "dana"}',
  applySystem: '{"system": "demo", "dryRun": true, "requestedBy": "dana"}',
  reportSystem: '{"system": "demo", "period": "week", "requestedBy": "dana"}',
  exportRecoveryPoint: '{"system": "demo", "as": "archive", "gzip": true, "path": "/exchange/shop.archive.gz"}',
} as const;
export type EntryWorkflow = keyof typeof inputExamples;

/**
 * Parses what a person typed.
 * @throws BadInput - names the field, what stood there and what was expected, with an example.
 */
export function parseInput<T>(workflow: EntryWorkflow, schema: z.ZodType<T>, typed: unknown): T {
  const example = `for example ${inputExamples[workflow]}`;
  if (typed === undefined || typed === null) throw new HoldfastError('BadInput', `${workflow}: no input.`, { hint: example });
  const value = typeof typed === 'string' ? { system: typed } : typed;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HoldfastError('BadInput', `${workflow}: ${describeIssues(parsed.error, value)}.`, { hint: example });
}
