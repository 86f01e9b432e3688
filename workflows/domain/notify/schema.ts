import { z } from 'zod';
import { carriesPassword } from '../address.ts';
import { nameSchema as name } from '../name-schema.ts';
import { secretRefSchema } from '../tool-source.ts';
import { minutes, parseDurationMs } from '../units.ts';
import { weakerTlsSchema as weakerTls } from '../weaker-tls.ts';
import { audiences, noticePhaseNames, externalTemplates, internalTemplates, internalWords, noticeLimits, noticePhases, placeholders, type NoticePhase, type NotifyView } from './notice.ts';

/** The `notify` block of a system file: who is told what. Left out: nobody. Secrets are references, as everywhere. */


const duration = z
  .string()
  .refine((text) => (parseDurationMs(text) ?? 0) >= minutes(1), 'a duration of at least 1m')
  .transform((text) => parseDurationMs(text)!);

const address = z.string().min(1).refine((text) => !carriesPassword(text), 'an address without user and password');
const mail = z.string().regex(/^[^\s@<>]+@[^\s@<>]+$/, 'an e-mail address');
const caFile = z.string().min(1).optional().meta({ description: 'certificates (PEM) that the receiver’s is believed by, beside the usual ones; ${ENV} allowed' });

const phasesDescription = `left out: what suits the kind. ${noticePhaseNames.map((phase) => `${phase}: ${noticePhases[phase]}`).join('; ')}`;
const phases = z.array(z.enum(noticePhaseNames)).min(1).optional().meta({ description: phasesDescription });
const drills = z.boolean().optional().meta({ description: 'told of drills too; left out: yes, but not by pagerduty; external receivers never are' });
const audience = z.enum(audiences).default('internal').meta({ description: 'external: outside the company; its messages hold nothing but notify.external and times' });

/** A text in place of the usual one. */
const templateOf = (words: readonly string[], description: string): z.ZodType<string, string> =>
  z
    .string()
    .min(1)
    .refine((text) => text.trim().split('\n').length <= noticeLimits.lines && text.split('\n').every((line) => line.length <= noticeLimits.line), `at most ${noticeLimits.lines} lines of ${noticeLimits.line} characters`)
    .superRefine((text, ctx) => {
      const wrong = text.match(/\{[^{}]*\}|[{}]/g)?.find((typed) => !words.some((word) => typed === `{${word}}`));
      if (wrong !== undefined) ctx.addIssue({ code: 'custom', message: `no "${wrong}": of what stands in braces there is ${words.map((word) => `{${word}}`).join(', ')}; write it out, or leave the brace away` });
    })
    .meta({ description });

const externalTemplate = templateOf(placeholders, 'lines; {service}, {impact}, {since} (when it began), {back} (when it was available again), {next} (by when the next message comes)');
const internalTemplate = templateOf(Object.keys(internalWords), `lines; ${Object.entries(internalWords).map(([word, what]) => `{${word}}: ${what}`).join('; ')}. Who is waited for and how to answer is said whatever it says`);

const slackSchema = z.strictObject({
  kind: z.literal('slack'),
  audience,
  url: secretRefSchema.meta({ description: 'the incoming webhook’s address, which is a secret itself; it knows its channel' }),
  caFile,
  weakerTls,
  phases,
  drills,
});

const emailSchema = z.strictObject({
  kind: z.literal('email'),
  audience,
  from: mail,
  to: z.array(mail).min(1).meta({ description: 'external: each of them in blind copy' }),
  smtp: z
    .strictObject({
      host: z.string().min(1).meta({ description: '${ENV} allowed' }),
      port: z.number().int().min(1).max(65_535).default(587),
      tls: z.enum(['starttls', 'implicit', 'none']).default('starttls').meta({ description: 'starttls is required, not tried; implicit is usual on port 465' }),
      credentials: z.strictObject({ username: z.string().min(1), password: secretRefSchema }).optional(),
      caFile,
    })
    .refine(({ tls, credentials }) => tls !== 'none' || !credentials, { path: ['tls'], message: 'a password is not sent in the clear: starttls or implicit' }),
  weakerTls,
  phases,
  drills,
});

const pagerdutySchema = z.strictObject({
  kind: z.literal('pagerduty'),
  routingKey: secretRefSchema.meta({ description: 'the integration key of an Events API v2 integration' }),
  url: address.default('https://events.pagerduty.com/v2/enqueue').meta({ description: 'for the EU region https://events.eu.pagerduty.com/v2/enqueue' }),
  caFile,
  weakerTls,
  phases,
  drills,
});

const webhookSchema = z.strictObject({
  kind: z.literal('webhook'),
  audience,
  url: address.meta({ description: '${ENV} allowed' }),
  secret: secretRefSchema.meta({ description: 'what messages are signed with: whsec_ and base64, or any text' }),
  caFile,
  weakerTls,
  phases,
  drills,
});

const sentrySchema = z.strictObject({
  kind: z.literal('sentry'),
  dsn: secretRefSchema,
  environment: z.string().min(1).default('production').meta({ description: 'as Sentry shows it' }),
  monitor: name.optional().meta({ description: 'slug of a cron monitor that each backup checks in at; left out: none' }),
  caFile,
  weakerTls,
  phases,
  drills,
});

const receiverSchema = z.discriminatedUnion('kind', [slackSchema, emailSchema, pagerdutySchema, webhookSchema, sentrySchema]);

export const notifySchema = z
  .strictObject({
    updateEvery: z
      .strictObject({ internal: duration.default(minutes(15)), external: duration.default(minutes(30)) })
      .prefault({})
      .meta({ description: 'at first; a run that goes on for hours tells more seldom' }),
    external: z
      .strictObject({
        service: z.string().min(1).max(80).meta({ description: 'what customers call it' }),
        impact: z.string().min(1).max(300).meta({ description: 'what they cannot do while it is down, a sentence' }),
        templates: z.partialRecord(z.enum(externalTemplates), externalTemplate).optional().meta({ description: 'texts in place of the usual ones, by phase' }),
      })
      .optional()
      .meta({ description: 'all that external messages say of the system' }),
    internal: z
      .strictObject({ templates: z.partialRecord(z.enum(internalTemplates), internalTemplate).optional().meta({ description: 'texts in place of the usual ones, by phase' }) })
      .optional()
      .meta({ description: 'what messages of a run inside look like; left out: as usual' }),
    receivers: z.record(name, receiverSchema),
  })
  .superRefine((notify, ctx) => {
    for (const [receiver, config] of Object.entries(notify.receivers)) {
      const complain = (field: string, message: string): void => ctx.addIssue({ code: 'custom', path: ['receivers', receiver, field], message });
      if (!('audience' in config) || config.audience !== 'external') continue;
      if (!notify.external) complain('audience', 'external messages need notify.external: what the service is called, and what people cannot do while it is down');
      const internal = (config.phases ?? []).filter((phase) => !externalPhases.includes(phase));
      if (internal.length > 0) complain('phases', `never told outside: ${internal.join(', ')}; of external messages there are ${externalPhases.join(', ')}`);
      const { phases: chosen = externalPhases } = config;
      if (chosen.includes('started') && !chosen.includes('update')) complain('phases', 'whoever is told "started" outside is promised the next update, so it needs "update" too');
      if (config.drills) complain('drills', 'nobody outside is told of a drill');
    }
  });

export type NotifyConfig = z.output<typeof notifySchema>;
export type ReceiverConfig = z.output<typeof receiverSchema>;
export type ReceiverOf<K extends ReceiverConfig['kind']> = Extract<ReceiverConfig, { kind: K }>;

export const externalPhases: NoticePhase[] = ['started', 'update', 'served', 'resolved', 'aborted', 'note'];

/** What a receiver is told that names no phases; docs/notifications.md has it as a table. */
export const usualPhases: Record<ReceiverConfig['kind'], NoticePhase[]> = {
  slack: noticePhaseNames.filter((phase) => phase !== 'backup-done' && phase !== 'verified'),
  email: noticePhaseNames.filter((phase) => phase !== 'backup-done' && phase !== 'verified'),
  webhook: noticePhaseNames,
  // What somebody must get up for, and what ends that.
  pagerduty: ['started', 'approval', 'confirm', 'failed', 'warning', 'resolved', 'aborted', 'stuck', 'incident', 'update-due', 'escalation', 'owner', 'backup-failed', 'backup-done', 'verification-failed', 'schedule-failed', 'archive-late', 'gap', 'readiness', 'old-primary'],
  sentry: ['failed', 'warning', 'aborted', 'stuck', 'backup-failed', 'backup-done', 'verification-failed', 'schedule-failed', 'archive-late', 'gap', 'readiness', 'old-primary'],
};

/** What workflows may know of it; undefined: nobody is to be told. */
export function toNotifyView(notify: NotifyConfig | undefined): NotifyView | undefined {
  const receivers = Object.entries(notify?.receivers ?? {});
  if (!notify || receivers.length === 0) return undefined;
  return {
    updateEveryMs: notify.updateEvery,
    external: notify.external ?? null,
    ...(notify.internal?.templates ? { internal: { templates: notify.internal.templates } } : {}),
    receivers: receivers.map(([receiver, config]) => {
      const heard = 'audience' in config ? config.audience : 'internal';
      const usual = heard === 'external' ? externalPhases : usualPhases[config.kind];
      return { name: receiver, kind: config.kind, audience: heard, phases: config.phases ?? usual, drills: heard === 'internal' && (config.drills ?? config.kind !== 'pagerduty') };
    }),
  };
}
