import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTool } from '../../activities/tool/run-tool.ts';
import { tempDir } from '../harness/temp-dir.ts';

const root = join(import.meta.dirname, '..', '..');

test('the bundle of the workflows is made once, and anew when a line of a workflow changes', async (t) => {
  const copy = tempDir(t);
  for (const room of ['workflows', 'activities', 'workers', 'package.json', 'package-lock.json']) cpSync(join(root, room), join(copy, room), { recursive: true });
  // The packages by links, so that the cache beside them is the copy's own.
  const packages = join(copy, 'node_modules');
  mkdirSync(packages);
  for (const name of readdirSync(join(root, 'node_modules'))) if (name !== '.cache') symlinkSync(join(root, 'node_modules', name), join(packages, name));
  const kept = (): string[] => readdirSync(join(packages, '.cache', 'holdfast'));
  const bundle = async (): Promise<{ bytes: number; marked: boolean }> => {
    const program = `
      const { bundleWorkflows } = await import('${join(copy, 'workers', 'bundle-workflows.ts')}');
      const { openLog } = await import('${join(copy, 'workers', 'log.ts')}');
      const { code } = await bundleWorkflows(openLog('error'));
      console.log(JSON.stringify({ bytes: code.length, marked: code.includes('a marked line') }));`;
    return JSON.parse((await runTool('node', ['--input-type=module', '-e', program])).stdout) as { bytes: number; marked: boolean };
  };
  const made = await bundle();
  const [name] = kept();
  assert.equal(kept().length, 1);
  // Marked, so that one that is made again would show.
  writeFileSync(join(packages, '.cache', 'holdfast', name!), 'marked');
  assert.equal((await bundle()).bytes, 'marked'.length, 'the kept one is used');
  appendFileSync(join(copy, 'workflows', 'index.ts'), '\nexport const marked = (): string => "a marked line";\n');
  assert.deepEqual([(await bundle()).marked, made.marked], [true, false]);
  assert.equal(kept().length, 2);
});
