import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CancelledFailure, WorkflowFailedError } from '@temporalio/client';
import type { BackupSummary } from '../../workflows/contract.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { until } from '../harness/until.ts';
import { details, failureOf, openLab, openRealLab, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';
import { untilCancelled } from './until-cancelled.ts';

const loadSystem = () => Promise.resolve({ ...view, sources: { documents: { engine: 'postgres', environment: 'production' } } });
const askedWith = (lab: Lab, name: string): string[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => (input as { backup: string }).backup);

/** How many activities of a type the backup had asked for and not heard of, at most. */
async function mostAtOnce(lab: Lab, type: string): Promise<number> {
  const { events } = await lab.env.client.workflow.getHandle('backup/demo').fetchHistory();
  const open = new Set<string>();
  return Math.max(...events!.map(({ eventId, activityTaskScheduledEventAttributes: scheduled, activityTaskCompletedEventAttributes: completed }) => {
    if (scheduled?.activityType?.name === type) open.add(String(eventId));
    if (completed) open.delete(String(completed.scheduledEventId));
    return open.size;
  }));
}

test('the snapshot of a base is held from before its plan until its groups are read, and not while it is sealed', async (t) => {
  const happened: string[] = [];
  const lab = await openLab(t, {
    loadSystem,
    holdSnapshot: async () => {
      try {
        return await untilCancelled();
      } finally {
        happened.push('let go');
      }
    },
  });
  const { sealBackup } = lab.stubs.answers;
  lab.stubs.answers.sealBackup = async (input) => (happened.push('sealed'), await sealBackup(input));
  const [summary] = (await (await lab.start('backUpSystem', 'demo')).result()) as BackupSummary[];
  assert.deepEqual(happened, ['let go', 'sealed']);
  assert.equal(await mostAtOnce(lab, 'dumpGroup'), 4, 'of six groups');
  assert.deepEqual([askedWith(lab, 'holdSnapshot'), askedWith(lab, 'planDump')], [[summary!.backup], [summary!.backup]], 'one snapshot, of the backup that was sealed');
});

test('a base whose snapshot is lost begins again under another id, and says so; nothing of the first is sealed', async (t) => {
  const lose: (() => void)[] = [];
  const lab = await openLab(t, { loadSystem });
  const { dumpGroup } = lab.stubs.answers;
  // The first by its holder, the second by a group that finds it gone.
  lab.stubs.answers.holdSnapshot = async () => await (askedWith(lab, 'holdSnapshot').length > 1 ? untilCancelled() : new Promise((_, reject) => lose.push(() => reject(new HoldfastError('SnapshotLost', 'its session is gone')))));
  lab.stubs.answers.dumpGroup = async (input) => {
    const base = askedWith(lab, 'holdSnapshot').length;
    if (base === 1) return await untilCancelled();
    if (base === 2 && input.group === 'g3') throw new HoldfastError('SnapshotLost', 'snapshot 5-1 does not exist');
    return await dumpGroup(input);
  };
  const entry = await lab.start('backUpSystem', 'demo');
  await until('groups read', () => lab.stubs.called().includes('dumpGroup'));
  lose[0]!();
  const [summary] = (await entry.result()) as BackupSummary[];
  const backups = askedWith(lab, 'holdSnapshot');
  assert.equal(new Set(backups).size, 3);
  assert.equal(summary!.backup, backups[2]);
  assert.deepEqual(lab.stubs.calls.filter(({ name }) => name === 'sealBackup').map(({ input }) => (input as { plan: { backup: string } }).plan.backup), [backups[2]]);
  const shown = await details(lab.env.client.workflow.getHandle('backup/demo'));
  assert.match(shown, /the snapshot that documents was read at is gone \(SnapshotLost: its session is gone\): the base begins again, with another one, in 5\.0s/);
  assert.match(shown, /snapshot 5-1 does not exist/);
});

test('what another snapshot would not help fails the backup by its own name, and a source that never holds one is given up', async (t) => {
  const lab = await openLab(t, { loadSystem, planDump: () => untilCancelled(), holdSnapshot: () => Promise.reject(new HoldfastError('NotPermitted', 'permission denied for table orders')) });
  const refused = await failureOf(await lab.start('backUpSystem', 'demo'));
  assert.deepEqual([refused.type, refused.message], ['NotPermitted', 'permission denied for table orders']);
  assert.equal(askedWith(lab, 'holdSnapshot').length, 1);

  lab.stubs.answers.holdSnapshot = () => Promise.reject(new HoldfastError('SourceUnavailable', '127.0.0.1:1: connect ECONNREFUSED'));
  const given = await failureOf(await lab.start('backUpSystem', 'demo', 'again'));
  assert.deepEqual([given.type, given.message], ['SourceUnavailable', '127.0.0.1:1: connect ECONNREFUSED']);
  assert.equal(askedWith(lab, 'holdSnapshot').length, 6, 'five more, and no more');
  assert.ok(!lab.stubs.called().includes('sealBackup'));
});

test('a holder that fails while groups are about to begin fails the backup by its own name, every time', async (t) => {
  // On a real server: the time-skipping one never takes a task that cancels what is scheduled and has not begun.
  const lab = await openRealLab(t, { loadSystem, holdSnapshot: () => Promise.reject(new HoldfastError('Tampered', 'broken')) });
  for (const entry of ['first', 'second', 'third', 'fourth', 'fifth']) {
    const { type, message } = await failureOf(await lab.start('backUpSystem', 'demo', entry));
    assert.deepEqual([type, message], ['Tampered', 'broken']);
  }
  assert.ok(!lab.stubs.called().includes('sealBackup'));
});

test('a group of which nothing is heard any more when the snapshot is lost, since its worker died with the holder’s, fails no backup', async (t) => {
  const lose: (() => void)[] = [];
  const lab = await openRealLab(t, { loadSystem });
  const { dumpGroup } = lab.stubs.answers;
  lab.stubs.answers.holdSnapshot = async () => await (askedWith(lab, 'holdSnapshot').length > 1 ? untilCancelled() : new Promise((_, reject) => lose.push(() => reject(new HoldfastError('SnapshotLost', 'its session is gone')))));
  // A real server fails what was told to be cancelled and failed, as it does what fell silent, and tries it no more.
  lab.stubs.answers.dumpGroup = async (input) =>
    askedWith(lab, 'holdSnapshot').length > 1 ? await dumpGroup(input) : await untilCancelled().catch(() => Promise.reject(new HoldfastError('StoreUnavailable', 'nothing is heard of it')));
  const entry = await lab.start('backUpSystem', 'demo');
  await until('groups read', () => lab.stubs.called().includes('dumpGroup'));
  lose[0]!();
  const [summary] = (await entry.result()) as BackupSummary[];
  assert.equal(summary!.backup, askedWith(lab, 'holdSnapshot')[1]);
});

test('a backup that is cancelled lets go of its snapshot', async (t) => {
  let held = 0;
  const lab = await openLab(t, {
    loadSystem,
    dumpGroup: () => untilCancelled(),
    holdSnapshot: async () => {
      held += 1;
      try {
        return await untilCancelled();
      } finally {
        held -= 1;
      }
    },
  });
  const entry = await lab.start('backUpSystem', 'demo');
  await until('groups read', () => lab.stubs.called().includes('dumpGroup'));
  assert.equal(held, 1);
  await entry.cancel();
  await assert.rejects(entry.result(), (error: unknown) => error instanceof WorkflowFailedError && error.cause instanceof CancelledFailure);
  assert.equal(held, 0);
  assert.equal(askedWith(lab, 'holdSnapshot').length, 1, 'a cancel is no loss');
});
