import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { physicalMissing, physicalPlace, physicalRef } from '../harness/physical-place.ts';
import { processesWith, type RunningProcess } from '../harness/running.ts';
import { until } from '../harness/until.ts';

const holdfast = join(import.meta.dirname, '../../scripts/holdfast.ts');

test('a server that is behind pushes by a process that has everything loaded: killed and stopped in the middle, every segment comes, and what it answers is what the command answers', { skip: await physicalMissing(), timeout: 180_000 }, async (t) => {
  const place = await physicalPlace(t, { settings: { archive_command: 'false' } });
  const pushers = (): RunningProcess[] => processesWith('HOLDFAST_SYSTEMS', place.directory).filter(({ argv }) => argv.some((one) => one.endsWith('pusher.ts')));
  t.after(() => pushers().forEach(({ pid }) => process.kill(pid, 'SIGKILL')));
  const archived = async (): Promise<number> => Number((await place.source.query<{ count: string }>('SELECT archived_count AS count FROM pg_stat_archiver'))[0]!.count);
  await place.source.query('CREATE TABLE ticks (id int)');
  for (let id = 0; id < 16; id += 1) await place.source.query(`INSERT INTO ticks VALUES (${id}); SELECT pg_switch_wal()`);

  await t.test('behind by sixteen segments', async () => {
    await place.source.configure({ archive_command: place.archiveCommand });
    const first = await until('a pusher', async () => ((await archived()) > 1 ? pushers()[0] : undefined));
    process.kill(first.pid, 'SIGKILL');
    const second = await until('another one', () => pushers().find(({ pid }) => pid !== first.pid));
    const soFar = await archived();
    await until('it to push', async () => (await archived()) > soFar);
    process.kill(second.pid, 'SIGSTOP');
    assert.ok((await archived()) < 16, 'the server is still behind');
    await until('sixteen segments', async () => (await archived()) >= 16, 60_000);
    assert.equal((await rebuildCatalog(await place.open(), physicalRef)).spans.length, 1);
    // The server's own part is over.
    await place.source.configure({ archive_command: 'true' });
    pushers().forEach(({ pid }) => process.kill(pid, 'SIGKILL'));
  });

  await t.test('the same answers, the file as it stands now, and an end when nobody asks', async () => {
    const data = join(place.directory, 'data');
    const name = '000000010000000000000003';
    mkdirSync(join(data, 'pg_wal', 'archive_status'), { recursive: true });
    for (const ready of ['1', '2']) writeFileSync(join(data, 'pg_wal', 'archive_status', `${ready}.ready`), '');
    cpSync(join(place.source.dataDirectory, 'pg_wal', name), join(data, 'pg_wal', name));
    const push = async (file: string): Promise<unknown> =>
      await runTool('node', [holdfast, 'wal-push', join('pg_wal', file)], { cwd: data }).then(
        ({ stdout }) => stdout,
        (error: unknown) => (error instanceof HoldfastError ? error.message : error),
      );
    const altered = readFileSync(join(data, 'pg_wal', name));
    altered[altered.length - 1]! ^= 1;
    mkdirSync(join(data, 'other'));
    const both = async (): Promise<unknown[]> => [await push(name), await push(join('..', 'other', name))];
    writeFileSync(join(data, 'other', name), altered);
    const alone = await both();
    assert.match(String(alone[0]), /was stored before, byte for byte/);
    assert.match(String(alone[1]), /ended with code 9; it said: error: physical.* holds other bytes/);
    await until('a pusher', () => pushers().length === 1, 10_000);
    const before = pushers();
    await until('it answers', async () => JSON.stringify(await both()) === JSON.stringify(alone), 10_000);
    const file = join(place.directory, `${physicalRef.system}.yaml`);
    renameSync(file, `${file}.away`);
    assert.match(String(await push(name)), /ended with code 2; it said: error: no system "physical"/);
    assert.deepEqual(pushers(), before, 'nobody pushed by itself');
    await until('its end', () => pushers().length === 0, 20_000);
  });
});
