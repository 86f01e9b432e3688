import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { usual } from '../../../workflows/domain/anomalies.ts';
import { countDrills, type SystemFacts } from '../../../activities/watch/system-facts.ts';
import type { TakenBackup } from '../../../workflows/domain/backup-history.ts';
import type { Drill, DrillResult } from '../../../workflows/domain/drill-history.ts';
import { logPosition } from '../../../workflows/domain/log-position.ts';
import type { Readiness } from '../../../workflows/domain/readiness.ts';
import { gib, hours, minutes } from '../../../workflows/domain/units.ts';
import { readEnvironment } from '../../../workers/environment.ts';
import { keepPinging } from '../../../workers/watch/ping.ts';
import { renderMetrics } from '../../../workers/watch/metrics.ts';
import type { RoleState } from '../../../workers/watch/role-readiness.ts';
import { serveWatch } from '../../../workers/watch/serve-watch.ts';
import { locateTool } from '../../../activities/tool/find-tool.ts';
import { runTool } from '../../../activities/tool/run-tool.ts';
import { skipWithout } from '../../harness/required-parts.ts';
import { until } from '../../harness/until.ts';
import { createServer } from 'node:http';

const at = '2026-11-22T12:00:00.000Z';
const taken = (day: number): TakenBackup => ({
  source: 'words',
  timeline: 't00000001',
  backup: `b${day}`,
  kind: 'full',
  storedAt: new Date(Date.parse(at) - (10 - day) * hours(24)).toISOString(),
  startedAt: new Date(Date.parse(at) - (10 - day) * hours(24) - minutes(10)).toISOString(),
  finishedAt: new Date(Date.parse(at) - (10 - day) * hours(24)).toISOString(),
  durationMs: minutes(10),
  documents: 10,
  plainBytes: gib(2),
  storedBytes: gib(1),
  why: 'nightly',
  requestedBy: 'schedule/demo/nightly',
});
const facts = (of: Partial<SystemFacts> = {}): SystemFacts => ({
  system: 'demo',
  file: { title: 'Demo', objectives: { rto: hours(1), rpo: minutes(5) } },
  at,
  sources: ['words'],
  ages: usual.age,
  history: { system: 'demo', at, taken: [1, 2, 3, 4, 5].map(taken), runs: [], runsSince: at },
  capacity: null,
  readiness: null,
  fires: [{ id: 'demo/nightly', state: 'late', lastAt: at, dueAt: at, nextAt: null }],
  ends: null,
  open: [],
  archives: { words: true },
  drills: null,
  drilled: null,
  verified: [{ source: 'words', share: 0.25 }],
  unread: [],
  ...of,
});

test('/readyz names the role that is not ready and why, /healthz does not mind, and nothing else is answered', async (t) => {
  let roles: RoleState[] = [{ role: 'control', ready: true, why: [] }];
  const server = await serveWatch({ host: '127.0.0.1', port: 0, roles: async () => await Promise.resolve(roles), metrics: async () => await Promise.resolve('up 1\n') });
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = async (path: string, method = 'GET'): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${url}${path}`, { method });
    return { status: answer.status, text: await answer.text() };
  };
  assert.equal((await ask('/readyz')).status, 200);
  roles = [...roles, { role: 'data', ready: false, why: ['store backups of demo does not answer'] }];
  const { status, text } = await ask('/readyz');
  assert.equal(status, 503);
  assert.deepEqual(JSON.parse(text), { ok: false, roles });
  assert.equal((await ask('/healthz')).status, 200);
  assert.equal((await ask('/metrics')).text, 'up 1\n');
  assert.deepEqual([(await ask('/')).status, (await ask('/readyz', 'POST')).status], [404, 405]);
});

test('metrics are what the facts say: the same from any worker, and what is not known is not told', async () => {
  const told = await renderMetrics([facts(), facts({ system: 'other', history: null, fires: null })]);
  const lines = told.split('\n');
  assert.ok(lines.includes(`backup_last_success_timestamp{system="demo",source="words",type="full"} ${Date.parse(taken(5).storedAt) / 1000}`), told);
  assert.ok(lines.includes(`backup_size_bytes{system="demo",source="words",type="full"} ${gib(1)}`));
  assert.ok(lines.includes('backup_duration_seconds{system="demo",source="words",type="full"} 600'));
  assert.ok(lines.includes('holdfast_verified_share{system="demo",source="words"} 0.25'));
  assert.ok(lines.includes('holdfast_schedule_stopped{system="demo",schedule="nightly"} 1'));
  assert.equal(lines.filter((line) => line.startsWith('backup_') && line.includes('other')).length, 0);
  assert.equal(await renderMetrics([facts(), facts({ system: 'other', history: null, fires: null })]), told);
});

test('drills are counted by result and never fall, though only the newest runs are read', async () => {
  const known = new Map<string, DrillResult>();
  const runs = (from: number, result: DrillResult): Drill[] => Array.from({ length: 120 }, (_, index) => ({ run: `r${from + index}`, purpose: 'drill', result }) as Drill);
  assert.deepEqual(countDrills(known, { drills: [...runs(0, 'passed'), { run: 'a recovery', purpose: 'recovery', result: 'failed' } as Drill] }), { passed: 120, missed: 0, failed: 0 });
  const drilled = countDrills(known, { drills: runs(119, 'missed') });
  assert.deepEqual(drilled, { passed: 119, missed: 120, failed: 0 }, 'one told its end only now');
  const lines = (await renderMetrics([facts({ drilled })])).split('\n');
  for (const line of ['{result="passed",system="demo"} 119', '{result="missed",system="demo"} 120', '{result="failed",system="demo"} 0']) assert.ok(lines.includes(`backup_restore_tests_total${line}`), lines.filter((one) => one.includes('restore_tests')).join('\n'));
});

const readiness: Readiness = {
  format: 1,
  system: 'demo',
  title: 'Demo',
  verdict: 'at risk',
  at,
  rtoObjectiveMs: hours(1),
  rpoObjectiveMs: minutes(5),
  forecastMs: minutes(40),
  forecastBasis: 'past runs',
  rpoMs: 2_000,
  sources: [
    { source: 'words', engine: 'mongodb', newest: { timeline: 't00000001', base: 'b5', from: logPosition(100, 1), to: logPosition(200, 1), fromAt: at, toAt: at }, oldestAt: at, windows: 1, rpoMs: 2_000, rpoNote: null, base: null, baseDueAt: null, openGaps: [], gaps: 1, disbelieved: [], lost: [], verified: { at, scope: 'restore' } },
    { source: 'users', engine: 'mongodb', newest: null, oldestAt: null, windows: 0, rpoMs: null, rpoNote: 'it does not answer', base: null, baseDueAt: null, openGaps: [], gaps: 0, disbelieved: [], lost: [], verified: null },
  ],
  lastDrill: null,
  clocks: [{ of: 'store', aheadMs: -21_600_000 }],
  problems: [{ kind: 'clock', source: null, key: 'clock store', what: 'the clock is wrong', hint: null, since: at, makes: 'at risk' }],
  problemCount: 1,
};

test('what the readiness watch answers is told by source, and of a source that does not answer nothing is claimed', async () => {
  const lines = (await renderMetrics([facts({ readiness })])).split('\n').filter((line) => !line.startsWith('#'));
  for (const line of [
    'holdfast_rpo_seconds{system="demo",source="words"} 2',
    'holdfast_rto_forecast_seconds{system="demo"} 2400',
    'holdfast_ready{system="demo",verdict="ready"} 0',
    'holdfast_ready{system="demo",verdict="at risk"} 1',
    'holdfast_problems{system="demo",kind="clock"} 1',
    'holdfast_problems{system="demo",kind="bucket"} 0',
    `holdfast_verified_timestamp{system="demo",source="words",scope="restore"} ${Date.parse(at) / 1000}`,
    'holdfast_gaps{system="demo",source="words"} 1',
    'holdfast_clock_ahead_seconds{system="demo",of="store"} -21600',
    `holdfast_restorable_to_timestamp{system="demo",source="words"} ${Date.parse(at) / 1000}`,
    `backup_last_success_timestamp{type="log",system="demo",source="words"} ${Date.parse(at) / 1000}`,
  ]) assert.ok(lines.includes(line), `${line}\n${lines.join('\n')}`);
  assert.deepEqual(lines.filter((line) => /^holdfast_(rpo_seconds|verified_timestamp|restorable_\w+)\{/.test(line) && line.includes('users')), []);
});

test('Prometheus finds nothing wrong with what is told', { skip: locateTool('promtool') ? false : skipWithout('promtool', 'no promtool here (Debian: prometheus)') }, async () => {
  // It reads the text from its standard input, and complains of names and help texts too.
  await runTool('promtool', ['check', 'metrics'], { input: await renderMetrics([facts({ readiness })]) });
});

test('a monitor hears that all is well, and what is not; one that is dead harms nothing and is heard again later', async (t) => {
  const heard: { path: string; body: string }[] = [];
  let refuse = false;
  const monitor = createServer((request, response) => {
    let body = '';
    request.on('data', (piece: Buffer) => (body += piece.toString()));
    request.on('end', () => {
      heard.push({ path: request.url!, body });
      response.writeHead(refuse ? 500 : 200).end();
    });
  });
  await new Promise<void>((resolve) => monitor.listen(0, '127.0.0.1', resolve));
  t.after(() => monitor.close());
  const stopped = new AbortController();
  const said: string[] = [];
  const log = { warn: (_: object, message: string) => void said.push(message), info: (_: object, message: string) => void said.push(message) } as unknown as Parameters<typeof keepPinging>[0]['log'];
  let wrong: string[] | Error = [];
  const look = async (): Promise<string[]> => await (wrong instanceof Error ? Promise.reject(wrong) : Promise.resolve(wrong));
  const pinging = keepPinging({ url: `http://127.0.0.1:${(monitor.address() as AddressInfo).port}/ping/abc`, everyMs: 20, log, look }, stopped.signal);
  await until('the monitor hears', () => heard.length > 0);
  assert.deepEqual(heard[0], { path: '/ping/abc', body: 'ok' });
  wrong = ['demo/nightly is not on the server: holdfast apply'];
  await until('it hears what is wrong', () => heard.some(({ path, body }) => path === '/ping/abc/fail' && body === (wrong as string[])[0]));
  refuse = true;
  await until('the log says so', () => said.includes('the monitor does not hear us'));
  refuse = false;
  await until('and that it is over', () => said.includes('the monitor answers again'));
  wrong = new Error('Temporal does not answer');
  await until('a look that fails is a failure', () => heard.some(({ body }) => body.includes('Temporal does not answer')));
  stopped.abort();
  await pinging;
  assert.equal(said.filter((line) => line === 'the monitor does not hear us').length, 1);
});

test('where it is watched is one setting, and a wrong one is refused by its name', () => {
  assert.deepEqual(readEnvironment({}).http, { host: '127.0.0.1', port: 9469, named: false });
  assert.equal(readEnvironment({ HOLDFAST_HTTP: 'off' }).http, null);
  assert.deepEqual(readEnvironment({ HOLDFAST_HTTP: '[::1]:80' }).http, { host: '::1', port: 80, text: '[::1]:80', named: true });
  assert.throws(() => readEnvironment({ HOLDFAST_HTTP: '9469' }), { name: 'BadInput', message: /HOLDFAST_HTTP=9469: expected host:port/ });
  assert.equal(readEnvironment({ HOLDFAST_PING: 'https://ping.example/abc' }).ping!.ref, '${HOLDFAST_PING}');
  assert.throws(() => readEnvironment({ HOLDFAST_PING: 'x', HOLDFAST_PING_EVERY: 'often' }), { name: 'BadInput', message: /HOLDFAST_PING_EVERY=often/ });
});
