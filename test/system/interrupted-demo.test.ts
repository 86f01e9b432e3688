import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTool } from '../../activities/tool/run-tool.ts';
import { processesWith } from '../harness/running.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';

const program = join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts');

/** Interrupted while data is loaded, demo.test.ts has it. */
test('ctrl-C ends the demo and leaves no process behind, while the archive tails and the writer writes', { timeout: 300_000 }, async (t) => {
  const home = tempDir(t, 'holdfast-demo-');
  const demo = startTool('node', [program, 'demo', '--rate', '20', '--yes'], { env: { HOLDFAST_HOME: home, HOLDFAST_REPORTS: join(home, 'reports') }, signal: t.signal });
  demo.done.catch(() => undefined);
  let said = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until('the demo says "archive"', () => said.split('\n').some((line) => line.startsWith('archive')), 120_000);
  assert.ok(processesWith('HOLDFAST_HOME', home).length > 5, 'the stack runs');
  process.kill(demo.pid, 'SIGINT');
  await assert.rejects(demo.done, /130/);
  assert.match(said, /interrupted: stopping everything/);
  // What watched over a server for the demo sees the demo's end a moment after it.
  await until('nothing runs', () => processesWith('HOLDFAST_HOME', home).length === 0, 3_000);
  assert.ok(!existsSync(join(home, 'stack.json')), 'its directory is cleaned');
});
