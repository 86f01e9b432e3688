import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readDoctor } from '../../scripts/doctor.ts';

test('the doctor names every program with where it was found and its version', async () => {
  const doctor = await readDoctor();
  assert.equal(doctor.ok, true, JSON.stringify(doctor.tools.filter((tool) => !tool.ok)));
  for (const tool of doctor.tools.filter((one) => one.needed !== 'optional')) {
    assert.ok(tool.path && tool.from, tool.tool);
    assert.match(tool.version ?? '', /^\d+\.\d+/, tool.tool);
  }
});

test('a broken program and a missing one are told with the ways to mend them, and the rest is still told', async (t) => {
  const before = process.env.HOLDFAST_MONGOD;
  process.env.HOLDFAST_MONGOD = '/nowhere/mongod';
  t.after(() => {
    if (before === undefined) delete process.env.HOLDFAST_MONGOD;
    else process.env.HOLDFAST_MONGOD = before;
  });
  const doctor = await readDoctor();
  const mongod = doctor.tools.find((tool) => tool.tool === 'mongod')!;
  assert.equal(doctor.ok, false);
  assert.equal(mongod.ok, false);
  assert.match(mongod.problem ?? '', /HOLDFAST_MONGOD=\/nowhere\/mongod is not a program/);
  assert.ok(mongod.ways.length >= 2);
  assert.equal(doctor.tools.find((tool) => tool.tool === 'weed')?.ok, true);
});
