import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { startTimeOf } from '../../activities/tool/process-group.ts';
import { destroyPrimary, startOldPrimaryAgain, withClient } from '../../scripts/stack/primary.ts';
import { readStackFile, secretsDirectory, type StackFile } from '../../scripts/stack/stack-file.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import { startStack, stackStatus, stopStack, wipeStack } from '../../scripts/stack/stack.ts';
import { tempDir } from '../harness/temp-dir.ts';

interface Reply {
  status: number;
  side: string | null;
  outcome?: string;
}

test('the embedded stack serves, survives its primary, and stops without leaving a process', async (t) => {
  process.env.HOLDFAST_HOME = join(tempDir(t), 'with space');
  t.after(async () => await wipeStack());
  const stack = await startStack({ tiedToUs: true });
  const pids = stackStatus().flatMap(({ pid }) => pid ?? []);

  await t.test('every part but the standby and the worker runs; a second start finds them all', async () => {
    assert.deepEqual(stackStatus().filter((part) => !part.running).map(({ part }) => part), ['standby', 'worker']);
    await startStack({ tiedToUs: true });
    assert.deepEqual(stackStatus().flatMap(({ pid }) => pid ?? []), pids);
  });

  await t.test('one change is a write, several are a transaction, and what conflicts writes nothing', async () => {
    assert.deepEqual(await post(stack, [{ change: 'insert', key: 'a', rev: 1 }]), { status: 200, side: 'production', outcome: 'acknowledged' });
    assert.equal((await post(stack, [{ change: 'insert', key: 'a', rev: 1 }])).outcome, 'refused');
    assert.equal((await post(stack, [{ change: 'update', key: 'a', rev: 2 }, { change: 'insert', key: 'b', rev: 1 }])).outcome, 'acknowledged');
    assert.equal((await post(stack, [{ change: 'insert', key: 'c', rev: 1 }, { change: 'delete', key: 'a', rev: 2 }])).outcome, 'refused');
    const notes = await withClient(stack, 'app', async (client) => await client.db('dictionary').collection('notes').find().sort({ _id: 1 }).toArray());
    assert.deepEqual(notes.map(({ _id, rev }) => [_id, rev]), [['a', 2], ['b', 1]]);
    assert.equal((await post(stack, [{ change: 'drop', key: 'a', rev: 1 }])).status, 400);
  });

  await t.test('secrets are readable by their owner only, and stand in no argument list', () => {
    for (const name of readdirSync(secretsDirectory(stack))) assert.equal(statSync(join(secretsDirectory(stack), name)).mode & 0o077, 0, name);
    const secrets = (['root-password', 'holdfast-password', 'app-password', 's3-secret-access-key', 'key-aes256'] as const).map((name) => readSecret(stack, name));
    if (process.platform !== 'linux') return;
    for (const pid of pids) {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      for (const secret of secrets) assert.ok(!commandLine.includes(secret), commandLine);
    }
    assert.ok(secrets.every((secret) => !readFileSync(join(stack.directory, 'stack.json'), 'utf8').includes(secret)));
  });

  await t.test('a restore that is not finished is not written to, though it is at the standby’s port', async (st) => {
    // A standalone that even knows the application's user, as one does while the log is still replayed.
    const { startMongod } = await import('../harness/mongod.ts');
    const standalone = await startMongod(st, { port: stack.standby.port });
    const client = await standalone.connect();
    await client.db('admin').command({ createUser: 'app', pwd: readSecret(stack, 'app-password'), roles: [{ role: 'readWrite', db: 'dictionary' }] });
    await seenBy(stack.apps.dr.port, async () => (await client.db('admin').command({ serverStatus: 1 }))['connections'].current > 3);
    const health = await fetch(`http://127.0.0.1:${stack.apps.dr.port}/health`);
    assert.equal(health.status, 503);
    const written = await fetch(`http://127.0.0.1:${stack.apps.dr.port}/ops`, { method: 'POST', body: JSON.stringify([{ change: 'insert', key: 'x', rev: 1 }]) });
    assert.equal(written.status, 503);
    assert.deepEqual(await client.db('dictionary').listCollections().toArray(), []);
  });

  await t.test('a primary that is gone is an answer at once, and one without data refuses', async (st) => {
    await destroyPrimary(stack);
    await seenBy(stack.apps.production.port, async () => (await post(stack, [{ change: 'insert', key: 'd', rev: 1 }])).status === 503);
    const startedAt = Date.now();
    assert.equal((await post(stack, [{ change: 'insert', key: 'd', rev: 1 }])).outcome, 'refused');
    assert.ok(Date.now() - startedAt < 1_000);
    await startOldPrimaryAgain(stack, 'original', { tiedToUs: true });
    const client = new MongoClient(`mongodb://127.0.0.1:${stack.primary.port}/?directConnection=true`);
    st.after(async () => await client.close());
    await assert.rejects(client.db('d').collection('c').insertOne({}), /not primary|node is not in primary|requires authentication|not authorized/i);
  });

  await t.test('nothing runs after a stop, and stopping again is fine', async () => {
    const running = stackStatus().flatMap(({ pid }) => pid ?? []);
    assert.ok(running.length >= 6);
    await stopStack();
    assert.deepEqual(running.filter((pid) => startTimeOf(pid) !== undefined), []);
    assert.deepEqual(await stopStack(), []);
  });

  await t.test('a port that another program took meanwhile is named, and nothing is started', async () => {
    const other = createServer().listen(stack.frontDoor.port, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    await assert.rejects(startStack({ tiedToUs: true }), new RegExp(`port ${stack.frontDoor.port} of the embedded stack’s frontDoor is taken`));
    assert.deepEqual(stackStatus().filter((part) => part.running), []);
    await new Promise((resolve) => other.close(resolve));
  });

  await wipeStack();
  assert.equal(readStackFile(), undefined);
});

async function post(stack: StackFile, changes: unknown): Promise<Reply> {
  const response = await fetch(`${stack.frontDoor.url}/ops`, { method: 'POST', body: JSON.stringify(changes) });
  const { outcome } = (await response.json()) as { outcome?: string };
  return { status: response.status, side: response.headers.get('x-holdfast-side'), ...(outcome === undefined ? {} : { outcome }) };
}

/** Waits until the application at this port has seen what happened to its database. */
async function seenBy(port: number, condition: () => Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > endsAt) throw new Error(`the application on port ${port} saw nothing within 10 s`);
    await sleep(50);
  }
}
