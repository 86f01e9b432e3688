import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTool } from '../../activities/tool/run-tool.ts';
import { processesWith } from '../harness/running.ts';
import { tempDir } from '../harness/temp-dir.ts';
import { until } from '../harness/until.ts';

const program = join(import.meta.dirname, '..', '..', 'scripts', 'holdfast.ts');

/** Runs the demo until it has said a line that begins with `word`, then ctrl-C. @returns everything that it said. */
async function interruptAt(home: string, word: string, abort: AbortSignal): Promise<string> {
  const demo = startTool('node', [program, 'demo', '--yes'], { env: { HOLDFAST_HOME: home, HOLDFAST_REPORTS: join(home, 'reports') }, signal: abort });
  demo.done.catch(() => undefined);
  let said = '';
  demo.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until(`the demo says "${word}"`, () => said.split('\n').some((line) => line.startsWith(word)), 120_000);
  assert.ok(processesWith('HOLDFAST_HOME', home).length > 5, 'the stack runs');
  process.kill(demo.pid, 'SIGINT');
  await assert.rejects(demo.done, /130/);
  return said;
}

test('ctrl-C ends the demo and leaves no process behind, whatever it was about', { timeout: 300_000 }, async (t) => {
  const home = tempDir(t, 'holdfast-demo-');
  // While data is loaded; while a backup has just been taken, the archive tails and the writer writes.
  for (const word of ['worker', 'archive']) {
    const said = await interruptAt(home, word, t.signal);
    assert.match(said, /interrupted: stopping everything/);
    // What watched over a server for the demo sees the demo's end a moment after it.
    await until(`nothing runs after "${word}"`, () => processesWith('HOLDFAST_HOME', home).length === 0, 3_000);
    assert.ok(!existsSync(join(home, 'stack.json')), 'its directory is cleaned');
  }
});
