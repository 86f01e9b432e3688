import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import { stringify } from 'yaml';
import { readMongodConfig, writeMongodConfig } from '../../activities/provision/mongod-config.ts';
import { findTool } from '../../activities/tool/find-tool.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { startServer, stopByPidFile } from '../../activities/tool/start-server.ts';
import { demoReplicaSet, directoryOf, pidFileOf, secretsDirectory } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import type { DivergedReport } from '../../workflows/domain/diverged.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { watchSignals, type WatchState } from '../../workflows/domain/watch.ts';
import { failureOf } from '../harness/failures.ts';
import { caFile, startHttpReceiver } from '../harness/http-receiver.ts';
import { startMachine, type Machine } from '../harness/network-namespace.ts';
import type { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const source = 'dictionary';

/** The primary, moved to a machine of its own: the workers know its address, and see neither its process nor its disk. */
async function moveAway(stack: SystemStack, machine: Machine): Promise<void> {
  const { file } = stack;
  const directory = directoryOf(file, 'primary');
  const pidFile = pidFileOf(file, 'primary');
  await stopByPidFile(pidFile);
  const config = (await readMongodConfig(join(directory, 'mongod.conf')))!;
  const path = join(directory, 'moved.conf');
  await writeMongodConfig(path, { ...config, net: { ...config.net, bindIp: `127.0.0.1,${machine.host}` } }, 'The primary, on a machine of its own.');
  const { program, args } = machine.inside(findTool('mongod'), ['--config', path]);
  await startServer({
    name: 'primary elsewhere', program, args, logFile: join(directory, 'mongod.log'), pidFile, tiedToUs: true, readyWithinMs: 60_000,
    ready: async () => await withPrimary(stack, machine, 'root', async (client) => (await client.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true),
  });
  const address = `${machine.host}:${file.primary.port}`;
  await withPrimary(stack, machine, 'root', async (client) => {
    const { config: members } = await client.db('admin').command({ replSetGetConfig: 1 }) as unknown as { config: { version: number; members: object[] } };
    await client.db('admin').command({ replSetReconfig: { ...members, version: members.version + 1, members: [{ ...members.members[0], host: address }] }, force: true });
  });
  await until('it is primary under its new name', async () => await withPrimary(stack, machine, 'root', async (client) => {
    const hello = await client.db('admin').command({ hello: 1 });
    return hello['isWritablePrimary'] === true && hello['primary'] === address;
  }));
  const overlay = join(stack.home, 'overlay.yaml');
  // Its directory is on the other machine: here there is none.
  const of = { [source]: { directory: join(stack.home, 'not-here') } };
  const weakerTls = { atLeast: 'none', reason: 'a machine of this test, at the other end of a cable of its own' };
  writeFileSync(overlay, stringify({ fence: of, failback: { provision: of }, environments: { production: { endpoints: { [source]: { weakerTls } } } } }));
  Object.assign(process.env, { HOLDFAST_OVERLAY: overlay, HOLDFAST_DEMO_PRIMARY: address });
}

async function withPrimary<T>({ file }: SystemStack, machine: Machine, username: 'root' | 'app', use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://${machine.host}:${file.primary.port}/?directConnection=true`, {
    auth: { username, password: readSecret(file, `${username}-password`) }, authSource: 'admin', serverSelectionTimeoutMS: 3_000, retryWrites: false,
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

const workerEnvironment = (): Record<string, string> => ({ HOLDFAST_OVERLAY: process.env['HOLDFAST_OVERLAY']!, HOLDFAST_DEMO_PRIMARY: process.env['HOLDFAST_DEMO_PRIMARY']! });

/** Writes on the primary's own machine, which the cut does not reach. @returns what was acknowledged. */
async function writeInside({ file }: SystemStack, machine: Machine, count: number): Promise<{ change: 'insert' | 'update' | 'delete'; id: string }[]> {
  const script = join(import.meta.dirname, '..', 'harness', 'acknowledged-writer.ts');
  const { program, args } = machine.inside(process.execPath, [script, String(file.primary.port), join(secretsDirectory(file), 'app-password'), String(count)]);
  const { stdout } = await runTool({ path: program }, args, { timeoutMs: 60_000 });
  return stdout.trim().split('\n').map((line) => JSON.parse(line) as { change: 'insert' | 'update' | 'delete'; id: string });
}

async function onStandby<T>({ file }: SystemStack, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(`mongodb://127.0.0.1:${file.standby.port}/?replicaSet=${demoReplicaSet}`, { auth: { username: 'app', password: readSecret(file, 'app-password') }, authSource: 'admin' });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Of a stack that serves from its primary, and is protected: unproved, a second person, and when it comes back it is fenced and what it took is reported, not merged. */
export async function cutOff(t: TestContext, stack: SystemStack): Promise<void> {
  const machine = await startMachine(t);
  t.after(() => void delete process.env['HOLDFAST_OVERLAY']);
  const receiver = await startHttpReceiver(t, { status: 204, body: '' });
  const secret = join(stack.home, 'webhook-secret');
  writeFileSync(secret, 'a signing secret of 32 bytes, ok\n');
  stack.changeSystem((file) => Object.assign(file, { notify: { receivers: { 'on-call': { kind: 'webhook', url: `${receiver.url}/hook`, secret: `file:${secret}`, caFile, phases: ['old-primary'] } } } }));
  await stack.stopWorker();
  await moveAway(stack, machine);
  await stack.startWorker(workerEnvironment());
  await stack.archiveIsUpToDate();

  await machine.pullCable();
  const acknowledged = await writeInside(stack, machine, 30);
  assert.equal(acknowledged.length, 46, 'the client inside was acknowledged everything');
  const entry = await stack.start('recoverSystem', { system: 'demo', requestedBy: 'test' });
  await stack.stepIs('approve-switch', 'waiting', 120_000);
  await stack.runHandle.executeUpdate('approve', { args: [{ by: 'dana' }] });

  const { state } = await stack.stepIs('fence-primary', 'waiting');
  const gate = state.gates.find(({ gate: name }) => name === 'accept-unproved-fence')!;
  assert.match(gate.description, /may still take writes, and those could not be merged/);
  const refused = await failureOf(stack.runHandle.executeUpdate('approve', { args: [{ gate: 'accept-unproved-fence', by: 'dana' }] }));
  assert.match(refused.message, /needs a different person/);
  await stack.runHandle.executeUpdate('approve', { args: [{ gate: 'accept-unproved-fence', by: 'erik' }] });
  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done, fence unproved');
  assert.match(report.state.steps.find(({ id }) => id === 'protect-standby')!.summary!, /watch\/demo\/dictionary looks after the old side/);

  const watch = stack.handle(lockIds.watch('demo', source));
  const silent = await until('the watch has knocked', async () => {
    const seen = await watch.query<WatchState>('state');
    return seen.probes > 0 ? seen : undefined;
  });
  assert.deepEqual([silent.oldSide, silent.foundAt], ['silent', null]);

  await machine.plugIn();
  await watch.signal(watchSignals.look.name);
  const found = await until('the watch has fenced it and written its report', async () => {
    const seen = await watch.query<WatchState>('state');
    assert.equal(seen.over, null);
    return seen.diverged ? seen : undefined;
  }, 90_000);
  assert.equal(found.fence?.outcome, 'proved', found.fence?.evidence.join('; '));
  assert.match(found.findings.map(({ what }) => what).join('\n'), /THE OLD PRIMARY ANSWERS AGAIN.*takes writes[^]*fence proved[^]*diverged writes: 30 inserts, 10 updates, 6 deletes/);
  const told = await until('people are told what it took', () => {
    // One that was sent again is one.
    const messages = new Map(receiver.requests.map(({ body }) => JSON.parse(body) as { data: { id: string; title: string; lines: string[] } }).map(({ data }) => [data.id, data]));
    return messages.size >= 3 ? [...messages.values()] : undefined;
  });
  assert.deepEqual(told.map(({ title }) => title), [
    'demo: THE OLD PRIMARY of dictionary ANSWERS AGAIN',
    'demo: the old primary of dictionary is fenced again',
    'demo: THE OLD PRIMARY of dictionary TOOK 30 inserts, 10 updates, 6 deletes',
  ]);
  assert.ok(told[2]!.lines.includes(`report: ${found.diverged!.html}`), told[2]!.lines.join('\n'));
  await until('the lists of the UI show it', async () => (await stack.client.workflow.count(`WorkflowId="${lockIds.watch('demo', source)}" AND HoldfastPhase="paging"`)).count === 1);

  const diverged = JSON.parse(readFileSync(found.diverged!.html.replace(/html$/, 'json'), 'utf8')) as DivergedReport;
  const last = new Map(acknowledged.map(({ change, id }) => [JSON.stringify(id), change]));
  assert.deepEqual(diverged.namespaces, [{ ns: 'dictionary.notes', inserts: 30, updates: 10, deletes: 6, ids: [...last].map(([id, change]) => ({ change, id })), idsLeftOut: 0 }]);
  assert.deepEqual([diverged.doesNotCover, diverged.commandCount, diverged.readFrom], [[], 0, 'the fenced server']);
  assert.ok(diverged.objects.length === 1 && diverged.objects[0]!.key.includes(`/runs/${report.runId}/diverged/`));
  assert.match(readFileSync(found.diverged!.html, 'utf8'), /took writes that the recovered data does not hold[^]*30 inserts, 10 updates, 6 deletes[^]*cut-29/);

  await withPrimary(stack, machine, 'app', async (client) => {
    await assert.rejects(client.db('dictionary').collection('notes').insertOne({ late: true }), /not primary/);
  });
  assert.equal(await onStandby(stack, async (client) => await client.db('dictionary').collection<{ _id: string }>('notes').countDocuments({ _id: /^cut-/ })), 0, 'nothing is merged');

  await watch.signal(watchSignals.stop.name);
  assert.equal(((await watch.result()) as WatchState).over, 'told to stop');
}
