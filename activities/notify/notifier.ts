import type { Notice } from '../../workflows/domain/notify/notice.ts';
import type { ReportPage } from '../../workflows/domain/report-page.ts';
import type { ReceiverConfig } from '../../workflows/domain/notify/schema.ts';
import { readCa as readPem } from '../transport/read-ca.ts';

/** One message on its way. */
export interface Delivery {
  notice: Notice;
  /** the run in the Temporal UI; null: its address is not known, or nobody outside is to know it */
  link: string | null;
  /** addresses of people who are called by this very message */
  mails?: readonly string[] | undefined;
  /** the report behind the message, for a receiver that can show all of it; left out: there is none */
  page?: ReportPage | undefined;
  /** aborted when the time for this try is over */
  signal: AbortSignal;
}

/**
 * Something that can be told. `send` may be called again with the same message, by a try that does not know what became of the one before:
 * it hands over `notice.id`, or what is made of it alone, as the receiver's own key against repetition where it has one.
 */
export interface Notifier {
  /**
   * @returns what the receiver said, for people; nothing secret.
   * @throws ReceiverUnavailable - another try may help. ReceiverRefused, BadSystemFile - it will not.
   */
  send(delivery: Delivery): Promise<string>;
}

/** What a notifier resolves its settings by. */
export interface NotifierContext {
  /** @throws BadSystemFile - it resolves to nothing. */
  secret(ref: string): Promise<string>;
  /** with its `${ENV}` references filled in */
  address(text: string): string;
}

/** Only the one that is asked for is loaded. */
export async function openNotifier(config: ReceiverConfig, context: NotifierContext): Promise<Notifier> {
  switch (config.kind) {
    case 'slack': return (await import('./slack.ts')).openSlack(config, context);
    case 'email': return (await import('./email.ts')).openEmail(config, context);
    case 'pagerduty': return (await import('./pagerduty.ts')).openPagerDuty(config, context);
    case 'webhook': return (await import('./webhook.ts')).openWebhook(config, context);
    case 'sentry': return (await import('./sentry.ts')).openSentry(config, context);
  }
}

/** Certificates beside the usual ones. @throws BadSystemFile - the file cannot be read. */
export const readCa = async (caFile: string | undefined, { address }: NotifierContext): Promise<string | undefined> => (caFile === undefined ? undefined : await readPem(address(caFile), 'caFile'));

/** Every secret of a receiver, to see whether it can be read. */
export function secretsOf(config: ReceiverConfig): string[] {
  switch (config.kind) {
    case 'slack': return [config.url];
    case 'email': return config.smtp.credentials ? [config.smtp.credentials.password] : [];
    case 'pagerduty': return [config.routingKey];
    case 'webhook': return [config.secret];
    case 'sentry': return [config.dsn];
  }
}
