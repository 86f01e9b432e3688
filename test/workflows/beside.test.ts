import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { runbookSchema } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { listNextSteps } from '../../activities/report/outcome.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { point, view } from './stub-activities.ts';

const restoring = [
  { id: 'declare', uses: 'declare' },
  { id: 'find-point', uses: 'find-recovery-point', needs: ['declare'] },
  { id: 'provision', uses: 'provision', needs: ['find-point'] },
  { id: 'restore', uses: 'restore', needs: ['provision'] },
  { id: 'replay', uses: 'replay', needs: ['restore'] },
  { id: 'validate', uses: 'validate', needs: ['replay'] },
  { id: 'copy', uses: 'copy-beside', needs: ['validate'] },
];
const modes: SystemView = {
  ...view,
  runbooks: {
    copies: runbookSchema.parse({ mode: 'beside', steps: [...restoring, { id: 'report', uses: 'report', needs: ['copy'] }] }),
    places: runbookSchema.parse({
      mode: 'swap',
      steps: [...restoring, { id: 'approve-switch', uses: 'approval', needs: ['copy'] }, { id: 'swap', uses: 'swap', needs: ['approve-switch'] }, { id: 'report', uses: 'report', needs: ['swap'] }],
    }),
  },
};
const asked = { system: 'demo', only: ['shop.orders'], targetTime: '2026-01-02T03:00:05Z', requestedBy: 'dana' };
const open = async (t: Parameters<typeof openLab>[0]): Promise<Lab> => await openLab(t, { loadSystem: () => Promise.resolve(modes) });
const inputsOf = (lab: Lab, name: string): Record<string, unknown>[] => lab.stubs.calls.filter((call) => call.name === name).map(({ input }) => input as Record<string, unknown>);

test('beside: what was chosen is restored and proved apart, copied, and its own server taken down; nobody is asked, and production is not touched otherwise', async (t) => {
  const lab = await open(t);
  const report = (await (await lab.start('recoverSystem', { ...asked, mode: 'beside' })).result()) as RunReport;
  assert.deepEqual([report.outcome, report.state.copies, report.state.runbook], ['done, partial', 'beside', 'copies']);
  const [found] = inputsOf(lab, 'findRecoveryPoint');
  assert.deepEqual([found!['copies'], found!['only']], ['beside', ['shop.orders']]);
  const as = `shop.orders.restored-${report.state.run!}`;
  const summaryOf = (id: string): string => report.state.steps.find((step) => step.id === id)!.summary!;
  assert.match(summaryOf('find-point'), new RegExp(`to be copied as ${as}`));
  assert.match(summaryOf('copy'), new RegExp(`copied and proved equal by count and Σ SHA-256: ${as} \\(90 documents\\)`));
  assert.match(listNextSteps(report).join(' '), new RegExp(`db.getSiblingDB\\("shop"\\).getCollection\\("orders.restored-${report.state.run!}"\\).drop\\(\\)`));
  const called = lab.stubs.called();
  assert.ok(called.indexOf('validateTarget') < called.indexOf('copyBeside') && called.indexOf('copyBeside') < called.indexOf('removeTarget'));
  for (const name of ['fencePrimary', 'admitTraffic', 'promoteTarget', 'planSwap', 'swapCollections', 'dropCopies'] as const) assert.ok(!called.includes(name), name);
});

test('swap: people see both counts and what is discarded before anything changes places; what was written until then is counted again, and the report says what is kept', async (t) => {
  const lab = await open(t);
  const entry = await lab.start('recoverSystem', { ...asked, mode: 'swap' });
  const { gates } = await until(lab.run(), gateOpen('approve-switch'));
  assert.match(gates[0]!.description, /documents: shop\.orders: 100 documents now, 90 restored; 1,234 writes since the recovery point will be DISCARDED, and kept in shop\.orders\.replaced-\w{26}/);
  assert.ok(!lab.stubs.called().includes('swapCollections'));
  const count = lab.stubs.answers.countDiscarded;
  lab.stubs.answers.countDiscarded = async (input) => ({ ...(await count(input)), namespaces: [{ ns: 'shop.orders', writes: 1_240 }] });
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, report.state.copies], ['done, partial', 'swap']);
  const [input] = inputsOf(lab, 'swapCollections') as { pairs: { living: string; restored: string }[]; epoch: number }[];
  assert.deepEqual([input!.pairs[0]!.living, input!.pairs[0]!.restored, input!.epoch], ['u1', 'u2', 1]);
  const counts = inputsOf(lab, 'countDiscarded').map(({ of }) => of);
  assert.deepEqual(counts, [{ namespaces: ['shop.orders'] }, { namespaces: ['shop.orders'], before: point.reaches }]);
  const kept = `shop.orders.replaced-${report.state.run!}`;
  assert.ok(report.warnings.some((warning) => warning.endsWith(`discarded since the recovery point: shop.orders 1,240 writes; all of it is kept in ${kept} until somebody drops that`)), report.warnings.join('; '));
  assert.match(listNextSteps(report).join(' '), /getCollection\("orders\.replaced-\w{26}"\)\.drop\(\)/);
});

test('swap, aborted after it: names are as before, then the copies are dropped; another recovery point begins from there, too', async (t) => {
  const lab = await open(t);
  lab.stubs.answers.writeReport = () => Promise.reject(new HoldfastError('ValidationFailed', 'no report'));
  const entry = await lab.start('recoverSystem', { ...asked, mode: 'swap' });
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  await until(lab.run(), stepIs('report', 'failed'));
  const undone = (): string[] => lab.stubs.called().filter((name) => ['swapBack', 'dropCopies', 'removeTarget'].includes(name));
  await lab.run().executeUpdate('choose', { args: [{ older: true, by: 'erik', reason: 'it is wrong there, too' }] });
  await until(lab.run(), gateOpen('approve-switch'));
  assert.deepEqual(undone(), ['swapBack', 'dropCopies', 'removeTarget']);
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  assert.deepEqual(undone(), ['swapBack', 'dropCopies', 'removeTarget', 'dropCopies', 'removeTarget']);
});

test('beside and swap are refused before anything is touched: with nothing chosen, in a drill, and by the recovery point’s own checks', async (t) => {
  const lab = await open(t);
  const refused = async (input: object, id: string): Promise<string> => (await failureOf(await lab.start('recoverSystem', { ...asked, ...input }, id))).message;
  assert.match(await refused({ mode: 'beside', only: undefined }, 'a'), /mode beside is of chosen collections, and none are chosen/);
  assert.match(await refused({ mode: 'swap', purpose: 'drill' }, 'b'), /A drill leaves production alone, and mode swap copies into it/);
  assert.match(await refused({ mode: 'beside', runbook: 'places' }, 'c'), /runbook "places" of demo restores by a swap/);
  lab.stubs.answers.loadSystem = () => Promise.resolve({ ...modes, sources: { documents: { engine: 'tool', environment: 'production' } } });
  assert.match(await refused({ mode: 'beside' }, 'd'), /the engine "tool" restores a dump whole or not at all/);
  lab.stubs.answers.loadSystem = () => Promise.resolve(modes);
  assert.deepEqual(lab.stubs.called().filter((name) => name === 'claimEpoch'), []);

  lab.stubs.answers.findRecoveryPoint = () => Promise.reject(new HoldfastError('Unsupported', 'shop.readings is a time series, which no rename reaches'));
  const entry = await lab.start('recoverSystem', { ...asked, mode: 'swap' }, 'e');
  const paused = await until(lab.run(), stepIs('find-point', 'failed'));
  assert.match(paused.steps.find(({ id }) => id === 'find-point')!.error!.message, /is a time series/);
  await lab.run().signal('abort', { by: 'erik' });
  assert.equal((await failureOf(entry)).type, 'Aborted');
  assert.ok(!lab.stubs.called().includes('provisionTarget'));
});
