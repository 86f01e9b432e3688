import { z } from 'zod';
import { incidentStatuses } from './incident.ts';
import { severitySchema } from './messages.ts';
import { hours, minutes, parseDurationMs } from './units.ts';

/** What people tell an incident, by signal or by update, as they do a run. */

const text = (what: string, length = 500): z.ZodString => z.string(what).trim().min(1, what).max(length, `at most ${length} characters`);
const by = text('your name', 100).optional();
const run = z.string('a run’s id, such as r1').regex(/^r\d{1,3}$/, 'a run’s id as the incident shows it, such as r1');
const step = z.string('the id of a step').regex(/^[a-z][a-z0-9-]{0,62}$/, 'the id of a step');

const nextUpdate = z
  .string('a duration such as 30m')
  .transform((typed) => parseDurationMs(typed) ?? 0)
  .refine((ms) => ms >= minutes(1) && ms <= hours(168), 'a duration from 1m to 168h, such as 30m');

const lines = z.array(text('some text')).max(20, 'at most 20').default([]);

export const incidentMessageSchemas = {
  update: z
    .strictObject({
      status: z.enum(incidentStatuses.slice(0, 3) as ['investigating', 'identified', 'monitoring'], 'investigating, identified or monitoring; resolved is a message of its own').optional(),
      severity: severitySchema.optional(),
      impact: text('what people cannot do', 300).optional(),
      text: text('what is new').optional(),
      outside: text('what people outside are told, word by word').optional(),
      nextUpdate: nextUpdate.optional(),
      by,
    })
    .refine(({ by: _by, ...said }) => Object.keys(said).length > 0, { path: ['text'], message: 'at least one of status, severity, impact, text, outside, nextUpdate' }),
  assign: z.strictObject({ step, to: text('who answers for it', 100), role: text('as people are to read it', 80).optional(), by }),
  start: z.strictObject({ run: run.optional(), runbook: step.optional(), targetTime: z.iso.datetime({ offset: true, error: 'a time with its zone, such as 2026-11-21T03:00:05Z' }).optional(), reason: text('why it is started').optional(), by }),
  dismiss: z.strictObject({ run: run.optional(), reason: text('why it is not wanted'), by }),
  resolve: z.strictObject({ text: text('how it ended'), outside: text('what people outside are told, word by word').optional(), force: z.boolean('true or false').default(false), by }),
  review: z.strictObject({ cause: text('what it came from', 2_000), lessons: lines, actions: lines, by }),
} as const;

export type IncidentMessageName = keyof typeof incidentMessageSchemas;
export const incidentMessageNames = Object.keys(incidentMessageSchemas) as IncidentMessageName[];
export type IncidentMessage<N extends IncidentMessageName = IncidentMessageName> = z.output<(typeof incidentMessageSchemas)[N]>;

export const incidentMessageDescriptions: Record<IncidentMessageName, string> = {
  update: 'Say how it stands; the next update is due anew; what "outside" says goes to people outside as it is. Example: {"status": "identified", "text": "the disk of the primary is lost", "impact": "nobody can save", "severity": "P1", "nextUpdate": "30m", "by": "dana"}',
  assign: 'Say who answers for a step in this incident. Example: {"step": "restore", "to": "erik", "role": "Database Admin", "by": "dana"}',
  start: 'Start a recovery for this incident: the one that is proposed, or another runbook. Its RTO clock is the incident’s. Example: {"run": "r1", "by": "dana"} or {"runbook": "full", "reason": "the cache is not all", "by": "dana"}',
  dismiss: 'Say that a proposed run is not wanted. Example: {"run": "r1", "reason": "a false alarm", "by": "dana"}',
  resolve: 'Say that it is over; refused while a run goes on, unless "force": true. Example: {"text": "traffic is on the standby", "by": "dana"}',
  review: 'Close it with what was learnt. Example: {"cause": "a worn disk", "lessons": ["the alert came late"], "actions": ["two disks"], "by": "dana"}',
};
