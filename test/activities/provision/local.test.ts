import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import type { System } from '../../../workflows/domain/system.ts';
import { loadingEngineConfig, localProvisioner } from '../../../activities/provision/local.ts';
import type { ProvisionContext } from '../../../activities/provision/provisioner.ts';
import { startTimeOf } from '../../../activities/tool/process-group.ts';
import { readMark, writeMark } from '../../../activities/traffic/fenced-directory.ts';
import { stopByPidFile } from '../../../activities/tool/start-server.ts';
import { freePort } from '../../harness/free-port.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const target = (run: string) => ({ system: 'shop', source: 'documents', environment: 'dr', run });

async function place(t: TestContext, credentials?: { username: string; password: string; authSource: string }): Promise<{ context: ProvisionContext; directory: string; port: number; hello: () => Promise<Record<string, unknown>> }> {
  const home = tempDir(t);
  const directory = join(home, 'dr');
  const port = await freePort();
  const system = {
    standby: { environment: 'dr', provision: { documents: { uses: 'local', directory: '$HOME/dr', replicaSet: 'rs7', cache: 256 * 1024 ** 2 } } },
    environments: { dr: { protection: 'production', endpoints: { documents: { uri: `mongodb://127.0.0.1:${port}/?replicaSet=rs7`, credentials } } } },
  } as unknown as System;
  const context: ProvisionContext = {
    system,
    sourceName: 'documents',
    address: (text) => text.replace('$HOME', home),
    secret: async () => await Promise.resolve(''),
    signal: new AbortController().signal,
  };
  t.after(async () => await stopByPidFile(join(directory, 'server.pid'), 'SIGKILL'));
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, { serverSelectionTimeoutMS: 2_000 });
  t.after(async () => await client.close());
  return { context, directory, port, hello: async () => await client.db('admin').command({ hello: 1 }) };
}

test('a target is an empty standalone without TTL, is found again, and becomes a member that asks for authentication', async (t) => {
  const { context, directory, port, hello } = await place(t, { username: 'holdfast', password: '${PASSWORD}', authSource: 'admin' });
  assert.equal((await localProvisioner.describe(context)).state, 'absent');
  await localProvisioner.provision(context, target('run-1'));
  const made = await localProvisioner.describe(context);
  assert.deepEqual({ ...made, pid: null }, { state: 'standalone', claimedBy: 'run-1', directory, address: `127.0.0.1:${port}`, replicaSet: 'rs7', pid: null });
  assert.equal((await hello())['setName'], undefined);

  const client = await new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`).connect();
  assert.equal((await client.db('admin').command({ getParameter: 1, ttlMonitorEnabled: 1 }))['ttlMonitorEnabled'], false);
  const { parsed } = await client.db('admin').command({ getCmdLineOpts: 1 }) as { parsed: { storage: { wiredTiger: { engineConfig: Record<string, unknown> } } } };
  assert.deepEqual(parsed.storage.wiredTiger.engineConfig, { cacheSizeGB: 0.25, configString: loadingEngineConfig }, 'made for being loaded');
  await client.db('d').collection('c').insertOne({ kept: true });
  await client.close();

  await localProvisioner.provision(context, target('run-1'));
  assert.equal((await localProvisioner.describe(context)).pid, made.pid, 'the same server');

  const first = await localProvisioner.restartAsReplicaSet(context, target('run-1'));
  assert.deepEqual([first.replicaSet, first.address], ['rs7', `127.0.0.1:${port}`]);
  assert.equal(statSync(join(directory, 'key-file')).mode & 0o777, 0o600);
  assert.equal((await hello())['isreplicaset'], true);
  const key = readFileSync(join(directory, 'key-file'), 'utf8');
  const { pid } = await localProvisioner.describe(context);
  await localProvisioner.restartAsReplicaSet(context, target('run-1'));
  assert.equal((await localProvisioner.describe(context)).pid, pid);
  assert.ok(!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(key));
  assert.equal(readFileSync(join(directory, 'key-file'), 'utf8'), key);

  const { summary } = await localProvisioner.remove(context, target('run-1'));
  assert.ok(!existsSync(directory));
  const aside = summary.replace(/^.* moved to /, '');
  assert.ok(existsSync(join(aside, 'data', 'WiredTiger')), 'the data is kept');
  await localProvisioner.remove(context, target('run-1'));
});

test('a target whose endpoint names no credentials asks for none: a source without users would let nobody in', async (t) => {
  const { context, directory, hello } = await place(t);
  await localProvisioner.provision(context, target('run-1'));
  const { summary } = await localProvisioner.restartAsReplicaSet(context, target('run-1'));
  assert.match(summary, /authentication off/);
  assert.equal((await hello())['isreplicaset'], true);
  assert.ok(!existsSync(join(directory, 'key-file')));
});

test('a target of another run is refused, and is not removed', async (t) => {
  const { context, directory } = await place(t);
  await localProvisioner.provision(context, target('run-1'));
  await assert.rejects(localProvisioner.provision(context, target('run-2')), { name: 'TargetNotEmpty', message: /belongs to run run-1 since .*HINT/ });
  await assert.rejects(localProvisioner.restartAsReplicaSet(context, target('run-2')), { name: 'TargetNotEmpty' });
  assert.match((await localProvisioner.remove(context, target('run-2'))).summary, /left alone/);
  assert.ok(existsSync(directory));
});

test('a directory with something in it is refused by name', async (t) => {
  const { context, directory } = await place(t);
  mkdirSync(directory);
  writeFileSync(join(directory, 'precious.txt'), '');
  await assert.rejects(localProvisioner.provision(context, target('run-1')), { name: 'TargetNotEmpty', message: /dr holds precious\.txt, which no run made/ });
  assert.ok(!existsSync(join(directory, 'claim.json')));
});

test('a port that something else serves is refused', async (t) => {
  const { context, port } = await place(t);
  const other = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  await assert.rejects(localProvisioner.provision(context, target('run-1')), { name: 'TargetNotEmpty', message: /something that no run started serves/ });
});

test('a port that a server of ours still holds as it ends, after a fence in place, is waited for', async (t) => {
  const { context, port, hello } = await place(t);
  const ending = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
  await once(ending, 'listening');
  let knocks = 0;
  ending.on('connection', () => (knocks += 1) === 2 && ending.close());
  await localProvisioner.provision(context, target('run-1'));
  assert.deepEqual([knocks, (await hello())['ok']], [2, 1]);
});

test('a server that died is started again on its data', async (t) => {
  const { context, directory, hello } = await place(t);
  await localProvisioner.provision(context, target('run-1'));
  await stopByPidFile(join(directory, 'server.pid'), 'SIGKILL');
  await localProvisioner.provision(context, target('run-1'));
  assert.equal((await hello())['ok'], 1);
});

test('a look at the place says what making a target would say, and makes nothing', async (t) => {
  const { context, directory } = await place(t);
  assert.match((await localProvisioner.check(context, { movesAside: false })).summary, /nothing lies in/);
  assert.ok(!existsSync(directory));
  await localProvisioner.provision(context, target('run-1'));
  for (const movesAside of [true, false]) await assert.rejects(localProvisioner.check(context, { movesAside }), { name: 'TargetNotEmpty', message: /belongs to run run-1/ });
  assert.match((await localProvisioner.check(context, { movesAside: true, run: 'run-1' })).summary, /this run’s own/, 'a step that is tried again finds what its first try made');
  await writeMark(directory, { run: 'run-9', fencedAt: '2026-11-22T00:00:00.000Z', steppedDown: true });
  await assert.rejects(localProvisioner.check(context, { movesAside: false }), { name: 'TargetNotEmpty' });
  assert.match((await localProvisioner.check(context, { movesAside: true })).summary, /run run-9 fenced .* would be moved aside/);
});

test('what a drill restored is deleted, also by a second try after a first that was killed; another run’s is not', async (t) => {
  const { context, directory, hello } = await place(t);
  await localProvisioner.provision(context, target('run-1'));
  assert.match((await localProvisioner.remove(context, target('run-2'), { discard: true })).summary, /left alone/);
  assert.equal((await hello())['ok'], 1);
  await localProvisioner.remove(context, target('run-1'), { discard: true });
  const left = () => readdirSync(join(directory, '..')).filter((name) => name.startsWith('dr'));
  assert.deepEqual(left(), []);
  mkdirSync(join(`${directory}.discarded-run-1`, 'data'), { recursive: true });
  await localProvisioner.remove(context, target('run-1'), { discard: true });
  assert.deepEqual(left(), [], 'what a killed try had renamed');
});

test('what a fence left at the place is stopped and moved aside, once however often it is asked for, and comes back; what nobody fenced stays', async (t) => {
  const { context, directory, hello } = await place(t);
  await localProvisioner.provision(context, target('run-1'));
  assert.match((await localProvisioner.makeRoom(context, target('run-1'))).summary, /nothing was left/, 'not what the run made itself');
  assert.match((await localProvisioner.makeRoom(context, target('run-2'))).summary, /nothing that a run fenced/);
  await assert.rejects(localProvisioner.provision(context, target('run-2')), { name: 'TargetNotEmpty' });
  assert.equal((await hello())['ok'], 1, 'it was left alone');

  await writeMark(directory, { run: 'run-9', fencedAt: '2026-11-22T00:00:00.000Z', steppedDown: true });
  const { pid } = await localProvisioner.describe(context);
  for (const _ of [1, 2]) assert.match((await localProvisioner.makeRoom(context, target('run-2'))).summary, /left-run-2/);
  assert.equal(startTimeOf(pid!), undefined, 'its server was stopped');
  assert.ok(existsSync(join(`${directory}.left-run-2`, 'data', 'WiredTiger')), 'and its data kept');
  await localProvisioner.provision(context, target('run-2'));
  assert.match((await localProvisioner.makeRoom(context, target('run-2'))).summary, /left-run-2/, 'a try after the target was made leaves that alone');
  assert.equal((await localProvisioner.describe(context)).claimedBy, 'run-2');

  assert.match((await localProvisioner.giveRoomBack(context, target('run-2'))).summary, /left alone/, 'not over a target');
  await localProvisioner.remove(context, target('run-2'));
  for (const said of [/holds again/, /nothing .* was moved aside/]) assert.match((await localProvisioner.giveRoomBack(context, target('run-2'))).summary, said);
  assert.equal((await readMark(directory))?.run, 'run-9', 'fenced as it was');
});
