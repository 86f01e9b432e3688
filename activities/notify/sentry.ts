import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { Notice, Severity } from '../../workflows/domain/notify/notice.ts';
import type { ReceiverOf } from '../../workflows/domain/notify/schema.ts';
import { keyOf } from './keys.ts';
import { readCa, type Notifier, type NotifierContext } from './notifier.ts';
import { post } from './post.ts';

const levels: Record<Severity, string> = { critical: 'fatal', error: 'error', warning: 'warning', info: 'info' };

/**
 * Sentry, by its envelope endpoint: an event for each trouble, grouped by what it is about, and a check-in at a cron monitor for each backup.
 * `event_id` and `check_in_id` are made of the message's id, so a repeated one is the same one.
 * Its own SDK would bring a hundred packages and hooks into every module of the worker, to send these two requests.
 * @source Sentry developer documentation: DSN, envelopes, event payload, check-ins
 */
export const openSentry = (config: ReceiverOf<'sentry'>, context: NotifierContext): Notifier => ({
  send: async ({ notice, link, signal }) => {
    const { url, auth } = readDsn(await context.secret(config.dsn));
    const ca = await readCa(config.caFile, context);
    const send = async (type: 'event' | 'check_in', item: object): Promise<void> => {
      const body = envelopeOf(type, keyOf(notice.id), item);
      await post({ url, headers: { 'content-type': 'application/x-sentry-envelope', 'x-sentry-auth': auth }, body, ca, weakerTls: config.weakerTls, signal }, 'the DSN');
    };
    const checkIn = checkInOf(notice, config);
    const event = eventOf(notice, config.environment, link);
    if (checkIn) await send('check_in', checkIn);
    if (event) await send('event', event);
    return [...(checkIn ? ['check-in'] : []), ...(event ? ['event'] : [])].join(' and ') || 'nothing to say: Sentry is told of trouble only';
  },
});

/** @throws BadSystemFile - not a DSN; says nothing of its text. */
function readDsn(dsn: string): { url: string; auth: string } {
  const found = /^(https?):\/\/([^:@/]+)(?::[^@/]*)?@([^/]+)(\/.*)?\/(\d+)$/.exec(dsn);
  if (!found) throw new HoldfastError('BadSystemFile', 'the secret of a Sentry receiver is not a DSN such as https://KEY@HOST/PROJECT');
  const [, scheme, key, host, path = '', project] = found;
  return { url: `${scheme}://${host}${path}/api/${project}/envelope/`, auth: `Sentry sentry_version=7, sentry_client=holdfast/1, sentry_key=${key}` };
}

function envelopeOf(type: 'event' | 'check_in', id: string, item: object): string {
  const payload = JSON.stringify(item);
  const header = { ...(type === 'event' ? { event_id: id } : {}), sent_at: new Date().toISOString() };
  return `${JSON.stringify(header)}\n${JSON.stringify({ type, length: Buffer.byteLength(payload), content_type: 'application/json' })}\n${payload}\n`;
}

/** Undefined: it is no trouble. */
function eventOf({ id, title, lines, answers, at, severity, phase, alert, facts, thread }: Notice, environment: string, link: string | null): object | undefined {
  const isOver = severity === 'info' && alert?.state === 'closed';
  if (isOver) return undefined;
  return {
    event_id: keyOf(id),
    timestamp: at,
    platform: 'other',
    level: levels[severity],
    logger: 'holdfast',
    environment,
    message: { formatted: [title, ...lines].join('\n') },
    // What happens again in another run is the same issue.
    fingerprint: ['holdfast', String(facts['system'] ?? ''), phase, String(facts['subject'] ?? facts['source'] ?? '')],
    tags: { system: facts['system'], phase, purpose: facts['purpose'] ?? 'none', subject: facts['subject'] ?? facts['source'] ?? 'none' },
    extra: { ...facts, how_to_answer: answers, thread, ...(link ? { link } : {}) },
  };
}

function checkInOf({ id, phase, facts }: Notice, { monitor, environment }: ReceiverOf<'sentry'>): object | undefined {
  if (monitor === undefined || (phase !== 'backup-done' && phase !== 'backup-failed')) return undefined;
  const tookMs = Number(facts['tookMs'] ?? 0);
  return { check_in_id: keyOf(id), monitor_slug: monitor, status: phase === 'backup-done' ? 'ok' : 'error', duration: tookMs / 1000, environment };
}
