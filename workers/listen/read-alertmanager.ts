import { z } from 'zod';
import { describeIssues } from '../../workflows/domain/describe-issues.ts';
import { digestOf, instantOf, Malformed, shortLine, webLink, type DeliveredAlert } from './delivered-alert.ts';

const labels = z.record(z.string(), z.string('a text'), 'labels');

/** What is not needed may be missing, and what is new is passed over: senders are of many versions. */
const bodySchema = z.looseObject(
  {
    version: z.literal('4', '"4"'),
    alerts: z.array(
      z.looseObject({
        status: z.enum(['firing', 'resolved'], '"firing" or "resolved"'),
        labels,
        annotations: labels.optional(),
        startsAt: z.string('a time'),
        fingerprint: z.string().max(100).optional(),
        generatorURL: z.string().optional(),
      }),
      'a list of alerts',
    ),
  },
  'an object',
);

/**
 * What Alertmanager posts to a webhook receiver.
 *
 * One occurrence is a fingerprint and when it began: repeated every few hours it stays the same, and when it fires anew it is another.
 * @throws Malformed - names the field.
 * @source Prometheus: Alertmanager, webhook_config, version "4"
 */
export function readAlertmanager(body: unknown): DeliveredAlert[] {
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) throw new Malformed(describeIssues(parsed.error, body));
  return parsed.data.alerts.map(({ status, labels: given, annotations = {}, startsAt, fingerprint, generatorURL }, index) => {
    const at = instantOf(startsAt, `alerts.${index}.startsAt`);
    const name = shortLine(given['alertname'] ?? 'alert', 200) || 'alert';
    const key = `alertmanager/${fingerprint ?? digestOf(JSON.stringify(Object.entries(given).sort()))}/${at}`;
    const summary = shortLine(annotations['summary'] ?? annotations['description'] ?? '', 500) || name;
    return { alert: { key, from: 'alertmanager', name, state: status, at, summary, link: webLink(generatorURL) }, labels: given, delivery: `${key}/${status}` };
  });
}
