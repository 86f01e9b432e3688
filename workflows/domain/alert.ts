import { z } from 'zod';

/** What a monitoring system says is wrong, as `holdfast listen` hands it on. It enters the history: no token, no secret, and bounded. */

const line = (length: number): z.ZodString => z.string().min(1).max(length);

export const alertSchema = z.strictObject({
  key: line(200).meta({ description: 'the same for every delivery of one occurrence, and for its end' }),
  from: z.enum(['alertmanager', 'pagerduty']),
  rule: line(63).meta({ description: 'the name under listen.alerts in the system file' }),
  name: line(200),
  state: z.enum(['firing', 'resolved']),
  at: z.iso.datetime().meta({ description: 'when it began' }),
  summary: line(500),
  link: z.string().max(1_000).nullable(),
});
export type Alert = z.output<typeof alertSchema>;

/** What rules are matched by: labels of Alertmanager; title, service, urgency and priority of PagerDuty. */
export type AlertLabels = Readonly<Record<string, string>>;

const fits = (pattern: string, value: string): boolean => {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('[^]*')}$`).test(value);
};

/** The first rule, in the order of the system file, whose every label fits; undefined: none. `*` stands for any run of characters. */
export const ruleFor = (rules: Readonly<Record<string, { match: AlertLabels }>>, labels: AlertLabels): string | undefined =>
  Object.entries(rules).find(([, { match }]) => Object.entries(match).every(([label, pattern]) => labels[label] !== undefined && fits(pattern, labels[label])))?.[0];
