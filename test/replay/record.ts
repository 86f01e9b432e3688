import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { WorkflowHandle } from '@temporalio/client';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { inputExamples } from '../../workflows/domain/inputs.ts';
import { incidentsSchema, listenSchema, toIncidentsView } from '../../workflows/domain/incident-schema.ts';
import { notifySchema, toNotifyView } from '../../workflows/domain/notify/schema.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import { readinessQuery, type ReadinessAnswer } from '../../workflows/domain/readiness-watch.ts';
import { entryWorkflows, lockIds } from '../../workflows/domain/names.ts';
import { gateOpen, openLab, stepIs, until, type Lab } from '../workflows/lab.ts';
import { destroyed, point, view } from '../workflows/stub-activities.ts';
import { untilCancelled } from '../workflows/until-cancelled.ts';
import { historiesDirectory, writeHistory } from './history.ts';

/**
 * Records a history of each workflow, for replay.test.ts: `node test/replay/record.ts`. Only a new workflow, or a new way through one, needs a new
 * recording. Of a released line one that no longer replays is a broken run somewhere: mend the code (a patch or a new version), not the recording (CONTRIBUTING.md).
 */
async function keep(name: string, handle: WorkflowHandle): Promise<void> {
  writeHistory(join(historiesDirectory, `${name}.json`), await handle.fetchHistory());
}

async function atGate(lab: Lab): Promise<WorkflowHandle> {
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  return entry;
}

async function recordDone(lab: Lab): Promise<void> {
  const entry = await atGate(lab);
  await lab.run().signal('approve', { gate: 'wrong', by: 'erik' });
  await lab.run().executeUpdate('approve', { args: [{ by: 'erik' }] });
  await entry.result();
  await keep('recoverSystem.done', entry);
  await keep('runRecovery.done', lab.run());
  const archive = lab.env.client.workflow.getHandle('archive/demo/documents');
  await archive.signal('stop');
  await archive.result();
  await keep('runArchive.stopped', archive);
  await keep('runBackup.done', lab.env.client.workflow.getHandle('backup/demo'));
}

/** Fails, is retried, skipped and aborted; one undo gets stuck. */
async function recordAborted(lab: Lab): Promise<void> {
  let broken = true;
  const { removeTarget, replayLog } = lab.stubs.answers;
  lab.stubs.answers.replayLog = (input) => (broken ? Promise.reject(new HoldfastError('ReplayFailed', 'stops at 7')) : replayLog(input));
  lab.stubs.answers.removeTarget = (input) => (broken ? Promise.reject(new HoldfastError('Unsupported', 'does not stop')) : removeTarget(input));
  lab.stubs.answers.promoteTarget = () => untilCancelled();
  lab.stubs.answers.fencePrimary = () => Promise.resolve({ outcome: 'unproved', logReachable: false, evidence: ['no answer'], fencedAt: '2026-01-01T00:00:00.000Z' });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), stepIs('replay', 'failed'));
  broken = false;
  await entry.signal('retry');
  await until(lab.run(), gateOpen('approve-switch'));
  await entry.signal('reject', { by: 'erik', reason: 'look again' });
  await until(lab.run(), stepIs('approve-switch', 'failed'));
  await entry.signal('retry');
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), gateOpen('accept-unproved-fence'));
  await lab.run().signal('approve', { by: 'fay' });
  await until(lab.run(), stepIs('promote', 'running'));
  broken = true;
  await entry.cancel();
  await until(lab.run(), ({ status }) => status === 'stuck');
  broken = false;
  await entry.signal('retry');
  await entry.result().catch(() => undefined);
  await keep('recoverSystem.cancelled', entry);
  await keep('runRecovery.aborted', lab.run());
}

async function recordOthers(lab: Lab): Promise<void> {
  const gap = { from: point.reaches, to: '1763700500-0000000001', why: 'the oplog was too short' };
  const rounds = [{ why: 'gap' as const, gap }, { why: 'handover' as const, gap: null }];
  lab.stubs.answers.archiveLog = () => {
    const next = rounds.shift();
    return next ? Promise.resolve({ ...next, timeline: 't00000001', archivedTo: point.reaches, slices: 1, entries: 1 }) : untilCancelled();
  };
  const archiveEntry = await lab.start('archiveLog', 'demo');
  const { runId } = (await archiveEntry.result()) as { runId: string };
  await keep('archiveLog.done', archiveEntry);
  while (!lab.stubs.called().includes('sealBackup')) await archiveEntry.describe();
  await lab.env.client.workflow.getHandle('backup-after-gap/demo/documents/1763700500-0000000001').result();
  await keep('runArchive.gap', lab.env.client.workflow.getHandle('archive/demo/documents', runId));
  const backup = await lab.start('backUpSystem', { system: 'demo', why: 'before the upgrade' });
  await backup.result();
  await keep('backUpSystem.done', backup);
  const verify = await lab.start('verifySystem', 'demo');
  await verify.result();
  await keep('verifySystem.done', verify);
  for (const type of entryWorkflows.slice(4).filter((name) => name !== 'openIncident')) {
    const reader = await lab.start(type, JSON.parse(inputExamples[type]));
    await reader.result();
    await keep(`${type}.done`, reader);
  }
}

/** One is silent, comes back and takes writes, is fenced, and is told of no more; another tells people, and ends by time. `runWatch.untold` is one that told them neither what it took nor its end: nothing makes it anew. */
async function recordWatch(lab: Lab): Promise<void> {
  const at = '2026-11-21T03:00:00.000Z';
  const silent = { heard: 'refused' as const, takesWrites: null, seen: 'nothing listens', over: null, at };
  const answers = [silent, silent, { ...silent, heard: 'open' as const, takesWrites: true, seen: 'it takes writes' }];
  lab.stubs.answers.probeOldPrimary = () => Promise.resolve(answers.shift() ?? silent);
  const startedAt = new Date(await lab.env.currentTimeMs()).toISOString();
  const input = { system: 'demo', source: 'documents', run: 'R1', epoch: 1, environment: 'production', timeline: 't00000001', limit: point.limit, startedAt, endsAt: new Date(Date.parse(startedAt) + 3_600_000).toISOString(), fence: 'unproved' };
  const watch = await lab.start('runWatch', input, 'watch/demo/documents');
  await lab.env.sleep('2m');
  await watch.signal('look');
  await watch.signal('stop');
  await watch.result();
  await keep('runWatch.found', watch);
  answers.push({ ...silent, heard: 'open' as const, takesWrites: true, seen: 'it takes writes' });
  const fromMs = await lab.env.currentTimeMs();
  const notify = toNotifyView(notifySchema.parse({ receivers: { 'on-call': { kind: 'pagerduty', routingKey: 'file:secret' } } }))!;
  const told = await lab.start('runWatch', { ...input, notify, startedAt: new Date(fromMs).toISOString(), endsAt: new Date(fromMs + 60_000).toISOString() }, 'watch/demo/told');
  await told.result();
  await keep('runWatch.told', told);
}

/** An alert proposes a run, which a person starts; its update is late; it is resolved and reviewed. */
async function recordIncident(lab: Lab): Promise<void> {
  const incidents = toIncidentsView(incidentsSchema.parse({ owners: { 'approve-switch': { role: 'Incident Commander' } } }), listenSchema.parse({ alertmanager: { token: 'file:t' }, alerts: { down: { match: { alertname: 'Down' } } } }));
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, incidents });
  const at = new Date(await lab.env.currentTimeMs()).toISOString();
  const alert = { key: 'alertmanager/f1/1', from: 'alertmanager', rule: 'down', name: 'Down', state: 'firing', at, summary: 'no answer', link: null };
  const entry = await lab.start('openIncident', { system: 'demo', alert });
  await entry.result();
  await (await lab.start('openIncident', { system: 'demo', alert: { ...alert, state: 'resolved' } }, 'again')).result();
  const incident = lab.env.client.workflow.getHandle('incident/demo');
  await incident.signal('start', { by: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.env.sleep('40m');
  await lab.run().signal('approve', { by: 'erik' });
  await lab.run().result();
  await incident.executeUpdate('resolve', { args: [{ text: 'on the standby', by: 'dana' }] });
  await incident.signal('review', { cause: 'a worn disk', by: 'dana' });
  await incident.result();
  await keep('openIncident.done', entry);
  await keep('runIncident.done', incident);
  await keep('recoverSystem.incident', lab.env.client.workflow.getHandle((await lab.run().describe()).parentExecution!.workflowId!));
  await keep('runRecovery.incident', lab.run());
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
}

/** One waits and is approved, another is rejected. */
async function recordRetention(lab: Lab): Promise<void> {
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, retention: { waitMs: 3_600_000, approval: 'go' }, approvals: { go: { description: 'may it go?', quorum: 2, people: [], notRequester: true } } });
  const start = (name: string) => lab.start('applyRetention', { system: 'demo', apply: true, requestedBy: 'dana' }, name);
  const applied = await start('applied');
  while (!lab.stubs.called().includes('planRetention')) await applied.describe();
  await lab.env.sleep('2h');
  await applied.signal('approve', { by: 'dana' });
  await applied.executeUpdate('approve', { args: [{ by: 'erik' }] });
  await applied.signal('approve', { by: 'fay' });
  await applied.result();
  await keep('applyRetention.applied', applied);
  const rejected = await start('rejected');
  await lab.env.sleep('10m');
  await rejected.signal('reject', { by: 'erik' });
  await rejected.result();
  await keep('applyRetention.rejected', rejected);
}

/** One waits for a lock and goes on as a new run behind another, one is rejected. */
async function recordDisposal(lab: Lab): Promise<void> {
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, disposal: { approval: 'go' }, approvals: { go: { description: 'may it go?', quorum: 1, people: [], notRequester: true } } });
  const passes = [3_600_000, 30 * 86_400_000].map((waitMs) => destroyed({ state: 'locked', why: 'its keys are locked', until: '2026-11-23T12:00:00.000Z', waitMs, keysGone: false }));
  lab.stubs.answers.destroyPoint = () => Promise.resolve(passes.shift() ?? destroyed());
  const start = (name: string) => lab.start('disposePoint', { system: 'demo', point: 'B1', reason: 'a court ordered it', requestedBy: 'dana' }, name);
  const waited = await start('waited');
  const { runId } = await waited.describe();
  while (!lab.stubs.called().includes('planDisposal')) await waited.describe();
  await lab.env.sleep('10m');
  await waited.executeUpdate('approve', { args: [{ by: 'erik' }] });
  await waited.result();
  await keep('disposePoint.waited', lab.env.client.workflow.getHandle('waited', runId));
  await keep('disposePoint.underway', waited);
  const rejected = await start('rejected');
  await lab.env.sleep('10m');
  await rejected.signal('reject', { by: 'erik', reason: 'an audit is on' });
  await rejected.result();
  await keep('disposePoint.rejected', rejected);
  const passed = [3_600_000, 30 * 86_400_000].map((waitMs) => destroyed({ state: 'locked', why: 'its keys are locked', until: '2026-11-23T12:00:00.000Z', waitMs, keysGone: false }));
  lab.stubs.answers.destroyPoint = () => Promise.resolve(passed.shift() ?? destroyed());
  const all = await lab.start('disposeAll', { system: 'demo', reason: 'it is given up', expected: 'd'.repeat(64), requestedBy: 'dana' }, 'all');
  const first = (await all.describe()).runId;
  while (!lab.stubs.called().includes('planDisposals')) await all.describe();
  await lab.env.sleep('10m');
  await all.executeUpdate('approve', { args: [{ by: 'erik' }] });
  await all.result();
  await keep('disposeAll.waited', lab.env.client.workflow.getHandle('all', first));
  await keep('disposeAll.underway', all);
}

/** It is late, its store was changed and a schedule has stopped; what is gone is accepted, and it is stopped. */
async function recordReadiness(lab: Lab): Promise<void> {
  const { checkReadiness } = lab.stubs.answers;
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, notify: toNotifyView(notifySchema.parse({ receivers: { 'on-call': { kind: 'pagerduty', routingKey: 'file:secret' } } }))! });
  const watch = await lab.start('watchReadiness', { system: 'demo' }, lockIds.ready('demo'));
  const pass = async (): Promise<void> => {
    const { checks } = await watch.query<ReadinessAnswer>(readinessQuery);
    while ((await watch.query<ReadinessAnswer>(readinessQuery)).checks === checks) await lab.env.sleep('1m');
  };
  await pass();
  lab.stubs.answers.checkReadiness = async (input) => {
    const { facts, ...rest } = await checkReadiness(input);
    return { facts: { ...facts, sources: facts.sources.map((source) => ({ ...source, rpoMs: 36_000_000, lost: input.accept ? [] : ['base B1 was there, and its manifest is gone'] })) }, ...rest };
  };
  lab.stubs.answers.readFires = () => Promise.resolve([{ id: 'demo/full-backup', state: 'missing', lastAt: null, dueAt: null, nextAt: null }]);
  await watch.signal('look');
  await pass();
  await pass();
  await watch.signal('accept', { source: 'documents', by: 'dana', reason: 'we deleted it' });
  await pass();
  await watch.signal('look');
  await pass();
  await watch.signal('stop');
  await watch.result();
  await keep('watchReadiness.done', watch);
}

/** Its first snapshot is lost while its groups are read. */
async function recordHeldSnapshot(lab: Lab): Promise<void> {
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, sources: { documents: { engine: 'postgres', environment: 'production' } } });
  const { dumpGroup } = lab.stubs.answers;
  const beginnings = (): number => lab.stubs.called().filter((name) => name === 'holdSnapshot').length;
  lab.stubs.answers.holdSnapshot = async () => {
    if (beginnings() > 1) return await untilCancelled();
    while (!lab.stubs.called().includes('dumpGroup')) await new Promise((resolve) => setImmediate(resolve));
    throw new HoldfastError('SnapshotLost', 'its session is gone');
  };
  lab.stubs.answers.dumpGroup = async (input) => await (beginnings() > 1 ? dumpGroup(input) : untilCancelled());
  await (await lab.start('backUpSystem', 'demo')).result();
  await keep('runBackup.held', lab.env.client.workflow.getHandle('backup/demo'));
}

/** A drill is aborted: its target is taken back by its type, a program and a person; a checklist before it by a person alone. */
async function recordUndoneByHand(lab: Lab): Promise<void> {
  const steps = [
    { id: 'declare', uses: 'declare' },
    { id: 'name', uses: 'manual', needs: ['declare'], with: { items: [{ id: 'point', do: 'Point the name here' }] }, undo: { manual: 'Point the name back' } },
    { id: 'make', uses: 'provision', needs: ['name'], undo: { command: 'name-back', inDrills: true, manual: 'Look that the name is gone' } },
    { id: 'look', uses: 'manual', needs: ['make'], with: { items: [{ id: 'size', do: 'Look at the size' }] } },
  ];
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, commands: { 'name-back': { undo: false } }, runbook: runbookSchema.parse({ steps }) });
  const entry = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', requestedBy: 'dana' });
  const confirm = async (step: string): Promise<unknown> => (await until(lab.run(), stepIs(step, 'waiting')), await lab.run().executeUpdate('confirm', { args: [{ step, by: 'erik' }] }));
  await confirm('name');
  await until(lab.run(), stepIs('look', 'waiting'));
  await lab.run().signal('abort', { by: 'erik', reason: 'wrong night' });
  await confirm('make');
  await until(lab.run(), stepIs('name', 'waiting'));
  await lab.run().signal('confirm', { step: 'name', item: 'undo', by: 'fay' });
  await entry.result().catch(() => undefined);
  await keep('runRecovery.undone-by-hand', lab.run());
}

/** A target in whose place the fenced server of an earlier run lies; refused first, while it is somebody's. */
async function recordRoomMade(lab: Lab): Promise<void> {
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, runbook: runbookSchema.parse({ steps: [{ id: 'declare', uses: 'declare' }, { id: 'provision', uses: 'provision', needs: ['declare'], with: { left: 'move-aside' } }] }) });
  const { checkTarget } = lab.stubs.answers;
  lab.stubs.answers.checkTarget = () => Promise.reject(new HoldfastError('TargetNotEmpty', 'of another run'));
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), stepIs('provision', 'failed'));
  lab.stubs.answers.checkTarget = checkTarget;
  await lab.run().signal('retry', { step: 'provision', by: 'erik' });
  await entry.result();
  await keep('runRecovery.room-made', lab.run());
}

/** `node test/replay/record.ts Watch`: only those whose name holds the word; left out: all. */
const only = process.argv[2] ?? '';
mkdirSync(historiesDirectory, { recursive: true });
for (const record of [recordDone, recordAborted, recordOthers, recordWatch, recordIncident, recordRetention, recordDisposal, recordReadiness, recordHeldSnapshot, recordUndoneByHand, recordRoomMade].filter(({ name }) => name.includes(only))) {
  const cleanUps: (() => unknown)[] = [];
  const owner = { after: (cleanUp: () => unknown) => void cleanUps.push(cleanUp) } as unknown as TestContext;
  try {
    await record(await openLab(owner));
  } finally {
    for (const cleanUp of cleanUps) await cleanUp();
  }
}
