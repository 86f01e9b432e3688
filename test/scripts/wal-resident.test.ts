import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, readlinkSync, renameSync, symlinkSync, writeFileSync, appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { HoldfastError } from '../../workflows/domain/errors.ts';
import { rebuildCatalog } from '../../activities/store/read-catalog.ts';
import { runTool } from '../../activities/tool/run-tool.ts';
import { loadedPackages } from '../harness/loaded-packages.ts';
import { physicalMissing, physicalPlace, physicalRef } from '../harness/physical-place.ts';
import { processesWith, type RunningProcess } from '../harness/running.ts';
import { until } from '../harness/until.ts';

const project = join(import.meta.dirname, '../..');

test('PostgreSQL pushes by a process that has everything loaded: killed and stopped in the middle, every segment comes, and what it answers is what the command answers', { skip: await physicalMissing(), timeout: 300_000 }, async (t) => {
  const place = await physicalPlace(t, { settings: { archive_command: 'false' } });
  const residents = (): RunningProcess[] => processesWith('HOLDFAST_SYSTEMS', place.directory).filter(({ argv }) => argv.some((one) => one.endsWith('wal/resident.ts')));
  t.after(() => residents().forEach(({ pid }) => process.kill(pid, 'SIGKILL')));
  const archived = async (): Promise<number> => Number((await place.source.query<{ count: string }>('SELECT archived_count AS count FROM pg_stat_archiver'))[0]!.count);
  await place.source.query('CREATE TABLE ticks (id int)');
  const tick = async (): Promise<unknown> => await place.source.query('INSERT INTO ticks VALUES (1); SELECT pg_switch_wal()');
  for (let id = 0; id < 16; id += 1) await tick();
  // Kept: a server uses the file again.
  const data = join(place.directory, 'data');
  const name = '000000010000000000000003';
  mkdirSync(join(data, 'pg_wal', 'archive_status'), { recursive: true });
  cpSync(join(place.source.dataDirectory, 'pg_wal', name), join(data, 'pg_wal', name));

  await t.test('behind by sixteen segments', async () => {
    await place.source.configure({ archive_command: place.archiveCommand });
    const first = await until('a resident', async () => ((await archived()) > 1 ? residents()[0] : undefined), 60_000);
    process.kill(first.pid, 'SIGKILL');
    const second = await until('another one', () => residents().find(({ pid }) => pid !== first.pid), 60_000);
    const soFar = await archived();
    await until('it to push', async () => (await archived()) > soFar, 60_000);
    process.kill(second.pid, 'SIGSTOP');
    assert.ok((await archived()) < 16, 'the server is still behind');
    await until('sixteen segments', async () => (await archived()) >= 16, 120_000);
    process.kill(second.pid, 'SIGCONT');
    await until('the one that was stopped to see that another has its name', () => residents().every(({ pid }) => pid !== second.pid), 10_000);
    assert.equal((await rebuildCatalog(await place.open(), physicalRef)).spans.length, 1);
  });

  await t.test('a segment at a time: by the one that is there, whoever killed it in between, until its server is gone', async () => {
    for (const end of [undefined, 'SIGKILL', 'SIGTERM'] as const) {
      const before = residents();
      if (end) before.forEach(({ pid }) => process.kill(pid, end));
      const soFar = await archived();
      await tick();
      await until('it to be pushed', async () => (await archived()) > soFar, 90_000);
      if (!end) assert.deepEqual(residents(), before, 'nobody else was started');
    }
    assert.equal(residents().length, 1);
    assert.equal((await rebuildCatalog(await place.open(), physicalRef)).spans.length, 1);
    await place.source.stop();
    await until('the end of the resident', () => residents().length === 0, 10_000);
  });

  await t.test('the same answers, the file as it stands now, a secret as it stands behind a failure, and an end when nobody asks', async () => {
    // As people install it: a link somewhere on PATH.
    const link = join(place.directory, 'holdfast');
    symlinkSync(join(project, 'holdfast'), link);
    const said = async (program: string, args: readonly string[]): Promise<unknown> =>
      await runTool({ path: program }, args, { cwd: data }).then(
        ({ stdout }) => stdout,
        (error: unknown) => (error instanceof HoldfastError ? error.message.replace(/^.* (?=ended with)/, '') : error),
      );
    const push = async (file: string): Promise<unknown> => await said(link, ['wal-push', join('pg_wal', file)]);
    const alone = async (file: string): Promise<unknown> => await said(process.execPath, [join(project, 'scripts/holdfast.ts'), 'wal-push', join('pg_wal', file)]);
    const altered = readFileSync(join(data, 'pg_wal', name));
    altered[altered.length - 1]! ^= 1;
    mkdirSync(join(data, 'other'));
    writeFileSync(join(data, 'other', name), altered);
    const other = join('..', 'other', name);
    assert.match(String(await push(name)), /was stored before, byte for byte/);
    const one = residents();
    assert.equal(one.length, 1);
    assert.equal(await push(name), await alone(name));
    assert.match(String(await push(other)), /ended with code 9; it said: error: physical.* holds other bytes/);
    assert.equal(await push(other), await alone(other));
    const file = join(place.directory, `${physicalRef.system}.yaml`);
    renameSync(file, `${file}.away`);
    assert.match(String(await push(name)), /ended with code 2; it said: error: no system "physical"/);
    renameSync(`${file}.away`, file);
    const secret = readFileSync(join(place.directory, 'secret'));
    writeFileSync(join(place.directory, 'secret'), 'a secret that is none');
    appendFileSync(file, '\n');
    assert.match(String(await push(name)), /ended with code/);
    writeFileSync(join(place.directory, 'secret'), secret);
    assert.match(String(await push(name)), /was stored before, byte for byte/);
    assert.deepEqual(residents(), one, 'one did it all');
    assert.equal(readlinkSync(`/proc/${one[0]!.pid}/cwd`), '/', 'it keeps no directory');
    assert.deepEqual(await loadedPackages(join(project, 'scripts/wal/ask.cjs'), 'wal-push', '--help'), [], 'what the server runs loads nothing but Node');
    await until('its end', () => residents().length === 0, 30_000);
  });
});
