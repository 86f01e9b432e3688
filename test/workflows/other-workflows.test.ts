import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { CancelledFailure } from '@temporalio/common';
import type { ActToRecord, ArchiveOutcome, BackupSummary } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { ArchiveState } from '../../workflows/run-archive.ts';
import { details, failureOf, openLab, type Lab } from './lab.ts';
import { point, view } from './stub-activities.ts';
import { untilCancelled } from './until-cancelled.ts';

/** Asks until it is so; each query is a round trip. */
async function eventually(handle: WorkflowHandle, wanted: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await wanted())) {
    if (Date.now() > deadline) throw new Error('not reached within 10 s');
    await handle.describe();
  }
}

const count = (lab: Lab, name: string): number => lab.stubs.called().filter((called) => called === name).length;
const twoSources = { ...view, sources: { documents: { engine: 'mongodb', environment: 'production' }, users: { engine: 'mongodb', environment: 'production' } } };
const archive = (lab: Lab): WorkflowHandle => lab.env.client.workflow.getHandle('archive/demo/documents');

test('an incremental backup of a source that takes none fails at once, by name; one whose base is full all the same says so', async (t) => {
  const lab = await openLab(t);
  const refused = await failureOf(await lab.start('backUpSystem', { system: 'demo', incremental: true }, 'refused'));
  assert.deepEqual([refused.type, /demo\/documents: the engine "mongodb" takes full bases alone/.test(refused.message)], ['Unsupported', true], refused.message);
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, sources: { documents: { engine: 'postgres-physical', environment: 'production' } } });
  const { sealBackup } = lab.stubs.answers;
  lab.stubs.answers.sealBackup = async (input) => ({ ...(await sealBackup(input)), instead: 'there is no good base', lacks: { what: 'no password of app', hint: 'ALTER ROLE' } });
  await (await lab.start('backUpSystem', { system: 'demo', incremental: true }, 'taken')).result();
  assert.equal((lab.stubs.calls.find(({ name }) => name === 'planDump')!.input as { incremental?: boolean }).incremental, true);
  const report = lab.stubs.calls.find(({ name }) => name === 'writeBackupReport')!.input as { report: { warnings: string[] } };
  assert.match(report.report.warnings.join(), /documents: a full base was taken, and no incremental one: there is no good base,documents: no password of app HINT: ALTER ROLE/);
});

test('a workflow type that is not there fails at once, and lists those that are', async (t) => {
  const lab = await openLab(t);
  const failure = await failureOf(await lab.start('recoverSytem', 'demo'));
  assert.equal(failure.nonRetryable, true);
  assert.match(failure.message, /no workflow type "recoverSytem".*start one of: recoverSystem.*backUpSystem.*archiveLog.*verifySystem.*listRecoveryPoints.*planRecovery.*readArchiveStatus.*rebuildCatalog.*readAudit/);
});

test('a child’s type typed by hand fails at once, and names the entry to start', async (t) => {
  const lab = await openLab(t);
  for (const [type, entry] of [['runRecovery', 'recoverSystem'], ['runBackup', 'backUpSystem'], ['runArchive', 'archiveLog']] as const) {
    const failure = await failureOf(await lab.start(type, undefined));
    assert.equal(failure.type, 'BadInput');
    assert.match(failure.message, new RegExp(`start ${entry} with`));
  }
});

test('a backup plans, dumps every group at most four at a time, and seals', async (t) => {
  let now = 0;
  let most = 0;
  const lab = await openLab(t);
  const dump = lab.stubs.answers.dumpGroup;
  lab.stubs.answers.dumpGroup = async (input) => {
    most = Math.max(most, (now += 1));
    await new Promise((resolve) => setImmediate(resolve));
    now -= 1;
    return await dump(input);
  };
  const entry = await lab.start('backUpSystem', { system: 'demo', why: 'before the upgrade' });
  const [summary] = (await entry.result()) as BackupSummary[];
  assert.equal(summary!.parts, 6);
  assert.match(summary!.backup, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.ok(most <= 4, String(most));
  const widths = lab.stubs.calls.filter(({ name }) => name === 'dumpGroup').map(({ input }) => (input as { width: number }).width);
  assert.deepEqual(new Set(widths), new Set([4]), 'each is told how many share the source’s limits');
  assert.equal((lab.stubs.calls.find(({ name }) => name === 'planDump')!.input as { why: string }).why, 'before the upgrade');
  const shown = await details(lab.env.client.workflow.getHandle('backup/demo'));
  assert.match(shown, /documents: done, 6 of 6 groups/);
  assert.doesNotMatch(shown, /not archived/);
});

test('a backup of a system whose log nobody archives says so', async (t) => {
  const lab = await openLab(t);
  const ask = lab.stubs.answers.readArchiveStatus;
  lab.stubs.answers.readArchiveStatus = async (input) => ({ ...(await ask(input)), archivedTo: null, rpoMs: null });
  await (await lab.start('backUpSystem', 'demo')).result();
  assert.match(await details(lab.env.client.workflow.getHandle('backup/demo')), /the log of documents is not archived: start archiveLog with \{"system": "demo", "source": "documents"\}/);
});

test('a group that cannot be dumped fails the backup with its own reason, and nothing is sealed', async (t) => {
  const lab = await openLab(t, { dumpGroup: () => Promise.reject(new HoldfastError('WrongKey', 'key k2 is not k1')) });
  const failure = await failureOf(await lab.start('backUpSystem', 'demo'));
  assert.equal(failure.type, 'WrongKey');
  assert.match(failure.message, /key k2 is not k1/);
  assert.equal(count(lab, 'sealBackup'), 0);
});

test('two backups at once: the second fails and names the first, or waits when it was told to', async (t) => {
  let goOn = (): void => undefined;
  const held = new Promise<void>((resolve) => (goOn = resolve));
  const lab = await openLab(t);
  const seal = lab.stubs.answers.sealBackup;
  lab.stubs.answers.sealBackup = async (input) => (await held, seal(input));
  const first = await lab.start('backUpSystem', 'demo', 'one');
  await eventually(first, () => count(lab, 'sealBackup') === 1);
  const second = await failureOf(await lab.start('backUpSystem', 'demo', 'two'));
  assert.equal(second.type, 'AlreadyRunning');
  assert.match(second.message, /workflow backup\/demo/);
  const third = await lab.start('backUpSystem', { system: 'demo', ifRunning: 'wait' }, 'three');
  await eventually(third, async () => (await details(third)).includes('Waits for workflow'));
  goOn();
  await first.result();
  await third.result();
  assert.equal(count(lab, 'sealBackup'), 2);
});

test('a backup shows of each source how far what is its own is, also while it is read back; cancelling its entry cancels it, and waits for what works', async (t) => {
  let ended = 0;
  const working = async (): Promise<never> => {
    try {
      return await untilCancelled();
    } finally {
      ended += 1;
    }
  };
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(twoSources), verifyRecoveryPoint: working });
  const dump = lab.stubs.answers.dumpGroup;
  lab.stubs.answers.dumpGroup = async (input) => (input.source === 'users' ? await dump(input) : await working());
  const entry = await lab.start('backUpSystem', 'demo');
  const backup = lab.env.client.workflow.getHandle('backup/demo');
  await eventually(entry, () => count(lab, 'dumpGroup') === 10 && count(lab, 'verifyRecoveryPoint') === 1);
  const told = { phase: 'p', done: 1, of: 4, unit: 'bytes', percent: 25, perSecond: 1, leftMs: 3_000, log: null };
  const progress = async (...activities: object[]): Promise<void> => await backup.signal('progress', { at: '2026-11-21T03:00:05.000Z', activities });
  await progress({ ...told, activity: 'dumpGroup', source: 'documents', done: 300 }, { ...told, activity: 'dumpGroup', source: 'users' });
  await progress({ ...told, activity: 'verifyRecoveryPoint', source: 'users' });
  await eventually(backup, async () => /users: reading back, 6 of 6 groups, 25\.0%, 1 B of 4 B, 1 B\/s, 3\.0s left/.test(await details(backup)));
  assert.match(await details(backup), /documents: dumping, 0 of 6 groups, 50\.0%, 300 B of 600 B/);
  await entry.cancel();
  await assert.rejects(entry.result(), (error: unknown) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
  assert.equal(ended, 5);
});

test('inputs of the other workflows are refused by field, value and example', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(twoSources) });
  const cases: [string, unknown, RegExp][] = [
    ['backUpSystem', { system: 'demo', source: 'documets' }, /field "source" is "documets", and demo has documents, users/],
    ['backUpSystem', { system: 'demo', ifRunning: 'queue' }, /field "ifRunning" is "queue", expected "fail", "wait" or "skip"/],
    ['archiveLog', 'demo', /field "source" is missing, and demo has documents, users/],
    ['archiveLog', { system: 'demo', sourse: 'documents' }, /unknown field "sourse".*for example/],
    ['verifySystem', { system: 'demo', backup: 'B1' }, /a backup belongs to one source/],
  ];
  for (const [type, input, text] of cases) {
    const failure = await failureOf(await lab.start(type, input));
    assert.equal(failure.type, 'BadInput', failure.message);
    assert.match(failure.message, text);
  }
});

test('an archive goes on as new after each round, asks for a base after a gap, once, and stops by signal', async (t) => {
  const outcome = (why: ArchiveOutcome['why'], gap: ArchiveOutcome['gap'] = null): ArchiveOutcome => ({ why, timeline: 't00000001', archivedTo: point.reaches, slices: 1, entries: 1, gap });
  const gap = { from: point.reaches, to: '1763700500-0000000001', why: 'the oplog was too short' };
  const rounds = [outcome('handover'), outcome('gap', gap), outcome('gap', gap), outcome('election')];
  const lab = await openLab(t);
  lab.stubs.answers.archiveLog = () => {
    const next = rounds.shift();
    return next ? Promise.resolve(next) : untilCancelled();
  };
  const started = (await (await lab.start('archiveLog', 'demo')).result()) as { workflowId: string; runId: string };
  assert.equal(started.workflowId, 'archive/demo/documents');
  await eventually(archive(lab), () => count(lab, 'archiveLog') === 5);
  assert.notEqual((await archive(lab).describe()).runId, started.runId, 'continued as new');
  const { events } = await archive(lab).fetchHistory();
  const lostAfterSeconds = events!.flatMap(({ activityTaskScheduledEventAttributes: of }) => (of ? [[of.activityType?.name, Number(of.heartbeatTimeout?.seconds)]] : []));
  assert.deepEqual(lostAfterSeconds.slice(0, 3), [['loadSystem', 10], ['claimEpoch', 10], ['archiveLog', view.rpoObjectiveMs / 10_000]], 'a lost worker costs an archive a tenth of the RPO');
  await eventually(archive(lab), () => count(lab, 'planDump') > 0);
  const base = lab.env.client.workflow.getHandle('backup-after-gap/demo/documents/1763700500-0000000001');
  await base.result();
  const plans = lab.stubs.calls.filter(({ name }) => name === 'planDump');
  assert.equal(plans.length, 1);
  assert.match((plans[0]!.input as { why: string }).why, /after a gap in the log.*the oplog was too short/);
  const again = await failureOf(await lab.start('archiveLog', 'demo', 'again'));
  const { recordAct } = lab.stubs.answers;
  const acts = count(lab, 'recordAct');
  let away = true;
  assert.equal(again.type, 'AlreadyRunning');
  lab.stubs.answers.recordAct = (act) => (away ? Promise.reject(new HoldfastError('NotPermitted', 'the store is away')) : recordAct(act));
  await archive(lab).signal('stop', { by: 'dana', reason: 'the source is moved' });
  await archive(lab).signal('stop', 'again');
  await eventually(archive(lab), () => count(lab, 'recordAct') > acts);
  away = false;
  const state = (await archive(lab).result()) as ArchiveState;
  assert.equal(state.stopping, true);
  const stops = lab.stubs.calls.map(({ name, input: of }) => (name === 'recordAct' ? (of as ActToRecord) : undefined)).filter((act) => act?.act === 'stop');
  assert.deepEqual([new Set(stops.map((act) => `${act!.by}: ${act!.about}`)), stops.length], [new Set(['dana: the archive of documents is stopped: the source is moved']), 2], 'once, and tried again while the store does not take it');
  assert.equal(state.last!.why, 'election');
});

test('an archive outlives a round that fails, shows why and since when, and goes on', async (t) => {
  const lab = await openLab(t);
  const { loadSystem, claimEpoch } = lab.stubs.answers;
  await (await lab.start('archiveLog', 'demo')).result();
  await eventually(archive(lab), () => count(lab, 'archiveLog') === 1);
  lab.stubs.answers.loadSystem = () => Promise.reject(new HoldfastError('BadSystemFile', 'field "sorces" is unknown'));
  await archive(lab).signal('moved');
  await eventually(archive(lab), async () => /rounds fail since 20.*BadSystemFile: field "sorces" is unknown/.test(await details(archive(lab))));
  const { trouble } = await archive(lab).query<ArchiveState>('state');
  lab.stubs.answers.loadSystem = loadSystem;
  lab.stubs.answers.claimEpoch = () => Promise.reject(new HoldfastError('StoreUnavailable', 'connection refused'));
  await lab.env.sleep('3m');
  await eventually(archive(lab), async () => (await details(archive(lab))).includes('StoreUnavailable: connection refused'));
  assert.equal((await archive(lab).query<ArchiveState>('state')).trouble!.since, trouble!.since);
  lab.stubs.answers.claimEpoch = claimEpoch;
  lab.stubs.answers.archiveLog = () => Promise.resolve({ why: 'superseded', timeline: 't00000001', archivedTo: point.reaches, slices: 0, entries: 0, gap: null });
  assert.equal((await failureOf(archive(lab))).type, 'EpochSuperseded');
});

test('a base after a gap that fails is asked for again', async (t) => {
  const gap = { from: point.reaches, to: '1763700500-0000000001', why: 'the oplog was too short' };
  const rounds = [{ why: 'gap' as const, gap }];
  const lab = await openLab(t);
  const { planDump } = lab.stubs.answers;
  lab.stubs.answers.planDump = () => Promise.reject(new HoldfastError('WrongKey', 'key k2 is not k1'));
  lab.stubs.answers.archiveLog = () => {
    const next = rounds.shift();
    return next ? Promise.resolve({ ...next, timeline: 't00000001', archivedTo: point.reaches, slices: 1, entries: 1 }) : Promise.reject(new HoldfastError('BadInput', 'another replica set'));
  };
  await (await lab.start('archiveLog', 'demo')).result();
  await eventually(archive(lab), async () => /WrongKey/.test((await archive(lab).query<ArchiveState>('state')).baseWanted?.failed ?? ''));
  lab.stubs.answers.planDump = planDump;
  await lab.env.sleep('6m');
  await eventually(archive(lab), async () => (await archive(lab).query<ArchiveState>('state')).baseWanted === null);
  assert.equal(count(lab, 'sealBackup'), 1);
});

test('an archive that another control plane superseded ends with a clear failure', async (t) => {
  const lab = await openLab(t, { archiveLog: () => Promise.resolve({ why: 'superseded', timeline: 't00000001', archivedTo: point.reaches, slices: 0, entries: 0, gap: null }) });
  await (await lab.start('archiveLog', 'demo')).result();
  const failure = await failureOf(archive(lab));
  assert.equal(failure.type, 'EpochSuperseded');
  assert.match(failure.message, /archive of demo\/documents ends/);
});

test('an archive is cancelled only once its tail has ended', async (t) => {
  let ended = false;
  const lab = await openLab(t, {
    archiveLog: async () => {
      try {
        return await untilCancelled();
      } finally {
        ended = true;
      }
    },
  });
  await (await lab.start('archiveLog', 'demo')).result();
  await eventually(archive(lab), () => count(lab, 'archiveLog') === 1);
  await archive(lab).cancel();
  await assert.rejects(archive(lab).result(), (error: unknown) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
  assert.equal(ended, true);
});
