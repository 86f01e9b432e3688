import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { stubActivities, view } from './stub-activities.ts';

/** Which texts the run's own activities were to go by, by activity: those of its entry and of what outlives it go by the file as it is. */
const goneBy = ({ stubs }: Lab): string[] => [...new Set(stubs.calls.map(({ name, systemFile }) => `${name} ${systemFile === undefined ? 'as it is' : `${systemFile.system} ${systemFile.sha256.slice(0, 4)}`}`))];

test('every activity of a run carries the digest of the file that it began with; what outlives it carries none', async (t) => {
  const lab = await openLab(t);
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  // What the workers read now is another file.
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, digest: 'e'.repeat(64) });
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.state.systemFile, view.digest);
  const called = goneBy(lab);
  for (const name of ['findRecoveryPoint', 'restoreGroup', 'validateTarget', 'fencePrimary', 'drainLog', 'admitTraffic', 'startTimeline', 'writeReport', 'releaseHold']) {
    assert.deepEqual(called.filter((one) => one.startsWith(`${name} `)), [`${name} demo dddd`]);
  }
  for (const name of ['loadSystem', 'planDump', 'archiveLog']) assert.deepEqual(called.filter((one) => one.startsWith(`${name} `)), [`${name} as it is`]);
  const loads = lab.stubs.calls.filter(({ name }) => name === 'loadSystem').map(({ input }) => (input as { keep?: boolean }).keep ?? false);
  assert.equal(loads[0], true, 'the start has it kept');
  await lab.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('a person lets a run go on by another file: by its digest and with a reason, in the journal, and from there on', async (t) => {
  const other = 'e'.repeat(64);
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, unkept: 'the store does not answer' }), replayLog: () => Promise.reject(new HoldfastError('BadSystemFile', 'no such file')) });
  await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), stepIs('replay', 'failed'));
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...view, digest: other });
  lab.stubs.answers.replayLog = stubActivities({}).answers.replayLog;
  await assert.rejects(lab.run().executeUpdate('retry', { args: [{ by: 'dana', file: 'new', reason: 'x' }] }));
  await assert.rejects(lab.run().executeUpdate('retry', { args: [{ by: 'dana', file: other }] }), 'without a reason');
  await lab.run().executeUpdate('retry', { args: [{ by: 'dana', file: other, reason: 'the standby has moved' }] });
  const state = await until(lab.run(), gateOpen('approve-switch'));
  assert.equal(state.systemFile, other);
  const said = state.journal.map(({ what, by }) => `${what} (${by ?? 'nobody'})`).join('\n');
  assert.match(said, /the store has no copy of the system file that this run goes by \(the store does not answer\): where the file changes, the run stops and asks/);
  assert.match(said, /goes on by the system file e{64}, no longer by d{64}: the standby has moved \(dana\)/);
  const called = goneBy(lab);
  assert.deepEqual(called.filter((one) => /^(replayLog|buildIndexes|restoreGroup) /.test(one)), ['restoreGroup demo dddd', 'replayLog demo dddd', 'replayLog demo eeee', 'buildIndexes demo eeee']);
  assert.equal((lab.stubs.calls.filter(({ name }) => name === 'loadSystem').at(-1)!.input as { keep?: boolean }).keep, true, 'and it is kept');
  await lab.run().terminate();
});

test('a dry run, and a start whose surprise is still to come, have nothing kept', async (t) => {
  const lab = await openLab(t);
  await (await lab.start('recoverSystem', { system: 'demo', dryRun: true }, 'dry')).result();
  const drill = await lab.start('recoverSystem', { system: 'demo', purpose: 'drill', surprise: '1h' }, 'surprise');
  while (lab.stubs.called().filter((name) => name === 'loadSystem').length < 2) await drill.describe();
  assert.deepEqual(lab.stubs.calls.filter(({ name }) => name === 'loadSystem').map(({ input }) => (input as { keep?: boolean }).keep), [undefined, undefined]);
  await drill.cancel();
  await failureOf(drill).catch(() => undefined);
});
