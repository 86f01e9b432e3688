import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { System } from '../../../workflows/domain/system.ts';
import { findTool } from '../../../activities/tool/find-tool.ts';
import { startServer, stopByPidFile } from '../../../activities/tool/start-server.ts';
import { admissionConfig, frontDoorConfig } from '../../../activities/traffic/nginx-config.ts';
import { nginxSwitch } from '../../../activities/traffic/nginx.ts';
import type { SwitchContext } from '../../../activities/traffic/switch.ts';
import { freePort } from '../../harness/free-port.ts';
import { tempDir } from '../../harness/temp-dir.ts';

interface Application {
  status: number;
  body: unknown;
  server: Server;
  address: string;
}

async function startApplication(t: TestContext, side: string): Promise<Application> {
  const port = await freePort();
  const application: Application = {
    status: 200,
    body: {},
    address: `127.0.0.1:${port}`,
    server: createServer((_, response) => response.writeHead(application.status, { 'x-holdfast-side': side }).end(JSON.stringify(application.body))),
  };
  application.server.listen(port, '127.0.0.1');
  await once(application.server, 'listening');
  t.after(() => application.server.close());
  return application;
}

async function startFrontDoor(t: TestContext) {
  const directory = tempDir(t);
  const port = await freePort();
  const [production, dr] = await Promise.all([startApplication(t, 'production'), startApplication(t, 'dr')]);
  writeFileSync(join(directory, 'nginx.conf'), frontDoorConfig(`127.0.0.1:${port}`));
  const first = { environment: 'production', percent: 100, changedAt: '2026-11-21T03:00:00.000Z' };
  writeFileSync(join(directory, 'admission.conf'), admissionConfig(first, production.address));
  const pidFile = join(directory, 'server.pid');
  const url = `http://127.0.0.1:${port}/`;
  const args = ['-p', directory, '-c', join(directory, 'nginx.conf'), '-g', 'daemon off;'];
  t.after(async () => await stopByPidFile(pidFile));
  await startServer({ name: 'nginx', program: findTool('nginx'), args, logFile: join(directory, 'log'), pidFile, tiedToUs: true, ready: async () => (await fetch(url)).status === 200 });
  const context: SwitchContext = {
    system: { traffic: { uses: 'nginx', directory, url, sides: { production: production.address, dr: dr.address }, health: { path: '/health', watch: 0 } } } as unknown as System,
    address: (text) => text,
    signal: new AbortController().signal,
    progress: () => undefined,
  };
  return { directory, url, production, dr, first, context };
}

test('traffic moves from one side to a maintenance answer, to a share, to the other side', async (t) => {
  const { context, url, first } = await startFrontDoor(t);
  assert.deepEqual(await nginxSwitch.read(context), first);

  await nginxSwitch.admit(context, 'dr', 0);
  const away = await fetch(url);
  assert.deepEqual([away.status, away.headers.get('retry-after'), away.headers.get('x-holdfast-side')], [503, '1', null]);

  await nginxSwitch.admit(context, 'dr', 30);
  const answers = await Promise.all(Array.from({ length: 300 }, async () => (await fetch(url)).headers.get('x-holdfast-side')));
  const letIn = answers.filter((side) => side === 'dr').length;
  assert.ok(!answers.includes('production'));
  assert.ok(letIn > 40 && letIn < 150, `${letIn} of 300`);

  const state = await nginxSwitch.admit(context, 'dr', 100);
  assert.deepEqual(await nginxSwitch.read(context), state);
  for (let n = 0; n < 20; n += 1) assert.equal((await fetch(url)).headers.get('x-holdfast-side'), 'dr');
  assert.deepEqual(await nginxSwitch.admit(context, 'dr', 100), state, 'a repeated call changes nothing');
});

test('a switch to a side that does not answer says what was seen instead', async (t) => {
  const { context, dr } = await startFrontDoor(t);
  dr.status = 500;
  const limited = { ...context, signal: context.signal };
  await assert.rejects(nginxSwitch.admit(limited, 'dr', 100), { name: 'TargetUnavailable', message: /last seen: 500 from dr/ });
});

test('a configuration that nginx does not take is put back', async (t) => {
  const { context, directory, production } = await startFrontDoor(t);
  const before = readFileSync(join(directory, 'admission.conf'), 'utf8');
  context.system.traffic.sides['dr'] = 'not a host;';
  await assert.rejects(nginxSwitch.admit(context, 'dr', 100), { name: 'ToolFailed' });
  assert.equal(readFileSync(join(directory, 'admission.conf'), 'utf8'), before);
  assert.ok(before.includes(production.address));
});

test('an unknown side names those there are', async (t) => {
  const { context } = await startFrontDoor(t);
  await assert.rejects(nginxSwitch.admit(context, 'moon', 100), { name: 'BadInput', message: /no side "moon"; known: production, dr/ });
});

test('health is watched on end, from the right side, and tells of the first write', async (t) => {
  const { context, dr, production } = await startFrontDoor(t);
  dr.status = 503;
  setTimeout(() => (dr.status = 200), 700);
  dr.body = { firstAcceptedWriteAt: '2026-11-21T03:00:00.000Z' };
  const healthy = await nginxSwitch.watchHealth(context, { environment: 'dr', watchMs: 1_000, withinMs: 10_000 });
  assert.ok(healthy.healthyForMs >= 1_000 && healthy.checks >= 4);
  assert.equal(healthy.firstAcceptedWriteAt, '2026-11-21T03:00:00.000Z');
  context.system.traffic.sides['dr'] = production.address;
  await assert.rejects(nginxSwitch.watchHealth(context, { environment: 'dr', watchMs: 100, withinMs: 600 }), {
    name: 'ValidationFailed',
    message: 'dr was not healthy for 100ms on end within 600ms; last seen: 200 from production',
  });
});
