import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SourceContext } from '../../../../activities/context.ts';
import { readManifest } from '../../../../activities/engines/base/read-base.ts';
import { toolEngine } from '../../../../activities/engines/tool/index.ts';
import { dumpProgram } from '../../../../activities/engines/tool/programs.ts';
import { openProvisioner } from '../../../../activities/provision/provisioner.ts';
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
  let context = await place.open();
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

  // A part of it, which is never taken for the whole; and what is not in it stays as it was in the target.
  await server.query('CREATE SCHEMA app; CREATE TABLE app.orders AS SELECT 1 AS id; CREATE TABLE app.audit AS SELECT 1 AS id; CREATE TABLE app.scratch (id int)', [], 'books');
  const [production, dr] = [place.file.environments['production']!.endpoints['files'], place.file.environments['dr']!.endpoints['files']];
  const choose = async (chosen: object): Promise<SourceContext> => {
    place.use({ uses: 'pg_dump', ...chosen }, (file) => {
      file.environments['production']!.endpoints['files'] = production!;
      file.environments['dr']!.endpoints['files'] = dr!;
    });
    return await place.open();
  };
  const chosen = { include: { schemas: ['app'] }, exclude: { tables: ['app.scr*'], rows: ['app.audit'] } };
  context = await choose({ include: { tables: ['app.gone'] } });
  await assert.rejects(backUpByTool(context, 'b2'), { type: 'ToolFailed', message: /no matching tables were found for pattern "app\.gone"/ });
  context = await choose(chosen);
  const part = await backUpByTool(context, 'b3');
  const words = 'pg_dump --strict-names --schema=app --exclude-table=app.scr* --exclude-table-data=app.audit';
  assert.ok(part.unproved[0]!.why.startsWith(`a part of the database, by ${words}; only pg_dump knows`), part.unproved[0]!.why);
  assert.equal((await toolEngine.checkPoint!(context, toolPoint(part)))!.what, `base b3 holds a part of the database (${words})`);
  await (await openProvisioner(context)).provision(context, toolTarget);
  await assert.rejects(async () => await restoreByTool(await choose({}), part), { type: 'Unsupported', message: /backup b3 holds a part of the database \(.*\), and files is to be restored whole HINT: choose another base/ });
  context = await choose(chosen);
  assert.match((await toolEngine.prepareRestore(context, { target: toolTarget, point: toolPoint(part) })).lacks!.what, /^base b3 holds a part/);
  await restoreByTool(context, part);
  assert.deepEqual(await target.query(`SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'app'::regnamespace ORDER BY 1`, [], `b'ooks=dr`), [{ name: 'audit' }, { name: 'orders' }]);
  assert.deepEqual(await target.query('SELECT (SELECT count(*)::int FROM app.orders) AS orders, (SELECT count(*)::int FROM app.audit) AS audit', [], `b'ooks=dr`), [{ orders: 1, audit: 0 }]);
  assert.deepEqual(await restored(), { rows: 40_000, first: 1 });
  context = await choose({ contents: 'definitions' });
  const definitions = await backUpByTool(context, 'b4');
  await restoreByTool(context, definitions);
  assert.deepEqual(await target.query('SELECT (SELECT count(*)::int FROM entries) AS rows, (SELECT count(*)::int FROM app.orders) AS orders', [], `b'ooks=dr`), [{ rows: 0, orders: 0 }]);
});
