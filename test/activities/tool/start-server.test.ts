import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { findTool } from '../../../activities/tool/find-tool.ts';
import { freePort } from '../../../activities/tool/free-port.ts';
import { groupLives, startTimeOf, within } from '../../../activities/tool/process-group.ts';
import { startTool } from '../../../activities/tool/run-tool.ts';
import { readPidFile, startServer, stopByPidFile, type ServerOptions } from '../../../activities/tool/start-server.ts';
import { tempDir } from '../../harness/temp-dir.ts';

async function serverOptions(directory: string, script = 'serve'): Promise<ServerOptions> {
  const port = await freePort();
  const file = join(directory, 'server.mjs');
  writeFileSync(
    file,
    `import { createServer } from 'node:http';
     console.log('starting');
     if (process.argv[3] === 'fail') { console.error('no room on disk'); process.exit(1); }
     if (process.argv[3] === 'serve') createServer((_, answer) => answer.end('ok')).listen(Number(process.argv[2]), '127.0.0.1');
     else setInterval(() => {}, 1000);`,
  );
  return {
    name: 'test server',
    program: findTool('node'),
    args: [file, String(port), script],
    logFile: join(directory, 'server.log'),
    pidFile: join(directory, 'server.pid'),
    ready: async () => (await fetch(`http://127.0.0.1:${port}/`)).ok,
    tiedToUs: true,
  };
}

test('a server is started once, found again by its pid file, and stopped whole', async (t) => {
  const options = await serverOptions(tempDir(t));
  const server = await startServer(options);
  assert.deepEqual(await startServer(options), server);
  assert.equal(readPidFile(options.pidFile)?.pid, server.pid);
  assert.equal(await stopByPidFile(options.pidFile), true);
  assert.equal(groupLives(server.pid), false);
  assert.equal(existsSync(options.pidFile), false);
  assert.equal(await stopByPidFile(options.pidFile), false);
});

test('a pid that another process has taken is never signalled', async (t) => {
  const options = await serverOptions(tempDir(t));
  const server = await startServer(options);
  t.after(() => process.kill(server.pid, 'SIGKILL'));
  // The file as it would be if the pid had belonged to an earlier process.
  writeFileSync(options.pidFile, JSON.stringify({ ...server, startTime: 'boot:1' }));
  assert.equal(readPidFile(options.pidFile), undefined);
  assert.equal(await stopByPidFile(options.pidFile, 'SIGKILL'), false);
  assert.equal(startTimeOf(server.pid), server.startTime);
});

test('a server that ends at once fails with the end of its log and leaves no pid file', async (t) => {
  const options = await serverOptions(tempDir(t), 'fail');
  await assert.rejects(startServer(options), /ended instead of serving.*no room on disk/s);
  assert.equal(existsSync(options.pidFile), false);
});

test('a server that never serves is killed when its time is up', async (t) => {
  const options = { ...(await serverOptions(tempDir(t), 'hang')), readyWithinMs: 300 };
  let pid = 0;
  const ready = options.ready;
  options.ready = async () => {
    pid = readPidFile(options.pidFile)?.pid ?? pid;
    return await ready();
  };
  await assert.rejects(startServer(options), /did not serve within 0.3 s/);
  assert.notEqual(pid, 0);
  assert.equal(groupLives(pid), false);
});

test('a server tied to a process dies with it even when that is killed -9', async (t) => {
  const directory = tempDir(t);
  const options = await serverOptions(directory);
  const starter = join(directory, 'starter.mjs');
  writeFileSync(
    starter,
    `import { startServer } from ${JSON.stringify(new URL('../../../activities/tool/start-server.ts', import.meta.url).href)};
     await startServer({ ...${JSON.stringify(options)}, ready: async () => (await fetch('http://127.0.0.1:${options.args[1]}/')).ok });
     setInterval(() => {}, 1000);`,
  );
  const running = startTool('node', [starter], { input: '' });
  const ended = assert.rejects(running.done, /SIGKILL/);
  assert.ok(await within(10_000, () => readPidFile(options.pidFile) !== undefined), readFileSync(options.logFile, 'utf8'));
  const server = readPidFile(options.pidFile)!;
  assert.ok(await within(5_000, () => readFileSync(options.logFile, 'utf8').includes('starting')));
  process.kill(running.pid, 'SIGKILL');
  await ended;
  assert.ok(await within(5_000, () => startTimeOf(server.pid) === undefined));
});
