import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { contactsSchema, toLadders } from '../../workflows/domain/contacts.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { incidentsSchema, listenSchema, toIncidentsView } from '../../workflows/domain/incident-schema.ts';
import type { IncidentState } from '../../workflows/domain/incident.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { until as eventually } from '../harness/until.ts';
import { gateOpen, openLab, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

/** As the handbooks have them: on call at once, a lead after a quarter of an hour, the vice president after an hour; security for breaches. */
const contacts = contactsSchema.parse({
  sre: [{ after: '0m', receivers: ['on-call'] }, { after: '15m', to: ['platform-lead'] }, { after: '1h', to: ['vp-eng'], severity: ['P1'], until: 'resolved' }],
  security: [{ after: '0m', to: ['security-lead'] }],
});
const secret = 'file:s';
const notify = toNotifyView(notifySchema.parse({
  external: { service: 'Dictionary', impact: 'Words cannot be looked up.', templates: { update: 'Still: {impact}\nNext by {next}.' } },
  receivers: {
    ops: { kind: 'slack', url: secret, phases: ['escalation', 'approval'] },
    'on-call': { kind: 'pagerduty', routingKey: secret, phases: ['stuck'] },
    page: { kind: 'webhook', audience: 'external', url: 'https://status.example.com/', secret },
  },
}))!;
const listen = listenSchema.parse({ alertmanager: { token: 'file:t' }, alerts: { breach: { match: { alertname: 'Breach' }, severity: 'P2', contacts: ['security'] } } });
const system = (over: Partial<SystemView> = {}): SystemView => ({ ...view, notify, ladders: toLadders(contacts), incidents: toIncidentsView(incidentsSchema.parse({ contacts: ['sre'], outside: ['P1'] }), listen, contacts), ...over });

interface World {
  lab: Lab;
  told: { receiver: string; notice: Notice }[];
  incident: WorkflowHandle;
  /** what one receiver was told, a line each */
  heard(receiver: string): string[];
}

async function openWorld(t: TestContext, { dead = [], over = {} }: { dead?: string[]; over?: Partial<SystemView> } = {}): Promise<World> {
  const told: World['told'] = [];
  const lab = await openLab(t, {
    loadSystem: () => Promise.resolve(system(over)),
    notify: (of) => {
      if (dead.includes(of.receiver)) return Promise.reject(new HoldfastError('ReceiverUnavailable', 'nothing answers'));
      told.push(of);
      return Promise.resolve({ summary: 'ok' });
    },
  });
  const heard = (receiver: string): string[] => told.filter((one) => one.receiver === receiver).map(({ notice }) => `${notice.phase} ${notice.called?.join() ?? ''} ${notice.alert?.key.split('/').slice(4).join('/') ?? ''} ${notice.alert?.state ?? ''}`.replace(/\s+/g, ' ').trim());
  return { lab, told, heard, incident: lab.env.client.workflow.getHandle('incident/demo') };
}

const open = async ({ lab, incident }: World, input: object = {}): Promise<void> => {
  await lab.start('openIncident', { system: 'demo', summary: 'documents cannot be saved', requestedBy: 'dana', ...input });
  await eventually('it is open', async () => await stateOf(incident).catch(() => undefined));
};
const stateOf = (handle: WorkflowHandle): Promise<IncidentState> => handle.query<IncidentState>('state');
const say = async (handle: WorkflowHandle, name: string, message: object): Promise<void> => void (await handle.executeUpdate<unknown, [object]>(name, { args: [{ by: 'dana', ...message }] }));

test('contacts are called in their turn while nobody answers, each once, and told when they are not needed any more', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident, heard } = world;
  await open(world, { severity: 'P2' });
  await eventually('on call', () => heard('on-call').length === 1);
  assert.deepEqual(heard('on-call'), ['escalation call/sre/0 open'], 'its own phases do not count: the rung names it');
  await lab.env.sleep('16m');
  await eventually('the lead is called', () => heard('ops').length === 1);
  assert.deepEqual(heard('ops'), ['escalation platform-lead call/sre/1 open']);
  await lab.start('openIncident', { system: 'demo', alert: { key: 'alertmanager/f1/1', from: 'alertmanager', rule: 'breach', name: 'Breach', state: 'firing', at: new Date(await lab.env.currentTimeMs()).toISOString(), summary: 'a key was used', link: null } }, 'breach');
  await eventually('security is called for a breach', () => heard('ops').length === 2);
  assert.equal(heard('ops')[1], 'escalation security-lead call/security/0 open');
  await say(incident, 'update', { text: 'we look at it' });
  await eventually('they are told that somebody answers', () => heard('ops').length === 4 && heard('on-call').length === 2);
  assert.deepEqual(heard('ops').slice(2).sort(), ['escalation call/security/0 closed', 'escalation call/sre/1 closed']);
  await lab.env.sleep('60m');
  assert.equal(heard('ops').length, 4, 'as severe as P2 nobody calls the vice president');
  await say(incident, 'update', { severity: 'P1' });
  await eventually('that goes for its severity, though it was answered', () => heard('ops').length === 5);
  assert.equal(heard('ops')[4], 'escalation vp-eng call/sre/2 open');
  await say(incident, 'resolve', { text: 'over' });
  await eventually('the end', () => heard('ops').length === 6);
  assert.equal(heard('ops')[5], 'escalation call/sre/2 closed');
  assert.equal(heard('on-call').length, 2);
  const { journal } = await stateOf(incident);
  assert.deepEqual(journal.flatMap(({ what }) => /^(?:sre|security): called (.*)$/.exec(what)?.[1] ?? []), ['receiver on-call', 'platform-lead', 'security-lead', 'vp-eng']);
  await incident.terminate();
});

test('people outside hear of an incident from its severity on, every so often, in the words of the file or a person’s own; its run is silent, a dead receiver holds nothing', { timeout: 120_000 }, async (t) => {
  // Without an archive: its activity, which never ends, would hold the clock while the run gives the dead ones a last minute.
  const steps = view.runbook.steps.filter(({ uses }) => uses !== 'protect').map((step) => ({ ...step, needs: step.needs.map((need) => (need === 'protect' ? 'switch' : need)) }));
  const world = await openWorld(t, { dead: ['ops', 'on-call'], over: { runbook: { ...view.runbook, steps } } });
  const { lab, incident, told, heard } = world;
  await open(world, { severity: 'P3' });
  await say(incident, 'update', { text: 'it grows', severity: 'P1' });
  await eventually('it is said', () => heard('page').length === 1);
  await lab.env.sleep('31m');
  await eventually('again', () => heard('page').length === 2);
  await say(incident, 'update', { outside: 'We have found the cause.' });
  await assert.rejects(say(incident, 'update', { outside: 'We have found the cause.' }), 'twice is refused');
  await eventually('a person’s words', () => heard('page').length === 3);
  await lab.start('recoverSystem', { system: 'demo', incident: 'open', requestedBy: 'erik' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'fay' });
  await lab.run().result();
  await eventually('it is back', () => told.some(({ notice }) => notice.phase === 'served'));
  await say(incident, 'resolve', { text: 'over', outside: 'It is over. We are sorry.' });
  await eventually('the end', () => told.some(({ notice }) => notice.phase === 'resolved'));
  const page = told.filter(({ receiver }) => receiver === 'page').map(({ notice }) => notice);
  const updates = page.filter(({ phase }) => phase === 'update');
  assert.deepEqual(page.filter(({ phase }) => phase !== 'update').map(({ phase }) => phase), ['started', 'served', 'resolved'], 'once each, though a run told of the same');
  assert.deepEqual(updates[0]!.lines[0], 'Still: Words cannot be looked up.');
  assert.match(updates[0]!.lines[1]!, /^Next by .* UTC\.$/);
  assert.deepEqual(updates.filter(({ lines }) => lines[0] === 'We have found the cause.').length, 1);
  assert.deepEqual(page.at(-1)!.lines, ['It is over. We are sorry.']);
  assert.ok(page.every((notice) => !JSON.stringify(notice.lines).includes('it grows')), 'what is written for one’s own people stays inside');
  const ids = page.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  await incident.terminate();
});

test('a gate calls along the same contacts; who is called there hears when it is answered', { timeout: 120_000 }, async (t) => {
  const gate = { description: 'go', quorum: 1, people: ['erik'], notRequester: true, contacts: 'sre' };
  const world = await openWorld(t, { over: { approvals: { 'approve-switch': gate } } });
  const { lab, heard } = world;
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.env.sleep('16m');
  const { gates } = await until(lab.run(), ({ gates: [first] }) => first!.people.includes('platform-lead'));
  assert.deepEqual(gates[0]!.people, ['erik', 'platform-lead'], 'who is called may answer');
  await lab.run().signal('approve', { by: 'platform-lead' });
  await entry.result();
  await eventually('on call hears of both', () => heard('on-call').length === 2);
  assert.deepEqual(heard('on-call').map((line) => line.split(' ')[0]), ['approval', 'answered']);
  assert.deepEqual(heard('ops').map((line) => line.split(' ').slice(0, 2).join(' ')), ['approval approve-switch', 'approval platform-lead', 'answered approve-switch']);
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('a system file that tells nobody outside any more ends what was due there, and keeps no incident awake', { timeout: 60_000 }, async (t) => {
  const over: Partial<SystemView> = {};
  const world = await openWorld(t, { over });
  const { lab, incident, heard } = world;
  await open(world, { severity: 'P1' });
  await eventually('it is said', () => heard('page').length === 1);
  over.incidents = toIncidentsView(incidentsSchema.parse({}), listen, contacts);
  await lab.start('openIncident', { system: 'demo', alert: { key: 'alertmanager/f1/1', from: 'alertmanager', rule: 'breach', name: 'Breach', state: 'firing', at: new Date(await lab.env.currentTimeMs()).toISOString(), summary: 'a key was used', link: null } }, 'breach');
  await eventually('the alert is there, and with it the file as it is now', async () => (await stateOf(incident)).alerts.length === 1);
  await lab.env.sleep('3h');
  assert.equal(heard('page').length, 1);
  const { events } = await incident.fetchHistory();
  const timers = events!.flatMap(({ timerStartedEventAttributes: timer }) => (timer ? [Number(timer.startToFireTimeout?.seconds ?? 0)] : []));
  assert.ok(timers.length > 0 && timers.every((seconds) => seconds > 0), `it wakes for what comes: after ${timers.join(', ')} s`);
  await incident.terminate();
});
