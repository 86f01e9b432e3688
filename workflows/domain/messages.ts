import { z } from 'zod';
import { parseTypedLogPosition } from './log-position.ts';
import { hours, minutes, parseDurationMs } from './units.ts';

/**
 * What people tell a running run, by signal (fire and forget: the Temporal UI, `temporal workflow signal`) or by update (answered:
 * accepted or refused with the reason). Both have the same name and take the same object. No field but a skip's reason is needed while exactly
 * one thing waits for an answer. Names are public: the CLI and people's scripts use them.
 */

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'a name as the run’s details show it: lower-case letters, digits and dashes');
const by = z.string().trim().min(1, 'your name').max(100, 'at most 100 characters').optional();
const reason = z.string().trim().min(1, 'some text').max(500, 'at most 500 characters').optional();

const code = z.string('six digits in quotes').regex(/^\d{6}$/, 'six digits, as your authenticator shows them').optional();
const signature = z
  .strictObject({ at: z.iso.datetime(), nonce: z.string().regex(/^[0-9a-f]{32}$/), value: z.string().max(200) }, 'as `holdfast approve --sign` makes it')
  .optional();
const oneProof = { path: ['signature'], message: 'either a code or a signature' };
const atMostOne = (given: { code?: unknown; signature?: unknown }): boolean => given.code === undefined || given.signature === undefined;

const decision = z.strictObject({ gate: name.optional(), by, reason, code, signature }).refine(atMostOne, oneProof);

const longestDelegationMs = hours(24);
const forHowLong = z
  .string('a duration such as 30m or 4h')
  .transform((text) => parseDurationMs(text) ?? 0)
  .refine((ms) => ms >= minutes(1) && ms <= longestDelegationMs, 'a duration from 1m to 24h, such as 4h')
  .optional();
const why = (what: string): z.ZodString => z.string(what).trim().min(1, what).max(500, 'at most 500 characters');

/** P1: nothing works; P2: a main function does not; P3: something is worse than it should be; P4: nobody is hurt. */
export const severities = ['P1', 'P2', 'P3', 'P4'] as const;
export type Severity = (typeof severities)[number];
export const severitySchema = z.enum(severities, 'P1, P2, P3 or P4');

const budget = z
  .string('a duration such as 90s, 5m or 1h30m')
  .refine((text) => (parseDurationMs(text) ?? 0) > 0, 'a duration such as 90s, 5m or 1h30m')
  .transform((text) => parseDurationMs(text)!);

const oneChoice = 'exactly one of targetTime, targetPosition, point, latest and older';
const choice = z
  .strictObject({
    targetTime: z.iso.datetime({ offset: true, error: 'a time with its zone, such as 2026-11-21T03:00:05Z' }).transform((at) => new Date(at).toISOString()).optional(),
    targetPosition: z
      .string()
      .refine((typed) => parseTypedLogPosition(typed) !== undefined, 'a log position: seconds and ordinal, such as 1763717205-7')
      .transform((typed) => parseTypedLogPosition(typed)!)
      .optional(),
    point: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, 'the id of a base or of an import').optional(),
    latest: z.literal(true, 'true').optional(),
    older: z.literal(true, 'true').optional(),
    by,
    reason: why('why another recovery point is taken'),
  })
  .refine(({ by: _by, reason: _reason, ...chosen }) => Object.values(chosen).filter((given) => given !== undefined).length === 1, { path: ['targetTime'], message: oneChoice });

export const messageSchemas = {
  approve: decision,
  reject: decision,
  retry: z
    .strictObject({ step: name.optional(), file: z.string().regex(/^[0-9a-f]{64}$/, 'the SHA-256 of the system file, 64 hex digits, as sha256sum prints it').optional(), by, reason })
    .refine(({ file, reason: given }) => file === undefined || given !== undefined, { path: ['reason'], message: 'why the run goes on by another system file' }),
  skip: z.strictObject({ step: name.optional(), by, reason: z.string('why it may be left out').trim().min(1, 'why it may be left out').max(500, 'at most 500 characters') }),
  abort: z.strictObject({ by, reason }),
  delegate: z
    .strictObject({ gate: name.optional(), to: z.string('to whom').trim().min(1, 'to whom').max(100, 'at most 100 characters'), for: forHowLong, by, reason, code, signature })
    .refine(atMostOne, oneProof),
  hold: z.strictObject({ by, reason }),
  resume: z.strictObject({ by, reason }),
  comment: z.strictObject({ by, text: why('what is to be remembered') }),
  extend: z.strictObject({ step: name.optional(), budget, by, reason: why('why it may take longer') }).transform(({ budget: budgetMs, ...rest }) => ({ ...rest, budgetMs })),
  severity: z.strictObject({ severity: severitySchema, by, reason }),
  choose: choice,
  escalate: z.strictObject({ runbook: name, by, reason: why('why this runbook is not enough') }),
  confirm: z.strictObject({ step: name.optional(), item: name.optional(), by, reason }),
} as const;

export type MessageName = keyof typeof messageSchemas;
export const messageNames = Object.keys(messageSchemas) as MessageName[];
export type Message<N extends MessageName = MessageName> = z.output<(typeof messageSchemas)[N]>;

/** One line each, with a JSON that works: shown by the Temporal UI beside the name. */
export const messageDescriptions: Record<MessageName, string> = {
  approve: 'Approve the gate that waits. Input may be empty while one gate is open that takes one approval, by anybody; where the gate asks for a proof, also "code": "123456". Example: {"gate": "approve-switch", "by": "dana", "reason": "checked the counts"}',
  reject: 'Reject the gate that waits: a run pauses, a retention or a disposal ends. Example: {"gate": "approve-switch", "by": "dana", "reason": "wrong target time"}',
  retry: 'Try the failed step (or failed undo) again. Input may be empty while one step has failed. A run goes by the system file that it began with; to go on by a changed one, also "file", its sha256sum, and a reason. Example: {"step": "restore", "by": "dana"}',
  skip: 'Go on without the failed step; the reason is kept in the report. Example: {"step": "drain", "by": "dana", "reason": "the old disk is gone"}',
  delegate: 'Hand your right to answer a gate to another person of the system, for a time (an hour when left out). Example: {"gate": "approve-switch", "to": "fay", "for": "4h", "by": "dana"}',
  abort: 'Stop the run and undo what it did, in reverse order. Example: {"by": "dana", "reason": "the primary came back"}',
  hold: 'Start no new step until resume; what runs goes on. Input may be empty. Example: {"by": "dana", "reason": "the vendor looks at the disk"}',
  resume: 'Start steps again after hold. Input may be empty. Example: {"by": "dana"}',
  comment: 'Write a line into the journal and the report. Example: {"by": "dana", "text": "the vendor says that the disk is lost"}',
  extend: 'Give a step a larger budget, in all, and as much more of its timeout. Example: {"step": "restore", "budget": "25m", "by": "dana", "reason": "the network is slow"}',
  severity: 'Say how severe it is: P1 to P4. Example: {"severity": "P1", "by": "dana", "reason": "the second site is gone too"}',
  choose: 'Take another recovery point: what runs of the restore is stopped, the target is made anew, and approvals are asked for again. One of targetTime, targetPosition, point, latest, older (true: the same moment by an older base). Example: {"targetTime": "2026-11-21T03:00:05Z", "by": "dana", "reason": "corrupt since 03:01"}',
  escalate: 'Undo what this runbook did, and run another of the system file in its place; the clock goes on. Example: {"runbook": "full", "by": "dana", "reason": "the cache is not all that is broken"}',
  confirm: 'Say that an item of a checklist is done. Input may be empty while one item waits. Example: {"step": "rotate-secrets", "item": "database", "by": "dana"}',
};

/** Signals of the archive, which runs until it is told otherwise. */
export const archiveSignals = {
  stop: { name: 'stop', description: 'Close the slice that is open, then end. Example: {"by": "dana", "reason": "the source is moved"}' },
  moved: { name: 'moved', description: 'The source lives elsewhere now: begin again there. Sent by a recovery; no input.' },
} as const;

/**
 * From the workers to the workflow whose activities they run: how far these are. For the details that the UI shows;
 * `holdfast status` reads the heartbeats themselves.
 */
export const progressSignal = { name: 'progress', description: 'Sent by the workers: how far the activities are that run now. Nothing for people to send.' } as const;

const amount = z.number().nonnegative();
const toldSchema = z.object({
  at: z.string(),
  activities: z
    .array(
      z.object({
        activity: z.string().max(100),
        source: z.string().max(100).optional(),
        phase: z.string().max(500),
        done: amount,
        of: amount,
        unit: z.enum(['bytes', 'entries', 'documents', 'objects', 'answers', 'ms']),
        percent: amount.nullable(),
        perSecond: amount.nullable(),
        leftMs: amount.nullable(),
        log: z.object({ doneSeconds: amount, ofSeconds: amount, leftSeconds: amount }).nullable(),
        whole: z.object({ percent: amount, leftMs: amount.nullable() }).optional(),
      }),
    )
    .max(200),
});

export type ToldProgress = z.output<typeof toldSchema>;

/** What a worker told; undefined for whatever else was sent under this name: progress is no reason to fail. */
export const parseProgress = (sent: unknown): ToldProgress | undefined => toldSchema.safeParse(sent).data;

export const queryNames = { state: 'state', help: 'help', journal: 'journal' } as const;

/** The name of whoever sent a message without one: the Temporal UI tells us nobody's. */
export const anonymous = 'somebody (Temporal UI)';
