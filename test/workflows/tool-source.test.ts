import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listNextSteps } from '../../activities/report/outcome.ts';
import { formatBackups } from '../../scripts/commands/backup.ts';
import { createActivities } from '../../activities/index.ts';
import type { BackupSummary } from '../../workflows/contract.ts';
import type { PointsPage } from '../../workflows/domain/list-points.ts';
import type { RecoveryPlan } from '../../workflows/domain/recovery-plan.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { tar, toolPlace } from '../harness/tool-place.ts';
import { failureOf, gateOpen, openLab, stateOf, until } from './lab.ts';
import { view } from './stub-activities.ts';

const toolView = { ...view, sources: { documents: { engine: 'tool', environment: 'production' } } };

test('what a source of the tool engine cannot do is refused at the entry, and its backup does not miss an archive', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(toolView) });
  const refused = async (type: string, input: unknown) => {
    const { type: error, message } = await failureOf(await lab.start(type, input, `entry/${type}`));
    assert.equal(error, 'Unsupported');
    return message;
  };
  assert.match(await refused('archiveLog', 'demo'), /^demo\/documents: the engine "tool" has no log: nothing can be archived, replayed or drained/);
  assert.match(await refused('importDump', { system: 'demo', path: '/dumps/x' }), /imports no dumps/);
  assert.match(await refused('exportRecoveryPoint', { system: 'demo', path: '/dumps/x' }), /exports no dumps/);
  assert.match(await refused('recoverSystem', { system: 'demo', only: ['a.b'] }), /restores a dump whole or not at all/);
  await (await lab.start('backUpSystem', 'demo')).result();
  assert.ok(!lab.stubs.called().includes('readArchiveStatus'));
  assert.deepEqual(lab.stubs.called().filter((name) => ['planImport', 'archiveLog', 'writeExport', 'findRecoveryPoint'].includes(name)), []);
});

test('a system with both kinds of sources recovers both: what a program’s source lacks is asked of the other alone', async (t) => {
  const sources = { documents: { engine: 'mongodb', environment: 'production' }, files: { engine: 'tool', environment: 'production' } };
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...view, sources }) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  const askedOf = (name: string): string[] => [...new Set(lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => (input as { source?: string; target?: { source: string } }).source ?? (input as { target: { source: string } }).target.source))].sort();
  for (const name of ['drainLog', 'buildIndexes', 'proveArchive', 'validateTarget']) assert.deepEqual(askedOf(name), ['documents'], name);
  for (const name of ['findRecoveryPoint', 'restoreGroup', 'replayLog', 'fencePrimary', 'promoteTarget', 'startTimeline']) assert.deepEqual(askedOf(name), ['documents', 'files'], name);
  assert.match(report.warnings.join('\n'), /files has no log to drain/);
});

test('a whole recovery of what programs dump: backup, points, plan, restore, a fence that a second person accepts, and a base of the new side', { timeout: 120_000 }, async (t) => {
  const place = toolPlace(t, tar, (file) => {
    file.approvals = { 'approve-switch': { description: 'May it?' } };
    const uses = ['declare', 'find-recovery-point', 'provision', 'restore', 'replay', 'build-indexes', 'validate', 'approval', 'fence', 'drain', 'promote', 'protect', 'report'];
    file.runbook = { steps: uses.map((step, at) => ({ id: step, uses: step, ...(at > 0 ? { needs: [uses[at - 1]!] } : {}), ...(step === 'approval' ? { with: { gate: 'approve-switch' } } : {}) })) };
  });
  writeFileSync(join(place.sourcePath, 'a file'), 'as it was');
  const { control, data, archive, recover } = createActivities({ owner: 'test', reportsDirectory: join(place.directory, 'reports'), temporalUiUrl: null });
  const lab = await openLab(t, { ...control, ...data, ...archive, ...recover });
  const [backup] = (await (await lab.start('backUpSystem', 'tools')).result()) as BackupSummary[];
  assert.equal(backup!.program, 'tar');
  assert.match(formatBackups({ backups: [backup!] }), /, its program ended at 20/);
  const { sources: points } = (await (await lab.start('listRecoveryPoints', 'tools')).result()) as { sources: PointsPage[] };
  assert.equal(points[0]!.windows[0]!.base.backup, backup!.backup);
  const plan = (await (await lab.start('planRecovery', 'tools')).result()) as RecoveryPlan;
  assert.equal(plan.points[0]!.base.backup, backup!.backup);
  assert.ok(plan.findings.some(({ effect, message }) => effect === 'warns' && /the engine "tool" has no log.*what its newest dump does not hold is lost/.test(message)));
  writeFileSync(join(place.sourcePath, 'a file'), 'lost');

  const entry = await lab.start('recoverSystem', { system: 'tools', requestedBy: 'dana' });
  const run = lab.run('tools');
  await until(run, gateOpen('approve-switch'));
  await run.signal('approve', { gate: 'approve-switch', by: 'erik' });
  const unproved = await until(run, gateOpen('accept-unproved-fence'));
  assert.match(unproved.gates.find(({ gate }) => gate === 'accept-unproved-fence')!.description, /nothing here can stop the old side of files/);
  await run.signal('approve', { gate: 'accept-unproved-fence', by: 'fay' });
  const report = (await entry.result()) as RunReport;
  const said = Object.fromEntries((await stateOf(run)).steps.map(({ id, summary }) => [id, summary ?? '']));
  assert.equal(report.outcome, 'done, fence unproved');
  assert.ok(listNextSteps(report).some((line) => /^Where a source is a new replica set, add members/.test(line)));
  assert.equal(readFileSync(join(place.targetPath, 'a file'), 'utf8'), 'as it was');
  assert.match(said['find-recovery-point']!, /^files holds what tar dumped until 20/);
  assert.match(said['restore']!, /^files: what tar dumped, /);
  assert.match(said['replay']!, /^files: no log to replay, it is as its base was, which holds all up to 20/);
  assert.match(said['build-indexes']!, /its restore program built its own/);
  assert.match(said['validate']!, /files: no validator/);
  assert.match(said['drain']!, /files: no log to drain/);
  assert.match(said['promote']!, /nothing to promote/);
  assert.match(said['protect']!, /files: no log to archive, only its bases can be restored; new base taken; files: nobody watches the old side/);
  assert.ok(report.warnings.some((warning) => /files has no log to drain: what its dump does not hold is lost/.test(warning)));
  // Dumped where it lives now: the timeline of the recovery says so.
  const { sources: after } = (await (await lab.start('listRecoveryPoints', 'tools', 'entry/points-after')).result()) as { sources: PointsPage[] };
  assert.deepEqual(after[0]!.windows.map(({ timeline }) => timeline), ['t00000002', 't00000001']);
});
