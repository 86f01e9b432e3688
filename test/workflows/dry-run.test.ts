import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { DryRunReport } from '../../workflows/domain/recovery-plan.ts';
import { openLab, until, gateOpen } from './lab.ts';
import { plan } from './stub-activities.ts';

/** All that a dry run may call: each of them reads, or is the audit's record of the start. */
const reading = ['loadSystem', 'recordAct', 'planRecovery', 'checkTarget', 'readTraffic'];

test('a dry run calls what reads and nothing else, names who would be asked, and stands in no run’s way', async (t) => {
  const lab = await openLab(t, { planRecovery: ({ system }) => Promise.resolve({ ...plan, system, findings: [] }) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  const before = lab.stubs.calls.length;
  const report = (await (await lab.start('recoverSystem', { system: 'demo', dryRun: true, requestedBy: 'erik' }, 'dry')).result()) as DryRunReport;
  const called = lab.stubs.called().slice(before).filter((name) => name !== 'probeOldPrimary');
  assert.deepEqual(called.filter((name) => !reading.includes(name)), []);
  assert.ok(called.includes('checkTarget') && called.includes('readTraffic'));
  assert.deepEqual([report.dryRun, report.ok, report.asks], [true, true, [{ gate: 'approve-switch', quorum: 1, people: [] }]]);
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await entry.result();
});

test('what would fail is found, all of it, and fails nothing', async (t) => {
  const lab = await openLab(t, {
    checkTarget: () => Promise.reject(new HoldfastError('TargetNotEmpty', '/dr belongs to run 7')),
    readTraffic: () => Promise.reject(new HoldfastError('BadSystemFile', 'no admission.conf')),
  });
  const report = (await (await lab.start('recoverSystem', { system: 'demo', dryRun: true })).result()) as DryRunReport;
  assert.equal(report.ok, false);
  const failing = report.plan.findings.map(({ type, message }) => `${type} ${message}`).join('\n');
  assert.match(failing, /TargetNotEmpty provision: the target of documents: .*belongs to run 7[^]*BadSystemFile the traffic switch: .*no admission/);
  assert.ok(!lab.stubs.called().includes('claimEpoch'));
});
