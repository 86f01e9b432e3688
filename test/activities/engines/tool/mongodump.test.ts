import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toolEngine } from '../../../../activities/engines/tool/index.ts';
import { dumpProgram, restoreProgram } from '../../../../activities/engines/tool/programs.ts';
import { readManifest } from '../../../../activities/engines/base/read-base.ts';
import { locateTool } from '../../../../activities/tool/find-tool.ts';
import { stopByPidFile } from '../../../../activities/tool/start-server.ts';
import { clientOf, startMongod } from '../../../harness/mongod.ts';
import { freePort } from '../../../harness/free-port.ts';
import { backUpByTool, privateDirectoriesWith, restoreByTool, toolPlace, toolPoint, toolTarget } from '../../../harness/tool-place.ts';

const missing = (['mongodump', 'mongorestore'] as const).filter((name) => !locateTool(name));
const skip = missing.length > 0 ? `the real ${missing.join(' and ')} not found: on PATH or named in HOLDFAST_MONGODUMP and HOLDFAST_MONGORESTORE` : false;

test('the real mongodump and mongorestore: of one moment by --oplog, password in a private file, over and over into one target, promoted', { timeout: 120_000, skip }, async (t) => {
  const source = await startMongod(t, { replicaSet: 'rs0', auth: true });
  const client = await source.connect();
  const password = 'dump:er/p@ss w%rd';
  await client.db('admin').command({ createUser: 'dumper', pwd: password, roles: ['root'] });
  await client.db('shop').collection('orders').insertMany(Array.from({ length: 5_000 }, (_, n) => ({ n, text: `order ${n}` })));
  await client.db('shop').collection('orders').createIndex({ n: 1 }, { unique: true });
  const targetPort = await freePort();
  // Before the directory's own, which takes the pid file away.
  t.after(async () => await stopByPidFile(join(place.directory, 'dr', 'server.pid'), 'SIGKILL'));
  const place = toolPlace(t, { uses: 'mongodump', oplog: true }, (file) => {
    const credentials = { username: 'dumper', password: 'file:mongodb-password' };
    file.environments['production']!.endpoints['files'] = { uri: source.uri, credentials };
    file.environments['dr']!.endpoints['files'] = { uri: `mongodb://127.0.0.1:${targetPort}/?replicaSet=rs7`, credentials };
    file.standby.provision['files'] = { uses: 'local', directory: join(file.traffic.directory, 'dr'), replicaSet: 'rs7', cache: '256MiB' };
    file.fence['files'] = { uses: 'local', directory: source.directory };
    file.validators = [{ id: 'orders', uses: 'query', source: 'files', namespace: 'shop.orders', min: 5_000, max: 5_000 }];
  });
  writeFileSync(join(place.directory, 'mongodb-password'), password);
  const context = await place.open();

  const spec = await dumpProgram(context, context.system.environments['production']!.endpoints['files']!);
  assert.deepEqual(spec.args, ['--config={{file:config.yaml}}', '--archive', '--oplog']);
  assert.ok(spec.files['config.yaml']!.includes(encodeURIComponent(password)));
  const restoring = await restoreProgram(context, context.system.environments['dr']!.endpoints['files']!);
  assert.deepEqual(restoring.args, [`--uri=mongodb://127.0.0.1:${targetPort}/?directConnection=true`, '--archive', '--drop', '--oplogReplay']);

  const summary = await backUpByTool(context, 'b1');
  const { origin } = await readManifest(context, toolPoint(summary));
  assert.ok(origin?.form === 'stream');
  assert.deepEqual([origin.program, origin.moment], ['mongodump', 'end']);
  assert.match(origin.toolVersion, /mongodump version/);
  assert.match(summary.unproved[0]!.why, /as configured, all of it is of the program’s end/);
  await client.db('shop').collection('orders').deleteMany({});

  await restoreByTool(context, summary);
  const standalone = clientOf(`mongodb://127.0.0.1:${targetPort}/?directConnection=true`, null);
  t.after(async () => await standalone.close());
  assert.equal(await standalone.db('shop').collection('orders').countDocuments(), 5_000);
  await standalone.db('shop').collection('orders').insertOne({ n: -1 });
  // As after a kill: another attempt of the same run begins again, over what is there.
  writeFileSync(join(place.directory, 'dr', 'tool-restore.json'), JSON.stringify({ run: toolTarget.run, backup: 'b1', group: 'stream', state: 'begun' }));
  await restoreByTool(context, summary);
  assert.equal(await standalone.db('shop').collection('orders').countDocuments(), 5_000);
  assert.ok((await standalone.db('shop').collection('orders').indexes()).some(({ key, unique }) => key['n'] === 1 && unique));

  const point = toolPoint(summary);
  const validated = await toolEngine.validateTarget(context, { target: toolTarget, point, limit: point.limit, validator: 'orders' });
  assert.deepEqual(validated.problems, []);
  await toolEngine.promoteTarget(context, { target: toolTarget });
  const promoted = clientOf(`mongodb://127.0.0.1:${targetPort}/?directConnection=true`, { username: 'dumper', password, authSource: 'admin' });
  t.after(async () => await promoted.close());
  assert.equal(await promoted.db('shop').collection('orders').countDocuments(), 5_000);
  assert.equal(await client.db('shop').collection('orders').countDocuments(), 0, 'the source is as it was');
  assert.deepEqual(privateDirectoriesWith('dumper'), []);
});

test('a mongodump that cannot log in says so, without the password', { timeout: 60_000, skip }, async (t) => {
  const source = await startMongod(t, { replicaSet: 'rs0', auth: true });
  const password = 'not-the-password';
  const place = toolPlace(t, { uses: 'mongodump' }, (file) => {
    file.environments['production']!.endpoints['files'] = { uri: source.uri, credentials: { username: 'root', password: 'file:mongodb-password' } };
    file.environments['dr']!.endpoints['files'] = { uri: 'mongodb://127.0.0.1:1/' };
    file.standby.provision['files'] = { uses: 'local', directory: join(file.traffic.directory, 'dr') };
    file.fence['files'] = { uses: 'local', directory: source.directory };
  });
  writeFileSync(join(place.directory, 'mongodb-password'), password);
  await assert.rejects(backUpByTool(await place.open(), 'b1'), (error: Error) => {
    assert.match(error.message, /^mongodump ended with code 1; it said: .*[Aa]uthentication failed/s);
    assert.ok(!error.message.includes(password));
    return true;
  });
});
