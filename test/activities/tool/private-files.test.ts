import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makePrivateDirectory, privateRoot, sweepPrivateDirectories } from '../../../activities/tool/private-files.ts';
import { groupLives, startTimeOf, within } from '../../../activities/tool/process-group.ts';
import { runTool, startTool } from '../../../activities/tool/run-tool.ts';

test('private files are readable by nobody else, and go when they are removed', async () => {
  const directory = await makePrivateDirectory({ login: 'secret' });
  assert.equal(readFileSync(join(directory.path, 'login'), 'utf8'), 'secret\n');
  assert.equal(statSync(join(directory.path, 'login')).mode & 0o777, 0o600);
  assert.equal(statSync(directory.path).mode & 0o777, 0o700);
  await sweepPrivateDirectories();
  assert.ok(existsSync(directory.path), 'its owner lives');
  await directory.remove();
  assert.ok(!existsSync(directory.path));
});

test('what a dead process left is swept: first what still works with it, then the files', async (t) => {
  const sleeper = startTool({ path: '/bin/sh' }, ['-c', 'sleep 300 & wait'], { input: '' });
  t.after(async () => await sleeper.kill(0));
  const ended = assert.rejects(sleeper.done, /SIGKILL/);
  const path = mkdtempSync(join(privateRoot(), 'holdfast-private-'));
  const { stdout } = await runTool({ path: '/bin/readlink' }, ['/proc/self/ns/pid']);
  const owner = { pid: sleeper.pid, startTime: 'of another boot', namespace: stdout.trim(), group: { pid: sleeper.pid, startTime: startTimeOf(sleeper.pid) } };
  writeFileSync(join(path, '.owner.json'), JSON.stringify(owner));
  await sweepPrivateDirectories();
  assert.ok(!existsSync(path));
  assert.ok(await within(5_000, () => !groupLives(sleeper.pid)));
  await ended;
});

test('a process that exits takes its private files with it', async () => {
  const module = fileURLToPath(new URL('../../../activities/tool/private-files.ts', import.meta.url));
  const { stdout } = await runTool('node', ['--input-type=module', '-e', `const { makePrivateDirectory } = await import(${JSON.stringify(module)}); process.stdout.write((await makePrivateDirectory({ a: 'b' })).path, () => process.exit(0));`]);
  assert.match(stdout, /holdfast-private-/);
  assert.ok(!existsSync(stdout));
});
