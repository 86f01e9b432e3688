import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { MongoClient } from 'mongodb';
import type { System } from '../../../workflows/domain/system.ts';
import { writeMongodConfig } from '../../../activities/provision/mongod-config.ts';
import { findTool } from '../../../activities/tool/find-tool.ts';
import { startTimeOf, within } from '../../../activities/tool/process-group.ts';
import { startServer, stopByPidFile } from '../../../activities/tool/start-server.ts';
import type { FenceContext } from '../../../activities/traffic/fence.ts';
import { localFence } from '../../../activities/traffic/fence-local.ts';
import { knock, knockUntilClosed } from '../../../activities/tool/knock.ts';
import { isThisMachine } from '../../../activities/tool/this-machine.ts';
import { freePort } from '../../harness/free-port.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const password = randomBytes(9).toString('hex');

/** A fence of a server that nobody ever started here: its directory is empty. */
function contextAt(t: TestContext, uri: string): FenceContext {
  return {
    sourceName: 'documents',
    source: { environment: 'production' },
    system: {
      environments: { production: { endpoints: { documents: { uri, weakerTls: { atLeast: 'none', reason: 'nobody is there' } } } } },
      fence: { documents: { uses: 'local', directory: join(tempDir(t), 'primary') } },
    } as unknown as System,
    address: (text: string) => text,
    signal: new AbortController().signal,
  } as unknown as FenceContext;
}

interface Primary {
  context: FenceContext;
  directory: string;
  port: number;
  pid: () => number;
  start: (waitFor?: () => Promise<boolean>) => Promise<void>;
  client: (user?: string) => Promise<MongoClient>;
}

/** A primary with authentication, as a person would run it: from a mongod.conf in its directory. */
async function startPrimary(t: TestContext): Promise<Primary> {
  const directory = join(tempDir(t), 'primary');
  const port = await freePort();
  const config = join(directory, 'mongod.conf');
  const pidFile = join(directory, 'server.pid');
  mkdirSync(join(directory, 'data'), { recursive: true });
  writeFileSync(join(directory, 'key'), randomBytes(60).toString('base64'), { mode: 0o600 });
  await writeMongodConfig(
    config,
    {
      storage: { dbPath: join(directory, 'data'), wiredTiger: { engineConfig: { cacheSizeGB: 0.25 } } },
      net: { port, bindIp: '127.0.0.1', unixDomainSocket: { enabled: false } },
      replication: { replSetName: 'rs0' },
      security: { keyFile: join(directory, 'key'), authorization: 'enabled' },
    },
    'primary',
  );
  const uri = `mongodb://127.0.0.1:${port}/?directConnection=true`;
  t.after(async () => await stopByPidFile(pidFile, 'SIGKILL'));
  const primary: Primary = {
    directory,
    port,
    pid: () => (JSON.parse(readFileSync(pidFile, 'utf8')) as { pid: number }).pid,
    start: async (waitFor = async () => (await knock('127.0.0.1', port)) === 'open') => {
      const args = ['--config', config];
      await startServer({ name: 'primary', program: findTool('mongod'), args, logFile: join(directory, 'log'), pidFile, tiedToUs: true, ready: waitFor, readyWithinMs: 10_000 });
    },
    client: async (user = 'root') => {
      const client = await new MongoClient(uri, { auth: { username: user, password }, serverSelectionTimeoutMS: 2_000, retryWrites: false }).connect();
      t.after(async () => await client.close());
      return client;
    },
    context: {
      sourceName: 'documents',
      source: { environment: 'production' },
      system: {
        environments: { production: { endpoints: { documents: { uri: `mongodb://127.0.0.1:${port}/?replicaSet=rs0`, credentials: { username: 'root', password: 'ref', authSource: 'admin' } } } } },
        fence: { documents: { uses: 'local', directory } },
      } as unknown as System,
      secret: async () => await Promise.resolve(password),
      address: (text: string) => text,
      signal: new AbortController().signal,
    } as unknown as FenceContext,
  };
  await primary.start();
  const first = await new MongoClient(uri).connect();
  await first.db('admin').command({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: `127.0.0.1:${port}` }] } });
  await until(async () => (await first.db('admin').command({ hello: 1 }))['isWritablePrimary'] === true);
  await first.db('admin').command({ createUser: 'root', pwd: password, roles: ['root'] });
  await first.close();
  const client = await primary.client();
  await client.db('admin').command({ createUser: 'backup', pwd: password, roles: ['backup'] });
  await client.db('shop').collection('orders').insertOne({ paid: true });
  return primary;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition().catch(() => false))) await new Promise((resolve) => setTimeout(resolve, 20));
}

const hello = async (client: MongoClient) => await client.db('admin').command({ hello: 1 });

async function kill(primary: Primary): Promise<void> {
  await stopByPidFile(join(primary.directory, 'server.pid'), 'SIGKILL');
  await knockUntilClosed('127.0.0.1', primary.port, 10_000);
}

/** A fenced configuration serves nobody: it opens its socket, or does not start. */
async function assertStartsUnreachable(primary: Primary): Promise<void> {
  const socket = join(primary.directory, 'fenced.sock');
  await primary.start(async () => await Promise.resolve(existsSync(socket)));
  assert.equal(await knock('127.0.0.1', primary.port), 'refused');
}

test('a primary that answers is stepped down, refuses a write, and its log stays readable', async (t) => {
  const primary = await startPrimary(t);
  const writer = await primary.client();
  const fenced = await localFence.fence(primary.context, 'run-1');
  assert.equal(fenced.outcome, 'proved', fenced.evidence.join('; '));
  assert.equal(fenced.logReachable, true);
  assert.match(fenced.evidence.join('\n'), /it refused a write \(not primary\)/);
  await assert.rejects(writer.db('shop').collection('orders').insertOne({}), /not primary/);
  const reader = await primary.client();
  const last = await reader.db('local').collection('oplog.rs').find({}, { readPreference: 'secondaryPreferred' }).sort({ $natural: -1 }).limit(1).next();
  assert.ok(last, 'the log is read');

  const again = await localFence.fence(primary.context, 'run-1');
  assert.deepEqual([again.outcome, again.fencedAt], ['proved', fenced.fencedAt]);

  const retired = await localFence.retire(primary.context, 'run-1');
  assert.deepEqual([retired.outcome, retired.logReachable], ['proved', false]);
  assert.equal((await localFence.retire(primary.context, 'run-1')).outcome, 'proved');
  await assertStartsUnreachable(primary);
});

test('an undone fence lets the primary be elected again, and only the run that fenced can undo it', async (t) => {
  const primary = await startPrimary(t);
  const config = readFileSync(join(primary.directory, 'mongod.conf'), 'utf8');
  assert.equal((await localFence.unfence(primary.context, 'run-1')).summary, 'it is not fenced');
  await localFence.fence(primary.context, 'run-1');
  assert.match((await localFence.unfence(primary.context, 'run-2')).summary, /left alone: run run-1 fenced it/);
  await assert.rejects(localFence.retire(primary.context, 'run-2'), { name: 'FenceFailed' });
  await localFence.unfence(primary.context, 'run-1');
  const client = await primary.client();
  await until(async () => (await hello(client))['isWritablePrimary'] === true);
  await client.db('shop').collection('orders').insertOne({});
  assert.equal(readFileSync(join(primary.directory, 'mongod.conf'), 'utf8'), config);
  assert.ok(!existsSync(join(primary.directory, 'FENCED.json')));
});

test('a primary that is gone is fenced so that starting it as it was serves nobody', async (t) => {
  const primary = await startPrimary(t);
  await kill(primary);
  const fenced = await localFence.fence(primary.context, 'run-1');
  assert.equal(fenced.outcome, 'proved', fenced.evidence.join('; '));
  assert.equal(fenced.logReachable, false);
  assert.match(fenced.evidence.join('\n'), /its process is gone[^]*nothing listens at 127\.0\.0\.1/);
  await assertStartsUnreachable(primary);
  assert.equal((await localFence.retire(primary.context, 'run-1')).outcome, 'proved');

  // Freed while a server runs that was started fenced: that one serves nobody until it is started again.
  await assertStartsUnreachable(primary);
  assert.match((await localFence.unfence(primary.context, 'run-1')).summary, new RegExp(`its process ${primary.pid()} does not answer.*started again by a person`));
});

test('a primary whose whole directory is gone is fenced as off', async (t) => {
  const primary = await startPrimary(t);
  await kill(primary);
  rmSync(primary.directory, { recursive: true });
  assert.equal((await localFence.fence(primary.context, 'run-1')).outcome, 'proved');
});

test('a primary that hangs is killed', async (t) => {
  const primary = await startPrimary(t);
  const pid = primary.pid();
  process.kill(pid, 'SIGSTOP');
  const fenced = await localFence.fence(primary.context, 'run-1');
  assert.equal(fenced.outcome, 'proved', fenced.evidence.join('; '));
  assert.match(fenced.evidence.join('\n'), new RegExp(`its process ${pid} was killed`));
  assert.equal(startTimeOf(pid), undefined);
});

test('a primary that hangs between its answer and its stepping down is killed as well, and the members that it had named are not forgotten', async (t) => {
  const primary = await startPrimary(t);
  const { context, port } = primary;
  const server = primary.pid();
  const admin = (await primary.client()).db('admin');
  const { config } = await admin.command({ replSetGetConfig: 1 }) as { config: { version: number } };
  const others = await Promise.all([1, 2].map(async (_id) => ({ _id, host: `127.0.0.1:${await freePort()}` })));
  // It stays primary for the ten seconds that it waits for the others.
  await admin.command({ replSetReconfig: { ...config, version: config.version + 1, members: [{ _id: 0, host: `127.0.0.1:${port}` }, ...others] }, force: true });
  // Asked for once it has answered, before it is logged in to.
  const secret: FenceContext['secret'] = async (of) => {
    process.kill(server, 'SIGSTOP');
    return await context.secret(of);
  };
  for (const fenced of [await localFence.fence({ ...context, secret }, 'run-1'), await localFence.fence(context, 'run-1')]) {
    assert.deepEqual([fenced.outcome, fenced.logReachable], ['unproved', false], fenced.evidence.join('; '));
    assert.match(fenced.evidence.join('\n'), /its replica set has 3 members; this fence reaches one/);
  }
  assert.equal(startTimeOf(server), undefined, 'it was killed');
});

/** What came from the fence, and the way on. */
interface Passing {
  bytes: Buffer;
  forward: () => void;
  socket: Socket;
  between: Server;
}

/** Stands before a primary. @param holds - whether these bytes go no further by themselves. */
async function standBefore(t: TestContext, primary: Primary, holds: (of: Passing) => boolean): Promise<FenceContext> {
  const between = createServer((socket) => {
    const onward = connect(primary.port, '127.0.0.1');
    for (const [one, other] of [[socket, onward], [onward, socket]] as const) one.once('close', () => other.destroy()).on('error', () => other.destroy());
    onward.pipe(socket);
    socket.on('data', (bytes) => {
      const forward = (): void => void onward.write(bytes);
      if (!holds({ bytes, forward, socket, between })) forward();
    });
  });
  t.after(() => between.close());
  await once(between.listen(0, '127.0.0.1'), 'listening');
  const { port } = between.address() as AddressInfo;
  return { ...primary.context, address: (uri: string) => uri.replace(String(primary.port), String(port)) };
}

/** At the fence's first write the connection is cut, and `then` is done. */
async function cutAtFirstWrite(t: TestContext, primary: Primary, then: (between: Server) => Promise<void>): Promise<FenceContext> {
  let wrote = false;
  return await standBefore(t, primary, ({ bytes, socket, between }) => {
    if (wrote || !bytes.includes('holdfast_canary')) return false;
    wrote = true;
    void then(between).finally(() => socket.destroy());
    return true;
  });
}

test('a primary that another call steps down first, unheard by the driver, is proved fenced all the same', async (t) => {
  const primary = await startPrimary(t);
  const admin = (await primary.client()).db('admin');
  let steppedDown = false;
  const context = await standBefore(t, primary, ({ bytes, forward }) => {
    // The driver's monitor would hear of it, and mend what the refusal says of the server.
    if (!steppedDown && bytes.includes('maxAwaitTimeMS')) return true;
    if (steppedDown || !bytes.includes('replSetStepDown')) return false;
    steppedDown = true;
    void admin.command({ replSetStepDown: 600, secondaryCatchUpPeriodSecs: 0, force: true }).finally(forward);
    return true;
  });
  const { outcome, evidence } = await localFence.fence(context, 'run-1');
  assert.equal(outcome, 'proved', evidence.join('; '));
  assert.ok(steppedDown);
});

test('a write whose connection is cut proves nothing, and is tried again', async (t) => {
  const primary = await startPrimary(t);
  const context = await cutAtFirstWrite(t, primary, async () => await Promise.resolve());
  const { outcome, evidence } = await localFence.fence(context, 'run-1');
  assert.equal(outcome, 'proved', evidence.join('; '));
  assert.match(evidence.join('; '), /it refused a write \(not primary/);
});

test('a worker that hangs at the write that is to prove the fence tries it again when it goes on', async (t) => {
  const primary = await startPrimary(t);
  // For longer than a write is tried: by then the time of the try is over, whatever the server says.
  const context = await cutAtFirstWrite(t, primary, async () => await Promise.resolve(void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6_000)));
  const { outcome, evidence } = await localFence.fence(context, 'run-1');
  assert.equal(outcome, 'proved', evidence.join('; '));
});

test('a primary that dies at the write that is to prove it fenced is fenced as off', async (t) => {
  const primary = await startPrimary(t);
  const context = await cutAtFirstWrite(t, primary, async (between) => {
    between.close();
    await kill(primary);
  });
  const { outcome, logReachable, evidence } = await localFence.fence(context, 'run-1');
  assert.deepEqual([outcome, logReachable], ['proved', false], evidence.join('; '));
  assert.match(evidence.join('; '), /it stopped answering .*nothing listens at/);
});

test('a primary without a pid file is found by what it was started with', async (t) => {
  const primary = await startPrimary(t);
  const pid = primary.pid();
  rmSync(join(primary.directory, 'server.pid'));
  process.kill(pid, 'SIGSTOP');
  assert.equal((await localFence.fence(primary.context, 'run-1')).outcome, 'proved');
  assert.ok(await within(5_000, () => startTimeOf(pid) === undefined));
});

test('something else at the old port is not claimed to be fenced', async (t) => {
  const primary = await startPrimary(t);
  await kill(primary);
  const other = createServer((socket) => socket.destroy()).listen(primary.port, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  assert.equal((await localFence.fence(primary.context, 'run-1')).outcome, 'unproved');
});

test('members that the fence does not reach are not claimed to be off', async (t) => {
  const [first, ...others] = [await freePort(), await freePort(), await freePort()];
  const address = [first, ...others].map((port) => `127.0.0.1:${port}`).join(',');
  const fenced = await localFence.fence(contextAt(t, `mongodb://${address}/?replicaSet=rs0`), 'run-1');
  assert.equal(fenced.outcome, 'unproved', fenced.evidence.join('; '));
  assert.match(fenced.evidence.join('\n'), /nothing listens at .*\nits replica set has 3 members; this fence reaches one/);
});

test('a silent server of another machine, of which no process was ended here, is not claimed to be off', async (t) => {
  const context = contextAt(t, 'mongodb://elsewhere.invalid:27017/?replicaSet=rs0');
  for (const fenced of [await localFence.fence(context, 'run-1'), await localFence.retire(context, 'run-1')]) {
    assert.equal(fenced.outcome, 'unproved', fenced.evidence.join('; '));
    assert.match(fenced.evidence.join('\n'), /elsewhere\.invalid is not this machine, and no process of it is here: only its port was asked/);
  }
});

test('an address that names no host is refused, and nothing is marked', async (t) => {
  const context = contextAt(t, 'mongodb+srv://db.example.com/');
  await assert.rejects(localFence.fence(context, 'run-1'), { name: 'FenceFailed', message: /names no host:port to fence HINT/ });
  const settings = context.system.fence['documents'];
  assert.ok(settings?.uses === 'local' && !existsSync(settings.directory));
});

test('this machine is known by its loopback, its name and its own addresses', async () => {
  const own = Object.values(networkInterfaces()).flatMap((addresses) => addresses?.map(({ address }) => address) ?? []);
  for (const host of ['127.0.0.1', '127.8.8.8', '[::1]', 'localhost', hostname(), ...own]) assert.equal(await isThisMachine(host), true, host);
  for (const host of ['203.0.113.7', '2001:db8::7', 'elsewhere.invalid']) assert.equal(await isThisMachine(host), false, host);
});

test('a user who may not step it down is an error that names the role, and nothing is killed', async (t) => {
  const primary = await startPrimary(t);
  primary.context.system.environments['production']!.endpoints['documents']!.credentials!.username = 'backup';
  await assert.rejects(localFence.fence(primary.context, 'run-1'), { name: 'FenceFailed', message: /did not step down: not authorized.*HINT: give .* holdfastCommand/ });
  assert.notEqual(startTimeOf(primary.pid()), undefined);
});
