import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openProvisioner } from '../../../activities/provision/provisioner.ts';
import { openFence } from '../../../activities/traffic/fence.ts';
import { probeOldPrimary } from '../../../activities/traffic/probe-old-primary.ts';
import { tar, toolPlace, toolRef, toolTarget } from '../../harness/tool-place.ts';

test('a target that is there already is one run’s at a time, and is let go with nothing of it touched', async (t) => {
  const place = toolPlace(t);
  writeFileSync(place.targetPath, 'what people keep there');
  const context = await place.open();
  const provisioner = await openProvisioner(context);
  const other = { ...toolTarget, run: 'run-2' };
  assert.equal((await provisioner.describe(context)).state, 'absent');
  const first = await provisioner.provision(context, toolTarget);
  assert.match(first.summary, /which is there already; claimed in/);
  assert.deepEqual(await provisioner.provision(context, toolTarget), first, 'a second call finds the claim');
  assert.equal((await provisioner.describe(context)).claimedBy, 'run-1');
  await assert.rejects(provisioner.provision(context, other), { type: 'TargetNotEmpty', message: /belongs to run run-1/ });
  assert.match((await provisioner.remove(context, other)).summary, /^left alone: .* belongs to run run-1$/);
  assert.match((await provisioner.remove(context, toolTarget)).summary, /what was restored into .* is still there$/);
  assert.match((await provisioner.remove(context, toolTarget)).summary, /^nothing of this run/);
  assert.ok(existsSync(place.targetPath));
  await provisioner.provision(context, other);
  assert.equal(readdirSync(place.directory).filter((name) => name.startsWith('claim.removed-')).length, 1);
  await assert.rejects(provisioner.restartAsReplicaSet(context, other), { type: 'Unsupported' });
  place.use(tar, (file) => void (file.environments['dr']!.endpoints['files']!.uri = 'postgres://someone@db9:5433/ledger?application_name=x'));
  assert.equal((await provisioner.describe(await place.open())).address, 'db9:5433', 'of an address only where it is');
});

test('a source that no fence reaches is never said to be fenced, and its old side is not knocked at', async (t) => {
  const place = toolPlace(t);
  const context = await place.open();
  const fenced = await (await openFence(context)).fence(context, 'run-1');
  assert.deepEqual([fenced.outcome, fenced.logReachable], ['unproved', false]);
  assert.match(fenced.evidence.join(), /nothing here can stop the old side of files/);
  const probe = await probeOldPrimary(context, { ...toolRef, environment: 'production', timeline: null });
  assert.deepEqual([probe.takesWrites, probe.seen], [null, 'not asked']);
  assert.match(probe.over ?? '', /files has no fence/);
  assert.ok(!existsSync(join(place.directory, 'FENCED.json')));
});
