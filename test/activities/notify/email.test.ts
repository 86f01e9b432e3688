import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { SMTPServerOptions } from 'smtp-server';
import type { ReceiverOf } from '../../../workflows/domain/notify/schema.ts';
import { notice, notifierConformance, refusedWith, send, type Place } from '../../conformance/notifier.ts';
import { periodPage } from '../../../workflows/domain/period-page.ts';
import { caFile } from '../../harness/http-receiver.ts';
import { mailUser, readMail, startMailReceiver, type MailReceiver } from '../../harness/mail-receiver.ts';
import { sampleBadDay } from '../report/sample-period.ts';

async function open(t: TestContext, options?: SMTPServerOptions): Promise<Place & { server: MailReceiver; config: ReceiverOf<'email'> }> {
  const server = await startMailReceiver(t, options);
  const smtp = { host: '127.0.0.1', port: server.port, tls: 'starttls', credentials: { username: mailUser.username, password: 'file:mail' } } as const;
  const config = { kind: 'email', audience: 'internal', from: 'holdfast@example.com', to: ['ops-alerts@example.com'], smtp: { ...smtp, caFile } } as const;
  return {
    server,
    config: { ...config, to: [...config.to] },
    distrusting: { ...config, to: [...config.to], smtp },
    secrets: { 'file:mail': mailUser.password },
    arrived: () => server.mails.map((mail) => {
      const { headers, text } = readMail(mail);
      return { key: headers['message-id'] ?? null, text: `${headers['subject']}\n${text}` };
    }),
    behave: server.behave,
    stop: server.stop,
  };
}

notifierConformance('email', (t) => open(t));

test('email: it goes over TLS, and mails of one run refer to one another', async (t) => {
  const place = await open(t);
  await send(place);
  await send(place, notice({ id: '01JRUN/4-update', severity: 'info' }));
  assert.deepEqual(place.server.mails.map(({ secure, from, to }) => [secure, from, to]), [[true, 'holdfast@example.com', ['ops-alerts@example.com']], [true, 'holdfast@example.com', ['ops-alerts@example.com']]]);
  const [first, second] = place.server.mails.map((mail) => readMail(mail).headers);
  assert.match(first!['message-id']!, /^<[0-9a-f]{32}@example\.com>$/);
  assert.equal(first!['references'], second!['references']);
  assert.deepEqual([first!['importance'], second!['importance'], first!['auto-submitted']], ['High', undefined, 'auto-generated']);
});

test('email: without STARTTLS, or with a wrong password, nothing is sent', async (t) => {
  const bare = await open(t, { disabledCommands: ['STARTTLS'] });
  assert.match((await refusedWith('ReceiverRefused', bare, send(bare))).message, /STARTTLS/);
  const place = await open(t);
  const secrets = { 'file:mail': 'not the password' };
  await refusedWith('ReceiverRefused', { ...place, secrets }, send(place, notice(), { secrets }));
  assert.deepEqual([bare.server.mails, place.server.mails], [[], []]);
});

test('email: a mail is text and HTML, and with a report behind it has all of that in both', async (t) => {
  const place = await open(t);
  await send(place);
  await send(place, notice({ id: '01JRUN/9-report' }), { page: periodPage(sampleBadDay()) });
  const [plain, report] = place.server.mails.map((mail) => readMail(mail));
  assert.match(plain!.text, /^- Move all traffic to the standby\.\r?\n/);
  assert.match(plain!.html, /^<!doctype html>[^]*<li[^>]*>Move all traffic to the standby\.<\/li>[^]*href="https:\/\/temporal\.example\.com/);
  for (const text of [report!.text, report!.html]) assert.match(text, /documents: log is lost for ever[^]*part 7 is not what it was[^]*demo\/full-backup/);
  assert.doesNotMatch(report!.html, /<script>/);
});

test('email: TLS from the first byte works too', async (t) => {
  const place = await open(t, { secure: true });
  await send(place, notice(), { config: { ...place.config, smtp: { ...place.config.smtp, tls: 'implicit' } } });
  assert.equal(place.server.mails[0]!.secure, true);
});

test('email: an address that the server refuses is said, and the others do not get it twice', async (t) => {
  const place = await open(t);
  const error = await refusedWith('ReceiverRefused', place, send(place, notice(), { config: { ...place.config, to: ['ops-alerts@example.com', 'full@example.com'] } }));
  assert.match(error.message, /takes it for 1 of 2 addresses/);
  assert.equal(error.retryable, false);
  assert.deepEqual(place.server.mails.map(({ to }) => to), [['ops-alerts@example.com']]);
});

test('email: people outside do not see one another, and a title adds no header', async (t) => {
  const place = await open(t);
  const to = ['a@customer.example', 'b@customer.example'];
  await send(place, notice({ audience: 'external', title: 'AI writing: resolved\r\nX-Evil: yes' }), { config: { ...place.config, audience: 'external', to } });
  const [mail] = place.server.mails;
  assert.deepEqual(mail!.to.sort(), to);
  assert.ok(!mail!.raw.includes('customer.example'), mail!.raw);
  assert.equal(readMail(mail!).headers['x-evil'], undefined);
});
