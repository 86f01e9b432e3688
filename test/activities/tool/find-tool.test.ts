import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findTool, locateTool } from '../../../activities/tool/find-tool.ts';
import { tempDir } from '../../harness/temp-dir.ts';

test('a variable wins over PATH, PATH over the project, and the answer says which it was', (t) => {
  const directory = tempDir(t);
  const byVariable = program(join(directory, 'named', 'my-mongod'));
  const onPath = program(join(directory, 'bin', 'mongod'));
  const inProject = program(join(directory, 'tools', 'lib', 'python3.11', 'site-packages', 'fiftyone', 'db', 'bin', 'mongod'));
  setEnvironment(t, { HOLDFAST_TOOLS: join(directory, 'tools'), PATH: '/nowhere', HOLDFAST_MONGOD: '' });
  assert.deepEqual(locateTool('mongod'), { path: inProject, from: 'project' });
  setEnvironment(t, { PATH: join(directory, 'bin') });
  assert.deepEqual(locateTool('mongod'), { path: onPath, from: 'path' });
  setEnvironment(t, { HOLDFAST_MONGOD: byVariable });
  assert.deepEqual(locateTool('mongod'), { path: byVariable, from: 'env' });
});

test('what pip --target leaves is found as well as what a virtual environment leaves', (t) => {
  const directory = tempDir(t);
  const weed = program(join(directory, 'lib', 'python3', 'site-packages', 'bin', 'weed'));
  setEnvironment(t, { HOLDFAST_TOOLS: directory, PATH: '', HOLDFAST_WEED: '' });
  assert.equal(findTool('weed'), weed);
});

test('a missing program is one error that names the three ways to get it', (t) => {
  setEnvironment(t, { HOLDFAST_TOOLS: tempDir(t), PATH: '/nowhere', HOLDFAST_NGINX: '' });
  assert.throws(() => findTool('nginx'), (error: Error) => {
    assert.equal(error.name, 'ToolMissing');
    assert.match(error.message, /set-up\.mjs/);
    assert.match(error.message, /on PATH/);
    assert.match(error.message, /HOLDFAST_NGINX/);
    return true;
  });
});

test('a variable that names nothing is an error and not a reason to use another program', (t) => {
  const directory = tempDir(t);
  program(join(directory, 'mongod'));
  setEnvironment(t, { PATH: directory, HOLDFAST_MONGOD: join(directory, 'gone') });
  assert.throws(() => findTool('mongod'), /HOLDFAST_MONGOD=.*gone is not a program/);
});

test('a file that cannot be run and a directory of that name are passed over', (t) => {
  const directory = tempDir(t);
  program(join(directory, 'a', 'weed'), 0o644);
  mkdirSync(join(directory, 'b', 'weed'), { recursive: true });
  const right = program(join(directory, 'c', 'weed'));
  setEnvironment(t, { PATH: ['a', 'b', 'c'].map((name) => join(directory, name)).join(':'), HOLDFAST_WEED: '' });
  assert.equal(findTool('weed'), right);
});

function program(path: string, mode = 0o755): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, mode);
  return path;
}

function setEnvironment(t: TestContext, values: Record<string, string>): void {
  const before = Object.fromEntries(Object.keys(values).map((name) => [name, process.env[name]]));
  Object.assign(process.env, values);
  t.after(() => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}
