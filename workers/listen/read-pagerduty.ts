import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { describeIssues } from '../../workflows/domain/describe-issues.ts';
import { isSame } from '../same-text.ts';
import { instantOf, Malformed, shortLine, webLink, type DeliveredAlert } from './delivered-alert.ts';

const named = z.looseObject({ summary: z.string().nullish() }).nullish();

const bodySchema = z.looseObject(
  {
    event: z.looseObject(
      {
        id: z.string('the id of the event').min(1).max(100),
        event_type: z.string('the type of the event'),
        occurred_at: z.string('a time'),
        data: z.looseObject({}, 'what the event is about'),
      },
      'an event',
    ),
  },
  'an object',
);

const incidentSchema = z.looseObject({
  id: z.string('the id of the incident').min(1).max(100),
  title: z.string('a title'),
  created_at: z.string('a time'),
  html_url: z.string().nullish(),
  incident_key: z.string().nullish(),
  urgency: z.string().nullish(),
  service: named,
  priority: named,
});

const states: Readonly<Record<string, 'firing' | 'resolved'>> = { 'incident.triggered': 'firing', 'incident.reopened': 'firing', 'incident.resolved': 'resolved' };

/** What our own messages are known by at PagerDuty: answering them would open an incident about itself. */
const ourKeys = 'holdfast/';

/**
 * One event of a PagerDuty webhook subscription (v3). Events that neither open nor end anything are passed over, and so are incidents that
 * Holdfast's own messages opened there.
 *
 * @throws Malformed - names the field.
 * @source PagerDuty: Webhooks v3, event types incident.triggered, reopened, resolved
 */
export function readPagerDuty(body: unknown): DeliveredAlert[] {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) throw new Malformed(describeIssues(parsed.error, body));
  const { event } = parsed.data;
  const state = states[event.event_type];
  if (!state) return [];
  const incident = incidentSchema.safeParse(event.data);
  if (!incident.success) throw new Malformed(describeIssues(incident.error, event.data, ['event', 'data']));
  const { id, title, created_at: createdAt, html_url: url, incident_key: incidentKey, urgency, service, priority } = incident.data;
  if (incidentKey?.startsWith(ourKeys)) return [];
  const name = shortLine(title, 200) || 'incident';
  const key = `pagerduty/${id}`;
  // An incident is triggered once; it may be opened again and end several times.
  const delivery = event.event_type === 'incident.triggered' ? `${key}/firing` : `${key}/${state}/${event.id}`;
  const at = event.event_type === 'incident.reopened' ? instantOf(event.occurred_at, 'event.occurred_at') : instantOf(createdAt, 'event.data.created_at');
  const labels = { title, service: service?.summary ?? '', urgency: urgency ?? '', priority: priority?.summary ?? '' };
  return [{ alert: { key, from: 'pagerduty', name, state, at, summary: name, link: webLink(url ?? undefined) }, labels, delivery }];
}

/**
 * Whether one of the signatures is of this body by one of the secrets.
 * @source PagerDuty: X-PagerDuty-Signature, `v1=` and the hex of HMAC-SHA256 over the body, several with commas
 */
export function isSignedByPagerDuty(header: string | undefined, body: Buffer, secrets: readonly string[]): boolean {
  const given = (header ?? '').split(',').map((part) => part.trim()).slice(0, 10);
  const expected = secrets.map((secret) => `v1=${createHmac('sha256', secret).update(body).digest('hex')}`);
  return given.some((signature) => expected.some((right) => isSame(signature, right)));
}
