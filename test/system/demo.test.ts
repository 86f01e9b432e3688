import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startTool, type RunningTool } from '../../activities/tool/run-tool.ts';
import type { DemoResult } from '../../scripts/demo/result.ts';
import { processesWith } from '../harness/running.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';

const program = join(import.meta.dirname, '../../scripts/holdfast.ts');

/** A second, where people see 650. What is proved of a write is the same for each one, and writes take more of the processors than anything else in a demo. */
const writes = '20';

/** A demo of the test's own, in a directory whose path has a space. */
function startDemo(t: TestContext, args: readonly string[]): { demo: RunningTool; home: string; said: () => string } {
  const home = join(tempDir(t, 'holdfast demo-'), 'home');
  const env = { HOLDFAST_HOME: home, HOLDFAST_REPORTS: join(home, '..', 'reports'), USER: 'ada' };
  const demo = startTool('node', [program, 'demo', ...args], { env, input: '', graceMs: 60_000 });
  let text = '';
  demo.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  t.after(async () => await demo.kill());
  return { demo, home, said: () => text };
}

/** Command lines of what still works in a directory. */
function processesIn(directory: string): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return line.includes(directory) ? [line] : [];
    } catch {
      return [];
    }
  });
}

test('the demo loses a primary under load, recovers it, and keeps its promises', { timeout: 9 * 60_000 }, async (t) => {
  const file = join(tempDir(t), 'demo.json');
  const { demo, home, said } = startDemo(t, ['--rate', writes, '--json', file]);
  await demo.done.catch((error: unknown) => assert.fail(`${(error as Error).message}\n${said()}`));
  const result = JSON.parse(readFileSync(file, 'utf8')) as DemoResult;
  assert.deepEqual({ ok: result.ok, failures: result.failures }, { ok: true, failures: [] });
  assert.ok(result.data.documents >= 200_000 && result.data.bytes >= 100_000_000 && result.data.collections.length >= 3);
  assert.ok(result.data.collections.every(({ indexes }) => indexes > 1), 'every collection has secondary indexes');
  assert.ok((result.writes.oldestLostAgeMs ?? 0) <= 5_000);
  assert.ok(result.writes.acknowledgedAfterSwitch > 0);
  assert.ok(result.rto.achievedMs! <= result.rto.objectiveMs && Math.abs(result.rto.machineMs + result.rto.humanMs - result.rto.achievedMs!) < 100);
  assert.ok(result.validation.collections.length >= 4 && result.validation.collections.every(({ hashEqual }) => hashEqual));
  assert.equal(result.fence?.outcome, 'proved');
  assert.notEqual(result.oldPrimary.outcome, 'accepted');
  assert.equal(result.newArchive.proved, true);
  const page = readFileSync(result.reportPath, 'utf8');
  assert.match(page, /Acknowledged writes/);
  // Off a terminal the approval is given by itself, as a signal, by somebody else than who asked.
  assert.match(page, /approve by incident-commander \(claimed\)/);
  assert.match(said(), /link +http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows\/recover%2Fdemo/);
  assert.deepEqual(processesIn(home), []);
  assert.equal(existsSync(home), false, 'a demo that went well leaves only its reports');
});

test('ctrl-C while data is loaded leaves no process behind, pressed twice, and a second demo beside a running one is refused', { timeout: 3 * 60_000 }, async (t) => {
  const { demo, home, said } = startDemo(t, ['--rate', writes, '--yes']);
  await until('the worker polls', () => said().includes('worker '), 90_000);
  const second = startTool('node', [program, 'demo', '--yes'], { env: { HOLDFAST_HOME: home }, input: '' });
  await assert.rejects(second.done, /a demo runs already, as process \d+\nHINT: wait for it/);
  assert.ok(processesIn(home).length >= 5);
  process.kill(demo.pid, 'SIGINT');
  process.kill(demo.pid, 'SIGINT');
  await assert.rejects(demo.done, /ended with code 130/);
  assert.match(said(), /interrupted: stopping everything/);
  assert.deepEqual(processesIn(home), []);
  // What watched over a server for the demo sees the demo's end a moment after it.
  await until('nothing runs', () => processesWith('HOLDFAST_HOME', home).length === 0, 3_000);
  assert.deepEqual(globSync('*', { cwd: join(home, '..') }), []);
});
