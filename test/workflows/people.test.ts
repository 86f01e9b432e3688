import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunReport } from '../../workflows/domain/report.ts';
import type { SystemView } from '../../workflows/domain/system.ts';
import { inputExamples } from '../../workflows/domain/inputs.ts';
import { entryWorkflows } from '../../workflows/domain/names.ts';
import { failureOf, gateOpen, openLab, until, type Lab } from './lab.ts';
import { view } from './stub-activities.ts';

const named: SystemView = {
  ...view,
  people: {
    ada: { name: 'ada', roles: ['administrator'], proofs: [] },
    dana: { name: 'dana', roles: ['dr-team'], proofs: [] },
    fay: { name: 'fay', roles: ['dr-team'], proofs: [] },
    olaf: { name: 'olaf', roles: ['operator'], proofs: [] },
    sara: { name: 'sara', roles: ['security'], proofs: [] },
  },
};
const lab = (t: Parameters<typeof openLab>[0]): Promise<Lab> => openLab(t, { loadSystem: () => Promise.resolve(named) });

test('a start is refused at once to whoever may not, and nothing was touched', async (t) => {
  const here = await lab(t);
  for (const type of entryWorkflows) {
    const input = { ...(JSON.parse(inputExamples[type]) as object), requestedBy: 'mallory' };
    const failure = await failureOf(await here.start(type, input, `${type}/mallory`));
    assert.equal(failure.type, 'NotPermitted', type);
    assert.match(failure.message, new RegExp(`^${type} of demo: mallory may not .* Roles that may .*administrator`));
  }
  assert.match((await failureOf(await here.start('backUpSystem', 'demo'))).message, /Nobody without a name may take a backup.*HINT: give your name in "requestedBy"/);
  assert.match((await failureOf(await here.start('exportRecoveryPoint', { ...(JSON.parse(inputExamples.exportRecoveryPoint) as object), requestedBy: 'olaf' }))).message, /olaf \(operator\) may not export/);
  assert.deepEqual([...new Set(here.stubs.called())], ['loadSystem']);
  await (await here.start('backUpSystem', { system: 'demo', requestedBy: 'olaf' }, 'backup/olaf')).result();
});

test('a recovery that the DR team asks for waits for an administrator before it touches anything, and its elevation ends with it', async (t) => {
  const here = await lab(t);
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'dana', reason: 'disk lost' });
  const asked = await until(here.run(), gateOpen('elevation'));
  assert.deepEqual([...new Set(here.stubs.called())].filter((name) => name !== 'probeOldPrimary'), ['loadSystem']);
  assert.match(asked.gates.find(({ gate }) => gate === 'elevation')!.description, /dana asks for a recovery of demo that their roles do not let them start alone: disk lost/);
  await assert.rejects(here.run().executeUpdate('approve', { args: [{ by: 'fay' }] }));
  await here.run().executeUpdate('approve', { args: [{ by: 'ada' }] });
  await until(here.run(), gateOpen('approve-switch'));
  // The gate names nobody: whoever the table lets approve is asked.
  await assert.rejects(here.run().executeUpdate('approve', { args: [{ by: 'sara' }] }));
  await here.run().signal('approve', { by: 'fay' });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual(report.state.gates.map(({ gate, decisions }) => [gate, decisions.map(({ by }) => by)]), [['elevation', ['ada']], ['approve-switch', ['fay']]]);
  await here.env.client.workflow.getHandle('archive/demo/documents').terminate();
});

test('an administrator, and a drill of an operator, need no elevation', async (t) => {
  const here = await lab(t);
  const entry = await here.start('recoverSystem', { system: 'demo', requestedBy: 'olaf', purpose: 'drill' });
  const state = await until(here.run(), gateOpen('approve-switch'));
  assert.ok(!state.gates.some(({ gate }) => gate === 'elevation'));
  await here.run().signal('abort', { by: 'ada' });
  await entry.result().catch(() => undefined);
});
