import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { replaceFile } from '../../activities/replace-file.ts';
import { tempDir } from '../harness/temp-dir.ts';

test('of many who write one file at once none fails, one text is there whole, and no draft is left, of one that cannot be put in place either', async (t) => {
  const directory = tempDir(t);
  const path = join(directory, 'mark');
  const texts = Array.from({ length: 40 }, (_, n) => String(n % 10).repeat(10_000 + n));
  await Promise.all(texts.map(async (text) => await replaceFile(path, text)));
  assert.ok(texts.includes(readFileSync(path, 'utf8')));
  await mkdir(join(directory, 'taken'));
  await assert.rejects(replaceFile(join(directory, 'taken'), 'text'), { code: 'EISDIR' });
  assert.deepEqual(readdirSync(directory).sort(), ['mark', 'taken']);
});
