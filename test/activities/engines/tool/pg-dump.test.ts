import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readManifest } from '../../../../activities/engines/base/read-base.ts';
import { dumpProgram } from '../../../../activities/engines/tool/programs.ts';
import { postgresMissing, startPostgres } from '../../../harness/postgres.ts';
import { backUpByTool, restoreByTool, toolPlace, toolPoint, toolTarget } from '../../../harness/tool-place.ts';

const skip = await postgresMissing();

test('the real pg_dump and pg_restore: of the moment at its start, password in no argument, over and over into one database', { timeout: 120_000, skip }, async (t) => {
  const server = await startPostgres(t, { auth: true });
  // Another one: a server that the source lives on is no target of a program.
  const target = await startPostgres(t);
  await server.query('CREATE DATABASE books');
  await target.query(`CREATE DATABASE "b'ooks=dr"`);
  await server.query(`CREATE TABLE entries (id int PRIMARY KEY, note text); INSERT INTO entries SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 40000) AS i; CREATE INDEX ON entries (note)`, [], 'books');
  const place = toolPlace(t, { uses: 'pg_dump' }, (file) => {
    const credentials = { username: 'postgres', password: 'file:password' };
    file.environments['production']!.endpoints['files'] = { uri: `postgres://127.0.0.1:${server.port}/books`, credentials };
    file.environments['dr']!.endpoints['files'] = { uri: `postgres://127.0.0.1:${target.port}/b'ooks=dr` };
  });
  writeFileSync(join(place.directory, 'password'), server.credentials!.password);
  const context = await place.open();
  const spec = await dumpProgram(context, context.system.environments['production']!.endpoints['files']!);
  assert.ok(!JSON.stringify([spec.args, spec.env]).includes(server.credentials!.password));

  const summary = await backUpByTool(context, 'b1');
  const { origin } = await readManifest(context, toolPoint(summary));
  assert.ok(origin?.form === 'stream');
  assert.deepEqual([origin.program, origin.moment], ['pg_dump', 'start']);
  assert.match(origin.toolVersion, /^pg_dump \(PostgreSQL\) \d/);
  const restored = async (): Promise<unknown> => (await target.query('SELECT count(*)::int AS rows, min(id) AS first FROM entries', [], `b'ooks=dr`))[0];
  await restoreByTool(context, summary);
  assert.deepEqual(await restored(), { rows: 40_000, first: 1 });
  await target.query('INSERT INTO entries VALUES (-1, $$stray$$)', [], `b'ooks=dr`);
  // As after a kill: another attempt of the same run begins again, over what is there.
  writeFileSync(join(place.directory, 'claim', 'tool-restore.json'), JSON.stringify({ run: toolTarget.run, backup: 'b1', group: 'stream', state: 'begun' }));
  await restoreByTool(context, summary);
  assert.deepEqual(await restored(), { rows: 40_000, first: 1 });
});
