import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOutcome } from '../../activities/report/outcome.ts';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { describeLeft, leftAfterService } from '../../workflows/domain/run-state.ts';
import { runbookSchema, type Runbook } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { details, gateOpen, openLab, stepIs, until } from './lab.ts';
import { runbook, view } from './stub-activities.ts';

const after = (more: object): Runbook =>
  runbookSchema.parse({
    steps: [
      ...runbook.steps.slice(0, -2).map(({ retry: _retry, budget: _budget, ...step }) => step),
      { id: 'warm-cache', uses: 'command', needs: ['switch'], with: { command: 'warm' }, ...more },
      { id: 'after-warm', uses: 'command', needs: ['warm-cache'], with: { command: 'look' } },
      { id: 'protect', uses: 'protect', needs: ['switch'] },
      { id: 'afterwards', uses: 'manual', needs: ['switch'], with: { items: [{ id: 'watch', do: 'Watch the error rate' }] } },
      { id: 'report', uses: 'report', needs: ['protect', 'after-warm', 'afterwards'] },
    ],
  });
const withCommands = (more: object = {}): SystemView => ({ ...view, commands: { warm: { undo: false }, look: { undo: false } }, runbook: after(more) });

test('once service is back a failed step holds up what needs it and nothing else, undoes nothing, and the run says that it is recovered', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(withCommands()) });
  let broken = true;
  const { runCommand } = lab.stubs.answers;
  lab.stubs.answers.runCommand = (input) => (broken && input.command === 'warm' ? Promise.reject(new HoldfastError('Unsupported', 'the cache does not answer')) : runCommand(input));
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await until(lab.run(), stepIs('warm-cache', 'failed'));
  const state = await until(lab.run(), stepIs('protect', 'done'));
  assert.equal(state.status, 'paused');
  assert.deepEqual(state.steps.filter(({ id }) => ['afterwards', 'after-warm', 'report'].includes(id)).map(({ state: is }) => is), ['pending', 'waiting', 'pending']);
  assert.equal(describeLeft(leftAfterService(state)!), 'recovered; 4 things left: warm-cache (failed), after-warm, afterwards (waiting), report');
  assert.match(await details(lab.run()), /\*\*recovered; 4 things left: warm-cache \(failed\), after-warm, afterwards \(waiting\), report\*\*/);
  await lab.run().signal('confirm', { step: 'afterwards', item: 'watch', by: 'erik' });
  await assert.rejects(lab.run().executeUpdate('abort', { args: [{ by: 'erik' }] }), (error: Error) => /cannot be turned back/.test(String(error.cause)));
  broken = false;
  await lab.run().signal('retry', { step: 'warm-cache', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, report.state.servedAt, report.rto.met], ['done', state.servedAt, true]);
  assert.ok(!lab.stubs.called().includes('unfencePrimary') && !lab.stubs.called().includes('removeTarget'), 'nothing was undone');
});

test('with onFailure: continue the run ends by itself, and its report says recovered and what is left', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(withCommands({ onFailure: 'continue' })) });
  lab.stubs.answers.runCommand = ({ command }) => (command === 'warm' ? Promise.reject(new HoldfastError('Unsupported', 'the cache does not answer')) : Promise.resolve({ summary: 'ok' }));
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await until(lab.run(), stepIs('afterwards', 'waiting'));
  await lab.run().signal('skip', { step: 'afterwards', by: 'erik', reason: 'it is night' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, with steps skipped');
  const { tone, headline } = describeOutcome(report);
  assert.deepEqual([tone, headline], ['warn', 'Demo is recovered; 2 things left: warm-cache, afterwards']);
});

test('a report that is written before other steps have ended says that the run goes on, and is written again at its end', async (t) => {
  const shown = withCommands();
  const steps = shown.runbook.steps.map((step) => (step.uses === 'report' ? { ...step, needs: ['switch'] } : step));
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...shown, runbook: { steps } }) });
  const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await until(lab.run(), stepIs('report', 'done'));
  await until(lab.run(), stepIs('afterwards', 'waiting'));
  const written = (): RunReport[] => lab.stubs.calls.filter(({ name }) => name === 'writeReport').map(({ input }) => (input as { report: RunReport }).report);
  const early = written()[0]!;
  assert.match(describeOutcome(early).headline, /^The recovery of Demo goes on$/);
  assert.match(describeOutcome(early).sentence, /Not ended yet: .*afterwards/);
  await lab.run().signal('confirm', { step: 'afterwards', item: 'watch', by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  assert.deepEqual(written().map(({ outcome }) => outcome).slice(-1), ['done']);
  assert.equal(written().length, 2);
});

test('before service is back a failure still stops everything that has not begun', async (t) => {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(withCommands()) });
  lab.stubs.answers.provisionTarget = () => Promise.reject(new HoldfastError('TargetNotEmpty', 'somebody lives there'));
  await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' });
  const state = await until(lab.run(), stepIs('provision', 'failed'));
  assert.equal(leftAfterService(state), undefined);
  assert.equal(state.status, 'paused');
});

test('a command is passed over in a drill unless it says otherwise, and undone by its own undo', async (t) => {
  const steps = [...runbook.steps.slice(0, 7).map(({ retry: _retry, budget: _budget, ...step }) => step), { id: 'smoke', uses: 'command', needs: ['validate'], with: { command: 'warm', inDrills: true } }, { id: 'warm-cache', uses: 'command', needs: ['smoke'], with: { command: 'look' } }];
  const lab = await openLab(t, { loadSystem: () => Promise.resolve({ ...withCommands(), commands: { warm: { undo: true }, look: { undo: false } }, runbook: runbookSchema.parse({ steps }) }) });
  const commands = (): string[] => lab.stubs.calls.filter(({ name }) => name === 'runCommand').map(({ input }) => `${(input as { command: string }).command}${(input as { undo?: true }).undo ? ' undone' : ''}`);
  assert.equal(((await (await lab.start('recoverSystem', { system: 'demo', purpose: 'drill' }, 'drill')).result()) as RunReport).outcome, 'done');
  assert.deepEqual(commands(), ['warm']);
  lab.stubs.answers.runCommand = ({ command }) => (command === 'look' ? Promise.reject(new HoldfastError('Unsupported', 'no')) : Promise.resolve({ summary: 'ok' }));
  await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' }, 'real');
  await until(lab.run(), stepIs('warm-cache', 'failed'));
  await lab.run().signal('abort', { by: 'erik' });
  await lab.run().result().catch(() => undefined);
  assert.deepEqual(commands(), ['warm', 'warm', 'look', 'warm undone']);
});
