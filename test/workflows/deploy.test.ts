import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { runbookSchema, type Runbook } from '../../workflows/domain/runbook.ts';
import type { SystemView } from '../../workflows/domain/system-view.ts';
import { failureOf, gateOpen, openLab, stepIs, until, type Lab } from './lab.ts';
import { runbook, view } from './stub-activities.ts';

const withDeploy = (needs: string, before: string, more: object = {}): Runbook =>
  runbookSchema.parse({
    steps: [...runbook.steps.map(({ retry: _retry, budget: _budget, ...step }) => (step.id === before ? { ...step, needs: [...step.needs, 'deploy'] } : step)), { id: 'deploy', uses: 'deploy', needs: [needs], ...more }],
  });
const early: SystemView = { ...view, deployer: { uses: 'command' }, runbook: withDeploy('promote', 'switch') };

/** An application at a target: what runs there, and what was deployed in which order. */
function application(lab: Lab, runs = '2.5.0') {
  const world = { runs, deployed: [] as string[], ids: [] as string[] };
  const { proposeDeployment } = lab.stubs.answers;
  lab.stubs.answers.proposeDeployment = async (input) => ({ ...(await proposeDeployment(input)), now: { version: world.runs, read: true } });
  lab.stubs.answers.deployVersion = ({ version, environment, id }) => {
    world.deployed.push(version);
    world.ids.push(id);
    world.runs = version;
    return Promise.resolve({ summary: `${version} runs in ${environment}` });
  };
  return world;
}

async function open(t: TestContext, of: SystemView = early): Promise<{ lab: Lab; world: ReturnType<typeof application> }> {
  const lab = await openLab(t, { loadSystem: () => Promise.resolve(of) });
  return { lab, world: application(lab) };
}

const recover = (lab: Lab, more: object = {}) => lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', ...more });
const summaryOf = (report: RunReport, id: string): string => report.state.steps.find((step) => step.id === id)!.summary ?? '';

test('a recovery deploys the version that ran at its recovery point, and the gate before it says so', async (t) => {
  const { lab, world } = await open(t);
  const entry = await recover(lab);
  const { gates } = await until(lab.run(), gateOpen('approve-switch'));
  const { description } = gates.find(({ gate }) => gate === 'approve-switch')!;
  assert.match(description, /Application: version 2\.4\.1 ran in production at 2026-11-21T02:59:00Z \(since 2026-11-20T12:00:00Z, recorded then by ci, claimed\); dr runs 2\.5\.0 now\./);
  await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.deepEqual([report.outcome, world.deployed], ['done', ['2.4.1']]);
  assert.match(summaryOf(report, 'deploy'), /^2\.4\.1 runs in dr\. Application: version 2\.4\.1 ran/);
});

test('another version can be asked for: by the input before the step’s own setting; in a drill nothing is deployed', async (t) => {
  const { lab, world } = await open(t, { ...early, runbook: withDeploy('promote', 'switch', { with: { version: '2.2.0' } }) });
  for (const [input, name] of [[{ version: '2.3.0' }, 'one'], [{}, 'two'], [{ purpose: 'drill' }, 'drill']] as const) {
    const entry = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana', ...input }, name);
    const { gates } = await until(lab.run(), gateOpen('approve-switch'));
    if (name === 'one') assert.match(gates.find(({ gate }) => gate === 'approve-switch')!.description, /Application: version 2\.3\.0 was asked for; version 2\.4\.1 ran in production/);
    await lab.run().signal('approve', { gate: 'approve-switch', by: 'erik' });
    assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  }
  assert.deepEqual(world.deployed, ['2.3.0', '2.2.0']);
});

test('a version that is read to run already is recorded, and not deployed again', async (t) => {
  const { lab, world } = await open(t);
  world.runs = '2.4.1';
  const entry = await recover(lab);
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  const report = (await entry.result()) as RunReport;
  assert.match(summaryOf(report, 'deploy'), /^nothing to deploy\. .*dr runs 2\.4\.1 now/);
  assert.deepEqual([world.deployed, lab.stubs.called().includes('recordDeployment')], [[], true]);
});

test('where no record says which version ran the run says so and waits for a person, whose record it then goes by', async (t) => {
  const { lab, world } = await open(t);
  const known = lab.stubs.answers.proposeDeployment;
  lab.stubs.answers.proposeDeployment = async (input) => ({ ...(await known(input)), then: null });
  const entry = await recover(lab);
  const { gates } = await until(lab.run(), gateOpen('approve-switch'));
  assert.match(gates.find(({ gate }) => gate === 'approve-switch')!.description, /no record says which version ran in production at 2026-11-21T02:59:00Z/);
  await lab.run().signal('approve', { by: 'erik' });
  const { steps } = await until(lab.run(), stepIs('deploy', 'failed'));
  assert.match(steps.find(({ id }) => id === 'deploy')!.error!.message, /no record says which version ran .* HINT: say which it was \(holdfast deployed VERSION --system demo --environment production --at 2026-11-21T02:59:00Z --by NAME\), then retry/);
  lab.stubs.answers.proposeDeployment = known;
  await lab.run().signal('retry', { step: 'deploy', by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  assert.deepEqual(world.deployed, ['2.4.1']);
});

test('a record that is not believed is named where the version is decided', async (t) => {
  const { lab } = await open(t);
  const known = lab.stubs.answers.proposeDeployment;
  lab.stubs.answers.proposeDeployment = async (input) => ({ ...(await known(input)), then: null, problems: [{ key: 'demo/deployments/00000007.json', problem: 'the signature does not fit' }] });
  const entry = await recover(lab);
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  const { steps } = await until(lab.run(), stepIs('deploy', 'failed'));
  assert.match(steps.find(({ id }) => id === 'deploy')!.error!.message, /it is not known which version ran .*: demo\/deployments\/00000007\.json: the signature does not fit/);
  await lab.run().signal('abort', { by: 'erik' });
  await failureOf(entry);
});

test('a worker that is killed in the middle of a deployment: the same deployment goes on as a new attempt, and the undo knows what ran before', async (t) => {
  const { lab, world } = await open(t);
  const whole = lab.stubs.answers.deployVersion;
  lab.stubs.answers.deployVersion = async ({ id }) => {
    world.ids.push(id);
    world.runs = 'half of 2.4.1';
    lab.stubs.answers.deployVersion = whole;
    // No answer, no heartbeat: what the server sees of a worker that is gone.
    await lab.stubs.held;
    throw new Error('the test has ended');
  };
  const { admitTraffic } = lab.stubs.answers;
  lab.stubs.answers.admitTraffic = () => {
    lab.stubs.answers.admitTraffic = admitTraffic;
    return Promise.reject(new HoldfastError('Unsupported', 'no switch'));
  };
  const entry = await recover(lab);
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('deploy', 'running'));
  await lab.env.sleep('30s');
  await until(lab.run(), stepIs('switch', 'failed'));
  assert.deepEqual([world.deployed, new Set(world.ids).size], [['2.4.1'], 1], 'one deployment, in two attempts');
  await lab.run().signal('abort', { by: 'erik' });
  await failureOf(entry);
  assert.deepEqual(world.deployed, ['2.4.1', '2.5.0'], 'what ran before the first try');
});

test('an abort after a deployment that failed half-way deploys what ran before; where nobody knows that, a person is asked', async (t) => {
  const { lab, world } = await open(t);
  const whole = lab.stubs.answers.deployVersion;
  const failing: typeof whole = () => {
    world.runs = 'half of it';
    return Promise.reject(new HoldfastError('ValidationFailed', 'two of three nodes'));
  };
  lab.stubs.answers.deployVersion = failing;
  const entry = await recover(lab);
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  for (const attempt of [1, 2]) {
    await until(lab.run(), ({ steps }) => steps.some(({ id, state, attempt: tried }) => id === 'deploy' && state === 'failed' && tried === attempt));
    if (attempt === 1) await lab.run().signal('retry', { step: 'deploy', by: 'erik' });
  }
  lab.stubs.answers.deployVersion = whole;
  await lab.run().signal('abort', { by: 'erik' });
  await failureOf(entry);
  assert.deepEqual([world.deployed, world.runs], [['2.5.0'], '2.5.0'], 'not what the second try found');

  lab.stubs.answers.deployVersion = failing;
  lab.stubs.answers.proposeDeployment = async (input) => ({ ...(await openStub(input)), now: null, unread: 'kubectl ended with code 1' });
  const again = await lab.start('recoverSystem', { system: 'demo', requestedBy: 'dana' }, 'again');
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  await until(lab.run(), stepIs('deploy', 'failed'));
  await lab.run().signal('abort', { by: 'erik' });
  const { steps } = await until(lab.run(), ({ status }) => status === 'stuck');
  assert.match(steps.find(({ id }) => id === 'deploy')!.error!.message, /2\.4\.1 was deployed to dr, or a part of it, and nothing says what ran there before/);
  await lab.run().signal('skip', { step: 'deploy', by: 'erik', reason: 'done by hand' });
  await failureOf(again);
});

const openStub: Lab['stubs']['answers']['proposeDeployment'] = ({ point: { reachesAt }, environment }) =>
  Promise.resolve({ environment, at: reachesAt, servedIn: 'production', problems: [], now: null, unread: null, then: { number: 1, environment: 'production', version: '2.4.1', deployedAt: '2026-11-20T12:00:00.000Z', claimed: false, recordedAt: '2026-11-20T12:00:00.000Z', by: 'ci', why: null } });

test('a deployer that is people is a checklist with the version in it', async (t) => {
  const { lab, world } = await open(t, { ...early, deployer: { uses: 'manual', instructions: 'By the release page.' } });
  const entry = await recover(lab);
  await until(lab.run(), gateOpen('approve-switch'));
  await lab.run().signal('approve', { by: 'erik' });
  const { steps } = await until(lab.run(), stepIs('deploy', 'waiting'));
  const [item] = steps.find(({ id }) => id === 'deploy')!.items!;
  assert.equal(item!.do, 'Deploy version 2.4.1 to dr, and record it: holdfast deployed 2.4.1 --system demo --environment dr');
  assert.match(steps.find(({ id }) => id === 'deploy')!.summary!, /dr runs 2\.5\.0 now\. By the release page\.$/);
  await lab.run().signal('confirm', { step: 'deploy', item: item!.id, by: 'erik' });
  assert.equal(((await entry.result()) as RunReport).outcome, 'done');
  assert.deepEqual(world.deployed, []);
});

test('recordDeployment writes down what a pipeline says; an environment that the system does not have is refused', async (t) => {
  const { lab } = await open(t, { ...view, environments: ['production', 'dr'] });
  const recorded = await (await lab.start('recordDeployment', { system: 'demo', version: '2.4.1', at: '2026-11-21T02:00:00Z', requestedBy: 'ci', why: 'pipeline 7' })).result();
  const expected = { number: 1, environment: 'production', version: '2.4.1', deployedAt: '2026-11-21T02:00:00.000Z', claimed: true, recordedAt: '2026-11-21T03:00:00.000Z', by: 'ci', why: 'pipeline 7' };
  assert.deepEqual(recorded, expected);
  const refusal = async (input: object, id: string): Promise<string> => (await failureOf(await lab.start('recordDeployment', { system: 'demo', ...input }, id))).message;
  assert.match(await refusal({ version: '2.4.1', environment: 'prod' }, 'a'), /field "environment" is "prod", and demo has production, dr/);
  assert.match(await refusal({ version: '--force' }, 'b'), /field "version" is "--force", expected a version such as 2\.4\.1/);
});
