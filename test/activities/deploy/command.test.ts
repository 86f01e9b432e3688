import assert from 'node:assert/strict';
import { existsSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test, type TestContext } from 'node:test';
import { commandDeployer } from '../../../activities/deploy/command.ts';
import { proposeDeployment } from '../../../activities/deploy/propose-deployment.ts';
import { recordDeployment } from '../../../activities/deploy/deployments.ts';
import { runCommand } from '../../../activities/deploy/run-command.ts';
import type { ProgramContext } from '../../../activities/engines/tool/program-spec.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { createTimeline } from '../../../activities/store/timelines.ts';
import { loadSystemFile } from '../../../activities/system-files.ts';
import { startTool } from '../../../activities/tool/run-tool.ts';
import type { System } from '../../../workflows/domain/system.ts';
import { newKeys } from '../../harness/keys.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { until } from '../../harness/until.ts';

/** Deploys in two halves, and waits between them while there is a file `wait`. */
const script = `set -e
echo "$2" > "$1/half"; echo $$ > "$1/pid"; echo "$SECRET" > "$1/secret"
while [ -e "$1/wait" ]; do sleep 0.05; done
echo "$2" > "$1/running"
echo "deployed $2 to $3"`;

interface Place extends ProgramContext {
  directory: string;
  file(name: string): string | null;
}

async function place(t: TestContext, change: Partial<NonNullable<System['deployer']>> = {}): Promise<Place> {
  const directory = tempDir(t);
  const { system } = await loadSystemFile('demo');
  const plain = { env: {}, files: {} };
  const deployer = {
    uses: 'command' as const,
    deploy: { ...plain, argv: ['/bin/sh', '-c', script, 'deploy', directory, '{{version}}', '{{environment}}'] },
    current: { ...plain, argv: ['/bin/sh', '-c', 'cat "$0/running" 2>/dev/null || true', directory] },
    ...change,
  } as NonNullable<System['deployer']>;
  const file = (name: string): string | null => (existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8').trim() : null);
  return { system: { ...system, deployer }, directory, file, secret: () => Promise.resolve('planted-secret'), signal: new AbortController().signal };
}

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('a version is deployed, read back, and deployed again with the same end', async (t) => {
  const at = await place(t);
  assert.equal(await commandDeployer.current(at, 'dr'), null, 'nothing runs yet');
  for (let time = 0; time < 2; time += 1) {
    const { summary } = await commandDeployer.deploy(at, { environment: 'dr', version: '2.4.1' });
    assert.equal(summary, '2.4.1 runs in dr; it said: deployed 2.4.1 to dr');
    assert.equal(await commandDeployer.current(at, 'dr'), '2.4.1');
  }
});

test('a program that fails says why; one that ends well while another version runs is not believed', async (t) => {
  const failing = await place(t, { deploy: { env: {}, files: {}, argv: ['/bin/sh', '-c', 'echo "no such image" >&2; exit 7'] } });
  await assert.rejects(commandDeployer.deploy(failing, { environment: 'dr', version: '1' }), /ToolFailed|sh ended with code 7; it said: no such image/);
  const lying = await place(t, { deploy: { env: {}, files: {}, argv: ['true'] } });
  await assert.rejects(commandDeployer.deploy(lying, { environment: 'dr', version: '1' }), { name: 'ValidationFailed', message: /true deployed 1 to dr and ended well, and nothing runs there/ });
  const chatty = await place(t, { current: { env: {}, files: {}, argv: ['echo', 'version is 7'] } });
  await assert.rejects(commandDeployer.current(chatty, 'dr'), { name: 'ToolFailed', message: /it printed "version is 7"/ });
});

test('a worker that is killed in the middle takes the program with it, and the next try deploys the whole version', async (t) => {
  const at = await place(t);
  writeFileSync(join(at.directory, 'wait'), '');
  const worker = startTool('node', [fileURLToPath(new URL('deploy-once.ts', import.meta.url)), JSON.stringify(at.system), '2.4.1']);
  worker.done.catch(() => undefined);
  worker.stdout.resume();
  await until('the program is in its middle', () => at.file('half') === '2.4.1' && at.file('pid') !== null);
  const program = Number(at.file('pid'));
  process.kill(worker.pid, 'SIGKILL');
  await until('the program ends with its worker', () => !lives(program));
  assert.equal(at.file('running'), null, 'half of it was done');
  writeFileSync(join(at.directory, 'wait'), '');
  const second = commandDeployer.deploy(at, { environment: 'dr', version: '2.3.9' });
  await until('the second try is in its middle', () => at.file('half') === '2.3.9');
  unlinkSync(join(at.directory, 'wait'));
  await second;
  assert.equal(await commandDeployer.current(at, 'dr'), '2.3.9');
});

test('a cancelled deployment ends its program, and says that it was cancelled', async (t) => {
  const at = await place(t);
  writeFileSync(join(at.directory, 'wait'), '');
  const control = new AbortController();
  const deployed = commandDeployer.deploy({ ...at, signal: control.signal }, { environment: 'dr', version: '2.4.1' });
  await until('the program is in its middle', () => at.file('pid') !== null);
  control.abort(new Error('cancelled'));
  await assert.rejects(deployed, /cancelled/);
  assert.equal(lives(Number(at.file('pid'))), false);
});

test('what is proposed is what ran where the source lived on the timeline of the point, beside what is read to run at the target', async (t) => {
  const at = await place(t);
  const room = { store: await openLocalStore({ name: 'test', path: tempDir(t), prefix: 'p' }), keys: await newKeys() };
  const source = Object.keys(at.system.sources)[0]!;
  const home = at.system.sources[source]!.environment;
  const timeline = { system: 'demo', source, epoch: 1, startedAt: '2026-01-01T00:00:00.000Z', why: 'test', parent: null };
  await createTimeline(room.store, room.keys, { ...timeline, sourceIdentity: 'a' });
  await createTimeline(room.store, room.keys, { ...timeline, sourceIdentity: 'b', environment: 'dr' });
  const record = { system: 'demo', by: 'ci', why: null, at: '2026-01-01T10:00:00.000Z' };
  await recordDeployment(room, { ...record, id: '1', environment: home, version: '1.0' });
  await recordDeployment(room, { ...record, id: '2', environment: 'dr', version: '1.1' });
  const ask = async (name: string) => await proposeDeployment({ ...at, ...room }, { system: 'demo', point: { source, timeline: name, reachesAt: '2026-01-01T11:00:00.000Z' }, environment: 'dr' });
  const first = await ask('t00000001');
  assert.deepEqual([first.servedIn, first.then?.version, first.now], [home, '1.0', { version: '1.1', read: false }]);
  await commandDeployer.deploy(at, { environment: 'dr', version: '3.0' });
  const second = await ask('t00000002');
  assert.deepEqual([second.servedIn, second.then?.version, second.now], ['dr', '1.1', { version: '3.0', read: true }]);
});

test('a command of the team’s runs with its placeholders and secrets, and nothing secret comes out of it', async (t) => {
  const at = await place(t);
  const argv = ['/bin/sh', '-c', 'echo "warmed {{system}} in {{environment}} for {{run}}, $TOKEN"'];
  const system = { ...at.system, commands: { warm: { run: { argv, env: { TOKEN: '${WARM_TOKEN}' }, files: {} } } } };
  const input = { system: 'demo', command: 'warm', environment: 'dr', run: 'R1', purpose: 'recovery' };
  assert.deepEqual(await runCommand({ ...at, system }, input, 1), { summary: 'sh ended well; it said: warmed demo in dr for R1, [secret]' });
  await assert.rejects(runCommand({ ...at, system }, { ...input, undo: true }, 1), /demo has no undo of command "warm"/);
  await assert.rejects(runCommand({ ...at, system }, { ...input, command: 'cool' }, 1), { name: 'BadInput', message: /known: warm/ });
});
