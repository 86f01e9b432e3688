import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { groupLives, within } from '../../../activities/tool/process-group.ts';
import { runTool, startTool } from '../../../activities/tool/run-tool.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const shell = { path: '/bin/sh' };

test('a program’s output comes back, and arguments are not split or expanded', async () => {
  const { stdout } = await runTool({ path: '/usr/bin/env' }, ['printf', '%s|', 'a b', '$HOME', '*']);
  assert.equal(stdout, 'a b|$HOME|*|');
});

test('a failure names the exit code and the last of what the program said, not all of it', async () => {
  const script = 'i=0; while [ $i -lt 4000 ]; do echo "line $i" >&2; i=$((i+1)); done; exit 7';
  await assert.rejects(runTool(shell, ['-c', script]), (error: Error) => {
    assert.equal(error.name, 'ToolFailed');
    assert.match(error.message, /ended with code 7/);
    assert.match(error.message, /line 3999/);
    assert.doesNotMatch(error.message, /line 10\n/);
    assert.ok(error.message.length < 5_000);
    return true;
  });
});

test('a program that does not exist is an error that says so', async () => {
  await assert.rejects(runTool({ path: '/nowhere/program' }, []), /did not start.*ENOENT/);
});

test('an abort ends the whole group, also a grandchild that ignores TERM, and rejects with its reason', async (t) => {
  const file = join(tempDir(t), 'grandchild');
  const abort = new AbortController();
  const running = startTool(shell, ['-c', `trap '' TERM; (trap '' TERM; echo up > ${file}; while :; do sleep 1; done) & wait`], {
    signal: abort.signal,
    graceMs: 200,
  });
  const rejected = assert.rejects(running.done, /called off/);
  assert.ok(await within(5_000, () => existsSync(file)));
  abort.abort(new Error('called off'));
  await rejected;
  assert.equal(groupLives(running.pid), false);
});

test('a signal that is aborted already starts nothing', async (t) => {
  const file = join(tempDir(t), 'made');
  await assert.rejects(runTool(shell, ['-c', `: > ${file}`], { signal: AbortSignal.abort(new Error('too late')) }), /too late/);
  assert.equal(existsSync(file), false);
});

test('what a program leaves running in its group is ended before the end is reported', async () => {
  const running = startTool(shell, ['-c', 'sleep 300 >/dev/null 2>&1 &'], { graceMs: 500, input: '' });
  await running.done;
  assert.equal(groupLives(running.pid), false);
});

test('messages go both ways with ipc, with dates and bytes as they are', async (t) => {
  const file = join(tempDir(t), 'child.mjs');
  const { writeFileSync } = await import('node:fs');
  writeFileSync(file, `process.on('message', (m) => { process.send({ got: m, bytes: new Uint8Array([1, 2]) }); process.disconnect(); });`);
  const running = startTool('node', [file], { ipc: true, input: '' });
  const answers: unknown[] = [];
  await running.send({ at: new Date(5) });
  for await (const message of running.messages()) answers.push(message);
  await running.done;
  assert.deepEqual(answers, [{ got: { at: new Date(5) }, bytes: new Uint8Array([1, 2]) }]);
});

test('input is written to stdin, so that a secret need not be an argument', async (t) => {
  const file = join(tempDir(t), 'out');
  await runTool(shell, ['-c', `cat > ${file}`], { input: 'planted' });
  assert.equal(readFileSync(file, 'utf8'), 'planted');
});
