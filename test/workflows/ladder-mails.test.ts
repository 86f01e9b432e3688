import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { stringify } from 'yaml';
import { sendNotice } from '../../activities/notify/send-notice.ts';
import { loadSystemFile, toSystemView } from '../../activities/system-files.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { caFile } from '../harness/http-receiver.ts';
import { mailUser, readMail, startMailReceiver, type MailReceiver } from '../harness/mail-receiver.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';
import { openLab, type Lab } from './lab.ts';

/**
 * The shipped ai-writing with its ladders and its words for people outside, told by its own receivers through a real SMTP server. Its other receivers
 * have no secret here, so they are never told, and hold nobody up.
 */
interface Place {
  lab: Lab;
  server: MailReceiver;
  incident: WorkflowHandle;
  /** from now on the answer to a message whose title fits is lost once: it was sent, and nobody knows */
  loseAnswer(title: RegExp): void;
  /** subjects of what has arrived for an address, in order */
  heard(address: string): string[];
}

async function open(t: TestContext): Promise<Place> {
  const server = await startMailReceiver(t);
  const directory = tempDir(t);
  writeFileSync(join(directory, 'password'), `${mailUser.password}\n`);
  const smtp = { host: '127.0.0.1', port: server.port, credentials: { username: mailUser.username, password: `file:${join(directory, 'password')}` }, caFile };
  const overlay = join(directory, 'overlay.yaml');
  writeFileSync(overlay, stringify({ system: 'ai-writing', notify: { receivers: { 'ops-alerts': { smtp }, stakeholders: { smtp } } } }));
  const before = process.env['HOLDFAST_OVERLAY'];
  process.env['HOLDFAST_OVERLAY'] = overlay;
  t.after(() => (before === undefined ? delete process.env['HOLDFAST_OVERLAY'] : (process.env['HOLDFAST_OVERLAY'] = before)));
  const lost: RegExp[] = [];
  const lab = await openLab(t, {
    loadSystem: async ({ system: name }) => {
      const { system, digest } = await loadSystemFile(name);
      return toSystemView(system, digest);
    },
    notify: async (of) => {
      const summary = await sendNotice(of, { signal: Context.current().cancellationSignal, link: null });
      const found = lost.findIndex((title) => title.test(of.notice.title));
      if (found >= 0) {
        lost.splice(found, 1);
        throw new HoldfastError('ReceiverUnavailable', 'the answer was lost');
      }
      return { summary };
    },
  });
  const heard = (address: string): string[] => server.mails.filter(({ to }) => to.includes(address)).map((mail) => readMail(mail).headers['subject'] ?? '');
  return { lab, server, incident: lab.env.client.workflow.getHandle('incident/ai-writing'), loseAnswer: (title) => void lost.push(title), heard };
}

const isCall = (subject: string): boolean => subject.includes('CALLED');
const called = (place: Place): string[] => place.server.mails.map((mail) => readMail(mail).headers['subject'] ?? '').filter(isCall).map((subject) => /CALLED: (\S+) \((\S+)\)/.exec(subject)!.slice(1).join(' of ')).sort();
const reported = { system: 'ai-writing', summary: 'documents cannot be saved', severity: 'P1', requestedBy: 'ops-backup' };

test('who is called by a ladder gets a mail of their own, in their turn, from the handbook’s first contact to the CEO', { timeout: 120_000 }, async (t) => {
  const place = await open(t);
  const { lab, incident, heard } = place;
  await lab.start('openIncident', reported);
  const first = ['db-lead of database', 'dr-coordinator of dr-team', 'ops-lead of operations'];
  await until('the first contacts have their mails', () => called(place).length === 3);
  assert.deepEqual(called(place), first);
  assert.deepEqual(['ops-lead', 'dr-coordinator', 'db-lead', 'dr-backup', 'ceo'].map((who) => heard(`${who}@example.com`).filter(isCall).length), [1, 1, 1, 0, 0], 'each their own, and nobody else’s');
  const mail = place.server.mails.find(({ to }) => to.includes('dr-coordinator@example.com'))!;
  assert.deepEqual(mail.to.sort(), ['dr-coordinator@example.com', 'ops-alerts@example.com']);
  assert.match(readMail(mail).text, /called: dr-coordinator, email dr-coordinator@example\.com, phone \+1-555-123-4570/);
  await lab.env.sleep('6m');
  const second = ['db-backup of database', 'dr-backup of dr-team', 'ops-backup of operations'];
  await until('the second contacts', () => called(place).length === 6);
  assert.deepEqual(called(place), [...first, ...second].sort());
  await lab.env.sleep('10m');
  await until('the escalations', () => called(place).length === 9);
  assert.deepEqual(['cto', 'ceo', 'ciso'].map((who) => heard(`${who}@example.com`).filter(isCall).length), [2, 1, 0]);
  assert.equal(new Set(place.server.mails.map((one) => readMail(one).headers['message-id'])).size, place.server.mails.length, 'nothing was sent twice');
  await incident.terminate();
});

test('a mail server that is away, and an answer that was lost: who is called is told once, or twice under one Message-ID, and no rung is reached again', { timeout: 120_000 }, async (t) => {
  const place = await open(t);
  const { lab, server, incident } = place;
  server.behave('later');
  place.loseAnswer(/CALLED: dr-coordinator/);
  await lab.start('openIncident', reported);
  await until('it is tried, in vain', async () => {
    const { warnings } = await incident.query<{ warnings: string[] }>('state').catch(() => ({ warnings: [] }));
    return warnings.some((warning) => /ops-alerts gets no messages for now/.test(warning));
  }, 60_000);
  server.behave('ok');
  await lab.env.sleep('31s');
  await until('everybody is told', () => called(place).length === 4);
  assert.deepEqual(called(place), ['db-lead of database', 'dr-coordinator of dr-team', 'dr-coordinator of dr-team', 'ops-lead of operations']);
  const ids = server.mails.filter((mail) => isCall(readMail(mail).headers['subject'] ?? '')).map((mail) => readMail(mail).headers['message-id']);
  assert.equal(new Set(ids).size, 3, 'the one that was repeated has its Message-ID');
  await incident.executeUpdate('update', { args: [{ text: 'we look at it', by: 'ops-lead' }] });
  await until('they hear that it was answered', () => server.mails.filter((mail) => (readMail(mail).headers['subject'] ?? '').includes('is called any more')).length === 3);
  await lab.env.sleep('20m');
  const { journal } = await incident.query<{ journal: { what: string }[] }>('state');
  assert.deepEqual(journal.flatMap(({ what }) => /^\S+: called (.*)$/.exec(what)?.[1] ?? []).sort(), ['ceo', 'db-lead', 'dr-coordinator', 'ops-lead'], 'once somebody answers only what goes until the end is climbed');
  await until('the CEO’s mail', () => place.heard('ceo@example.com').length === 1);
  await incident.terminate();
});

test('people outside get the file’s words by mail, without one another’s address and without anything internal', { timeout: 120_000 }, async (t) => {
  const place = await open(t);
  const { lab, server, incident, heard } = place;
  await lab.start('openIncident', { ...reported, summary: 'the volume of mongod-17 is lost' });
  await until('it is said', () => heard('stakeholders@example.com').length === 1);
  await incident.executeUpdate('resolve', { args: [{ text: 'mongod-17 was replaced', outside: 'It is over. We are sorry.', by: 'dr-coordinator' }] });
  await until('the end', () => heard('stakeholders@example.com').length === 2);
  const outside = server.mails.filter(({ to }) => to.includes('stakeholders@example.com'));
  assert.deepEqual(outside.map(({ to }) => to), [['stakeholders@example.com'], ['stakeholders@example.com']]);
  const [began, over] = outside.map((mail) => readMail(mail));
  assert.equal(began!.headers['subject'], 'AI writing: service disruption');
  assert.match(began!.text, /Documents cannot be opened or saved\.\r?\n- Since \d{4}-.* UTC\./);
  assert.match(over!.text, /It is over\. We are sorry\./);
  for (const { raw } of outside) assert.doesNotMatch(raw, /mongod-17|stakeholders@|ops-|dr-coordinator/);
  await incident.terminate();
});
