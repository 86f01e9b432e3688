import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { gateOpen, openLab, until } from './lab.ts';
import { point } from './stub-activities.ts';

test('whoever approves a recovery to an earlier moment is told how many writes it discards; the latest discards none, and nothing is counted', async (t) => {
  const lab = await openLab(t);
  const gateOf = async (): Promise<string> => (await until(lab.run(), gateOpen('approve-switch'))).gates.find(({ status }) => status === 'open')!.description;
  const latest = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' }, 'latest');
  assert.doesNotMatch(await gateOf(), /DISCARDED/);
  assert.ok(!lab.stubs.called().includes('countDiscarded'));
  await lab.run().signal('abort', { by: 'erik' });
  await latest.result().catch(() => undefined);

  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', targetTime: '2026-01-02T03:00:05Z' }, 'earlier');
  assert.match(await gateOf(), /May traffic go to the standby\? documents: 1,234 writes \(1,000 inserts, 200 updates, 34 deletes\) and 1 change of collections or indexes in shop\.orders 1,234, made from .* will be DISCARDED/);
  const counted = lab.stubs.calls.find(({ name }) => name === 'countDiscarded')!.input;
  assert.deepEqual(counted, { system: 'demo', source: 'documents', point: { timeline: point.timeline, limit: point.limit }, forMs: 60_000 });
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.ok(report.warnings.some((warning) => /DISCARDED/.test(warning)), report.warnings.join('\n'));
});

test('a count that cannot be had is said, and holds up nobody', async (t) => {
  const lab = await openLab(t, { countDiscarded: () => Promise.reject(new HoldfastError('StoreUnavailable', 'the store does not answer')) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', targetTime: '2026-01-02T03:00:05Z' });
  const { gates } = await until(lab.run(), gateOpen('approve-switch'));
  assert.match(gates[0]!.description, /documents: what was written since is discarded, and could not be counted: the store does not answer/);
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
});
