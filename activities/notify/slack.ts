import type { Notice } from '../../workflows/domain/notify/notice.ts';
import type { ReceiverOf } from '../../workflows/domain/notify/schema.ts';
import { readCa, type Notifier, type NotifierContext } from './notifier.ts';
import { post } from './post.ts';

/** Slack's own limit of a section's text. */
const sectionLength = 3_000;

/**
 * Slack, by an incoming webhook. It knows no key against repetition: a message whose answer was lost arrives twice, with the same text.
 * @source Slack: sending messages using incoming webhooks; Block Kit: section (3,000 characters), header (150)
 */
export const openSlack = (config: ReceiverOf<'slack'>, context: NotifierContext): Notifier => ({
  send: async ({ notice, link, signal }) => {
    const url = await context.secret(config.url);
    const body = JSON.stringify({ text: escape(notice.title), blocks: blocksOf(notice, link) });
    return await post({ url, body, ca: await readCa(config.caFile, context), weakerTls: config.weakerTls, signal }, 'the webhook of Slack');
  },
});

/** Only these three mean something to Slack; without, a name such as <!channel> would call everybody. */
const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const section = (text: string): object => ({ type: 'section', text: { type: 'mrkdwn', text: text.slice(0, sectionLength) } });

function blocksOf({ title, lines, answers }: Notice, link: string | null): object[] {
  return [
    { type: 'header', text: { type: 'plain_text', text: title.slice(0, 150), emoji: false } },
    ...(lines.length > 0 ? [section(lines.map((line) => `• ${escape(line)}`).join('\n'))] : []),
    ...(answers.length > 0 ? [section(answers.map((way) => escape(way)).join('\n'))] : []),
    ...(link ? [{ type: 'context', elements: [{ type: 'mrkdwn', text: `<${link}|the run in the Temporal UI>` }] }] : []),
  ];
}
