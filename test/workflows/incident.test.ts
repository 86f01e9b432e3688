import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { WorkflowUpdateFailedError, type WorkflowHandle } from '@temporalio/client';
import type { ActToRecord } from '../../workflows/contract.ts';
import type { Alert } from '../../workflows/domain/alert.ts';
import { incidentsSchema, listenSchema, toIncidentsView } from '../../workflows/domain/incident-schema.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { IncidentRecord } from '../../workflows/domain/incident-record.ts';
import { automatic, type IncidentRun, type IncidentState } from '../../workflows/domain/incident.ts';
import type { Notice } from '../../workflows/domain/notify/notice.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import { viewPeople } from '../../workflows/domain/people.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { until as eventually } from '../harness/until.ts';
import { details, failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

const notify = toNotifyView(notifySchema.parse({ receivers: { ops: { kind: 'slack', url: 'file:s' }, dba: { kind: 'slack', url: 'file:s', phases: ['stuck'] }, 'on-call': { kind: 'pagerduty', routingKey: 'file:s' } } }));
const incidents = toIncidentsView(
  incidentsSchema.parse({ updateEvery: { P1: '10m' }, owners: { restore: { role: 'Database Admin', person: 'erik', receivers: ['dba'] }, 'approve-switch': { role: 'Incident Commander' } } }),
  listenSchema.parse({ alertmanager: { token: 'file:t' }, alerts: { down: { match: { alertname: 'Down' }, severity: 'P1', impact: 'nobody can save', auto: true }, slow: { match: { alertname: 'Slow' } } } }),
);
const whole: SystemView = { ...view, notify, incidents };

interface World {
  lab: Lab;
  told: { receiver: string; notice: Notice }[];
  incident: WorkflowHandle;
  written: IncidentRecord[];
}

async function openWorld(t: TestContext, overrides: Partial<SystemView> = {}): Promise<World> {
  const told: World['told'] = [];
  const written: IncidentRecord[] = [];
  const lab = await openLab(t, {
    loadSystem: () => Promise.resolve({ ...whole, ...overrides }),
    notify: (of) => (told.push(of), Promise.resolve({ summary: 'ok' })),
    writeIncident: ({ record }) => (written.push(record), Promise.resolve({ paths: { json: 'i.json', page: 'i.md' }, evidence: [] })),
  });
  return { lab, told, written, incident: lab.env.client.workflow.getHandle('incident/demo') };
}

const alertAt = (at: string, over: Partial<Alert> = {}): Alert => ({ key: `alertmanager/f1/${at}`, from: 'alertmanager', rule: 'down', name: 'Down', state: 'firing', at, summary: 'the primary does not answer', link: null, ...over });
const nowOf = async ({ env }: Lab): Promise<string> => new Date(await env.currentTimeMs()).toISOString();
const stateOf = (handle: WorkflowHandle): Promise<IncidentState> => handle.query<IncidentState>('state');
const untilIncident = (handle: WorkflowHandle, what: string, wanted: (state: IncidentState) => boolean): Promise<IncidentState> =>
  eventually(what, async () => {
    const state = await stateOf(handle);
    return wanted(state) ? state : undefined;
  });
const runIs = (status: IncidentRun['status'], id = 'r1') => ({ runs }: IncidentState): boolean => runs.some((run) => run.id === id && run.status === status);
const tell = async (handle: WorkflowHandle, name: string, message: object): Promise<string> => {
  try {
    await handle.executeUpdate<unknown, [object]>(name, { args: [message] });
    return 'accepted';
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError) return String(error.cause?.message);
    throw error;
  }
};
/** Waits by asking: the clock skips to the next timer, an update that is due, while a result is waited for. */
const open = async ({ lab, incident }: World, input: object = {}): Promise<void> => {
  await lab.start('openIncident', { system: 'demo', summary: 'documents cannot be saved', requestedBy: 'dana', ...input });
  await untilIncident(incident, 'it is open', () => true);
};
const phases = ({ told }: World, receiver: string): string[] => told.filter((one) => one.receiver === receiver).map(({ notice }) => `${notice.phase} ${notice.alert?.state}`);

test('an incident says what, since when and by when people hear again; updates, owners and the end are each said once', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident, told } = world;
  const startedAt = new Date((await lab.env.currentTimeMs()) - 5 * 60_000).toISOString();
  await open(world, { severity: 'P1', startedAt });
  assert.equal((await failureOf(await lab.start('openIncident', { system: 'demo', summary: 'again' }, 'second'))).type, 'AlreadyRunning');
  const first = await stateOf(incident);
  assert.deepEqual([first.status, first.severity, first.startedAt, first.openedBy], ['investigating', 'P1', startedAt, 'dana']);
  assert.equal(Date.parse(first.nextUpdateAt!) - Date.parse(first.openedAt), 600_000);
  const identified = { status: 'identified', text: 'the disk is lost', impact: 'nobody can save', by: 'dana' };
  assert.equal(await tell(incident, 'update', identified), 'accepted');
  assert.match(await tell(incident, 'update', identified), /That is how it stands already/);
  assert.match(await tell(incident, 'update', { by: 'dana' }), /at least one of status/);
  assert.match(await tell(incident, 'update', { status: 'resolved' }), /resolved is a message of its own/);
  assert.match(await tell(incident, 'assign', { step: 'fence', to: 'fay' }), /say the role, too/);
  assert.equal(await tell(incident, 'assign', { step: 'restore', to: 'fay', by: 'dana' }), 'accepted');
  const shown = await details(incident);
  assert.match(shown, /incident demo P1: identified/);
  for (const fact of [/what: \*\*documents cannot be saved/, /impact: nobody can save/, /of 1h00m RTO, breach at/, /next update due by/, /owner of restore: Database Admin \(fay\)/, /runs: none/, /signal `update`/]) assert.match(shown, fact);
  assert.ok(Buffer.byteLength(shown) < 4_000);
  assert.match(await tell(incident, 'review', { cause: 'too early' }), /it is reviewed once it was resolved/);
  assert.equal(await tell(incident, 'resolve', { text: 'it was the network', by: 'erik' }), 'accepted');
  assert.match(await tell(incident, 'resolve', { text: 'it was the network', by: 'fay' }), /resolved by erik/);
  assert.equal(await tell(incident, 'review', { cause: 'a switch', lessons: ['two paths'], by: 'dana' }), 'accepted');
  const record = (await incident.result()) as IncidentRecord;
  assert.ok(record.recoveryMs! >= 5 * 60_000 && record.rto.met === true, JSON.stringify(record.rto));
  assert.equal(record.rpo.met, null, 'nothing was recovered');
  assert.deepEqual(world.written.map(({ state }) => [state.id, state.review?.cause]), [[first.id, 'a switch']]);
  assert.deepEqual(phases(world, 'on-call').filter((phase) => phase.startsWith('incident')), ['incident open', 'incident open', 'incident open', 'incident closed']);
  const decided = lab.stubs.calls.filter(({ name }) => name === 'recordAct').map(({ input }) => input as ActToRecord).filter(({ workflow }) => workflow === 'runIncident');
  assert.deepEqual(decided.map(({ by, act, outcome }) => [by, act, outcome]), [['dana', 'update-incident', 'permitted'], ['dana', 'update-incident', 'permitted'], ['erik', 'resolve-incident', 'permitted'], ['dana', 'review-incident', 'permitted']]);
  assert.match(decided[0]!.about, /^incident \w+: update: investigating → identified; impact: nobody can save; the disk is lost \(said at /);
  const [opened] = told;
  assert.deepEqual(opened!.notice.lines.slice(0, 3).map((line) => line.split(':')[0]), ['incident', 'status', 'impact']);
});

test('an update that is due is asked for, more and more seldom, and whoever was asked hears that it was given; so is a review', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident } = world;
  await open(world, { severity: 'P1' });
  await lab.env.sleep('25m');
  assert.deepEqual(phases(world, 'ops').slice(1), ['update-due open', 'update-due open']);
  assert.match(await details(incident), /OVERDUE/);
  await tell(incident, 'update', { text: 'we look', nextUpdate: '2h', by: 'dana' });
  await lab.env.sleep('119m');
  assert.deepEqual(phases(world, 'ops').slice(3), ['update-due closed', 'incident open'], 'two hours were promised');
  await tell(incident, 'resolve', { text: 'over', by: 'dana' });
  await lab.env.sleep('73h');
  assert.equal(world.told.at(-1)!.notice.title, 'demo: the review of the incident is due');
  await lab.env.sleep('240h');
  assert.ok(phases(world, 'ops').filter((phase) => phase === 'update-due open').length < 14);
  await tell(incident, 'review', { cause: 'unknown', by: 'dana' });
  await incident.result();
});

test('an alert opens an incident and proposes a run, delivered again it counts, and its end is noted; a person starts the run, whose clock is the incident’s', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident } = world;
  const at = new Date((await lab.env.currentTimeMs()) - 10 * 60_000).toISOString();
  const slow = alertAt(at, { rule: 'slow', name: 'Slow' });
  assert.deepEqual(await (await lab.start('openIncident', { system: 'demo', alert: slow }, 'a1')).result(), { workflowId: 'incident/demo', joined: false });
  assert.deepEqual(await (await lab.start('openIncident', { system: 'demo', alert: slow }, 'a2')).result(), { workflowId: 'incident/demo', joined: true });
  await (await lab.start('openIncident', { system: 'demo', alert: { ...slow, state: 'resolved' } }, 'a3')).result();
  const state = await untilIncident(incident, 'the alert is quiet', ({ alerts }) => alerts[0]?.firing === false);
  assert.deepEqual([state.alerts.length, state.alerts[0]!.count, state.startedAt, state.severity], [1, 2, at, 'P2']);
  assert.deepEqual(state.runs.map(({ id, status, kind }) => [id, status, kind]), [['r1', 'proposed', 'full']]);
  assert.match(await details(incident), /holdfast incident start demo --run r1/);
  assert.ok(!lab.stubs.called().includes('claimEpoch'), 'nothing was started');
  assert.match(await tell(incident, 'start', { run: 'r7' }), /There is no run "r7"/);
  const both = await Promise.all([tell(incident, 'start', { run: 'r1', by: 'dana' }), tell(incident, 'start', { run: 'r1', by: 'fay' })]);
  assert.equal(both.filter((answer) => answer === 'accepted').length, 1, both.join(' | '));
  const run = await until(lab.run(), gateOpen('approve-switch'));
  assert.equal(run.incidentAt, at);
  assert.equal(run.severity, 'P2');
  const waiting = await untilIncident(incident, 'the run waits', runIs('waiting'));
  assert.match(await details(incident), /owner of approve-switch: Incident Commander: \*\*waiting\*\*/);
  assert.match(await tell(incident, 'resolve', { text: 'over', by: 'dana' }), /run r1 \(recover\/demo\) goes on: waiting/);
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await lab.env.client.workflow.getHandle(waiting.runs[0]!.entry!).result()) as RunReport;
  const done = await untilIncident(incident, 'the run has ended', runIs('done'));
  assert.deepEqual([done.runs[0]!.outcome, done.runs[0]!.servedAt, done.runs[0]!.rpo], ['done', report.state.servedAt, report.rpo]);
  assert.ok(done.journal.some(({ what }) => what.startsWith('service is back since')));
  await tell(incident, 'resolve', { text: 'traffic is on the standby', by: 'dana' });
  await tell(incident, 'review', { cause: 'a worn disk', by: 'dana' });
  const record = (await incident.result()) as IncidentRecord;
  assert.equal(record.recoveryMs, report.rto.achievedMs, 'the time to recovery is until service was back');
  assert.ok(phases(world, 'on-call').includes('owner open') && phases(world, 'on-call').includes('owner closed'));
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('the owner of a step that fails is told by the receivers that the system file names for them', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, told, incident } = world;
  lab.stubs.answers.restoreGroup = () => Promise.reject(new HoldfastError('Tampered', 'a part is not what was written'));
  await open(world);
  assert.equal(await tell(incident, 'start', { runbook: 'main', reason: 'the disk is lost', by: 'dana' }), 'accepted');
  await eventually('the owner is told', () => told.some(({ receiver }) => receiver === 'dba'), 110_000);
  assert.deepEqual(told.filter(({ receiver }) => receiver === 'dba').map(({ notice }) => notice.title), ['demo: step restore HAS FAILED: Database Admin (erik)']);
  assert.ok(!told.some(({ receiver, notice }) => receiver === 'ops' && notice.phase === 'owner'));
  await lab.run().signal('abort', { by: 'dana' });
  await untilIncident(incident, 'it was aborted', runIs('aborted'));
  await incident.cancel();
  await incident.result();
  assert.match(world.written[0]!.state.journal.at(-1)!.what, /closed by a cancel/);
});

test('auto: true starts one run, which waits at its approval; told again, aborted or alerted anew, no second one starts by itself', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident } = world;
  const at = await nowOf(lab);
  // The listener was killed after the start, and the sender tries again: under another id it would be one incident and one run all the same.
  await Promise.all(['a1', 'a2', 'a3'].map(async (id) => await (await lab.start('openIncident', { system: 'demo', alert: alertAt(at) }, id)).result()));
  const run = await until(lab.run(), gateOpen('approve-switch'));
  assert.equal(run.requestedBy, automatic);
  const state = await untilIncident(incident, 'it waits', runIs('waiting'));
  assert.equal(state.runs.length, 1);
  assert.ok(!lab.stubs.called().includes('fencePrimary'));
  await lab.run().signal('abort', { by: 'dana', reason: 'a false alarm' });
  await untilIncident(incident, 'it was aborted', runIs('aborted'));
  await (await lab.start('openIncident', { system: 'demo', alert: alertAt(at, { key: 'other' }) }, 'a4')).result();
  const after = await untilIncident(incident, 'another run is proposed', ({ runs }) => runs.length === 2);
  assert.equal(after.runs[1]!.status, 'proposed');
  assert.equal(await tell(incident, 'dismiss', { reason: 'a false alarm', by: 'dana' }), 'accepted');
  assert.match(await tell(incident, 'start', { by: 'dana' }), /No run is proposed/);
  await incident.terminate();
});

test('an alert that began long ago starts nothing by itself, and one after the end is the same incident or the next one', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident, written } = world;
  const old = new Date((await lab.env.currentTimeMs()) - 2 * 3_600_000).toISOString();
  await (await lab.start('openIncident', { system: 'demo', alert: alertAt(old) }, 'a1')).result();
  const { id, runs } = await stateOf(incident);
  const { runId } = await incident.describe();
  assert.equal(runs[0]!.status, 'proposed');
  await tell(incident, 'resolve', { text: 'over', by: 'dana' });
  await (await lab.start('openIncident', { system: 'demo', alert: alertAt(old, { key: 'soon', rule: 'slow' }) }, 'a2')).result();
  const again = await untilIncident(incident, 'opened again', ({ status }) => status === 'investigating');
  assert.equal(again.id, id);
  assert.ok(Date.parse(again.nextUpdateAt!) - (await lab.env.currentTimeMs()) < 3_600_000, 'an update is due, not a review');
  await tell(incident, 'resolve', { text: 'over', by: 'dana' });
  await lab.env.sleep('2h');
  await (await lab.start('openIncident', { system: 'demo', alert: { ...alertAt(old), state: 'resolved' } }, 'a3')).result();
  assert.equal((await stateOf(incident)).id, id, 'its end is still its own');
  const now = await nowOf(lab);
  await (await lab.start('openIncident', { system: 'demo', alert: alertAt(now, { rule: 'slow' }) }, 'a4')).result();
  // The test server keeps a query waiting that comes while one run follows another.
  await eventually('the next incident has a run', async () => (await incident.describe()).runId !== runId);
  const next = await untilIncident(lab.env.client.workflow.getHandle('incident/demo'), 'the next incident', (state) => state.id !== id);
  assert.deepEqual([next.startedAt, next.status], [now, 'investigating']);
  assert.deepEqual(written.map(({ state }) => [state.id, state.review]), [[id, null]]);
  assert.match(written[0]!.state.journal.at(-1)!.what, /without a review: another incident began/);
  await lab.env.client.workflow.getHandle('incident/demo').terminate();
});

test('it continues as new with all that it knows, and a recovery that was started by hand joins it by its id', { timeout: 120_000 }, async (t) => {
  const world = await openWorld(t);
  const { lab, incident } = world;
  const startedAt = new Date((await lab.env.currentTimeMs()) - 60_000).toISOString();
  await open(world, { startedAt });
  const { runId } = await incident.describe();
  for (let n = 0; n < 310; n += 1) await incident.signal('update', { text: `line ${n}`, by: 'dana' });
  await eventually('it continued as new', async () => (await incident.describe()).runId !== runId);
  const state = await untilIncident(incident, 'every line arrived', ({ journal }) => journal.at(-1)!.what === 'line 309');
  assert.equal(state.startedAt, startedAt);
  assert.equal((await failureOf(await lab.start('recoverSystem', { system: 'demo', incident: '01JAAAAAAAAAAAAAAAAAAAAAAA', requestedBy: 'dana' }, 'wrong'))).type, 'BadInput');
  assert.match((await failureOf(await lab.start('recoverSystem', { system: 'demo', incident: 'open', incidentAt: startedAt }, 'both'))).message, /the clock is the incident’s/);
  await lab.start('recoverSystem', { system: 'demo', incident: state.id, requestedBy: 'dana' });
  assert.equal((await until(lab.run(), gateOpen('approve-switch'))).incidentAt, startedAt);
  await untilIncident(incident, 'it joined', runIs('waiting'));
  // A second one beside it is refused, and the incident says so.
  assert.equal((await failureOf(await lab.start('recoverSystem', { system: 'demo', incident: 'open', requestedBy: 'erik' }, 'second'))).type, 'AlreadyRunning');
  await untilIncident(incident, 'the second was refused', runIs('refused', 'r2'));
  // Terminated, it says nothing any more; whoever resolves finds that out.
  await lab.run().terminate();
  assert.equal(await tell(incident, 'resolve', { text: 'by hand', by: 'dana' }), 'accepted');
  assert.equal((await stateOf(incident)).runs[0]!.status, 'lost');
  await incident.terminate();
});

test('with people, each message asks the permission table; a start by the DR team waits for its elevation, one by itself for the approval alone', { timeout: 120_000 }, async (t) => {
  const people = viewPeople({ ada: { roles: ['administrator'] }, dana: { roles: ['dr-team'] }, olaf: { roles: ['operator'] } });
  const world = await openWorld(t, { people });
  const { lab, incident } = world;
  assert.equal((await failureOf(await lab.start('openIncident', { system: 'demo', summary: 'x', requestedBy: 'mallory' }, 'm'))).type, 'NotPermitted');
  await open(world, { requestedBy: 'olaf' });
  assert.match(await tell(incident, 'resolve', { text: 'over', by: 'olaf' }), /olaf \(operator\) may not resolve an incident/);
  assert.match(await tell(incident, 'start', { runbook: 'main', by: 'olaf' }), /may not recover production/);
  assert.match(await tell(incident, 'start', { runbook: 'main', by: automatic }), /do not name them/);
  assert.equal(await tell(incident, 'start', { runbook: 'main', by: 'dana' }), 'accepted');
  await until(lab.run(), gateOpen('elevation'));
  await lab.run().signal('abort', { by: 'ada' });
  await untilIncident(incident, 'aborted', runIs('aborted'));
  assert.equal(await tell(incident, 'resolve', { text: 'over', by: 'dana', force: true }), 'accepted');
  await tell(incident, 'review', { cause: 'none', by: 'olaf' });
  await incident.result();
  await (await lab.start('openIncident', { system: 'demo', alert: alertAt(await nowOf(lab)) }, 'a1')).result();
  const run = await until(lab.run(), gateOpen('approve-switch'));
  assert.ok(!run.gates.some(({ gate }) => gate === 'elevation'));
  assert.ok(stepIs('fence', 'pending')(run));
  await lab.run().terminate();
  await lab.env.client.workflow.getHandle('incident/demo').terminate();
});
