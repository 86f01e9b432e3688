import type { Notice } from '../../workflows/domain/notify/notice.ts';
import type { ReceiverOf } from '../../workflows/domain/notify/schema.ts';
import { keyOf } from './keys.ts';
import { readCa, type Notifier, type NotifierContext } from './notifier.ts';
import { post } from './post.ts';

const summaryLength = 1_024;
const dedupKeyLength = 255;

/**
 * PagerDuty, by its Events API v2. Messages of one alert carry one `dedup_key`: the first opens an incident, later ones and repeated ones
 * are lines in it, the last resolves it.
 * @source PagerDuty: Events API v2, trigger and resolve; summary at most 1,024 characters, dedup_key 255; 202, 400, 429, 5xx
 */
export const openPagerDuty = (config: ReceiverOf<'pagerduty'>, context: NotifierContext): Notifier => ({
  send: async ({ notice, link, signal }) => {
    const routingKey = await context.secret(config.routingKey);
    const ca = await readCa(config.caFile, context);
    const tell = async (action: 'trigger' | 'resolve'): Promise<string> => {
      const body = JSON.stringify(eventOf(notice, action, routingKey, link));
      return await post({ url: context.address(config.url), body, ca, weakerTls: config.weakerTls, signal }, 'the address of PagerDuty');
    };
    const said = await tell(notice.alert?.state === 'closed' ? 'resolve' : 'trigger');
    // Nobody is to be left with an incident that a test opened.
    return notice.phase === 'test' ? await tell('resolve') : said;
  },
});

function eventOf({ id, title, lines, answers, severity, at, phase, alert, facts }: Notice, action: 'trigger' | 'resolve', routingKey: string, link: string | null): object {
  const key = alert?.key ?? id;
  return {
    routing_key: routingKey,
    event_action: action,
    dedup_key: key.length > dedupKeyLength ? keyOf(key) : key,
    client: 'Holdfast',
    ...(link ? { client_url: link, links: [{ href: link, text: 'the run in the Temporal UI' }] } : {}),
    payload: {
      summary: title.slice(0, summaryLength),
      source: String(facts['system'] ?? 'holdfast'),
      severity,
      timestamp: at,
      class: phase,
      custom_details: { what: lines, ...(answers.length > 0 ? { how_to_answer: answers } : {}), ...facts, message: id },
    },
  };
}
