import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { SpillFile } from '../../../../activities/engines/mongodb/spill-file.ts';
import { startTool } from '../../../../activities/tool/run-tool.ts';
import { tempDir } from '../../../harness/temp-dir.ts';

test('records come back in their order and whole, whether they are small, larger than a chunk or still in memory', () => {
  const file = new SpillFile();
  const records = Array.from({ length: 3_000 }, (_, index) => randomBytes(index % 500 === 0 ? 700_000 : index % 900));
  for (const record of records) file.add([record.subarray(0, 3), record.subarray(3)]);
  const read = [...file.read()].map((record) => Buffer.from(record));
  assert.equal(file.records, records.length);
  assert.ok(records.every((record, index) => record.equals(read[index]!)));
  assert.equal([...file.read()].length, records.length, 'it can be read again');
  file.close();
  file.close();
});

/** Files of a process that have no name any more, by their descriptor. */
const namelessOf = (pid: number): string[] =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => readlinkSync(join(`/proc/${pid}/fd`, fd)).endsWith('spill (deleted)'));

test('what was spilled cannot be read on disk, and a kill leaves nothing of it', async (t) => {
  const directory = tempDir(t);
  const planted = randomBytes(24).toString('hex');
  const tool = startTool({ path: process.execPath }, [join(import.meta.dirname, 'equality/spill-and-wait.ts')], { env: { HOLDFAST_SPILL: directory } });
  const ended = assert.rejects(tool.done);
  tool.stdin.end(planted);
  const [said] = await once(tool.stdout, 'data') as [Buffer];
  assert.match(said.toString(), /^spilled 20000/);
  const [fd] = namelessOf(tool.pid);
  assert.ok(fd, 'it holds a file');
  const bytes = readFileSync(`/proc/${tool.pid}/fd/${fd}`);
  assert.ok(bytes.length > 10_000, `${bytes.length} bytes on disk`);
  assert.equal(bytes.includes(planted), false, 'the text is there in clear');
  assert.equal(bytes.includes(planted.slice(0, 16)), false);
  assert.deepEqual(readdirSync(directory), [], 'no name leads to it');
  process.kill(-tool.pid, 'SIGKILL');
  await ended;
  assert.deepEqual(readdirSync(directory), []);
});
