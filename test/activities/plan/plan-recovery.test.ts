import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkTransport } from '../../../activities/plan/check-transport.ts';
import { planRecovery } from '../../../activities/plan/plan-recovery.ts';
import { openProvisioner } from '../../../activities/provision/provisioner.ts';
import { loadSystemFile } from '../../../activities/system-files.ts';
import { tempDir } from '../../harness/temp-dir.ts';
import { tar, toolPlace, toolTarget } from '../../harness/tool-place.ts';

const shipped = join(import.meta.dirname, '..', '..', '..', 'systems');

test('a second store is warned of, as nothing is written to it', async (t) => {
  const directory = tempDir(t);
  cpSync(shipped, directory, { recursive: true });
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  t.after(() => (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  // Its secrets are not there, so a plan of it ends before it asks any server; that is a finding too.
  const warned = async () => (await planRecovery({ system: 'ai-writing' }, { signal: t.signal, progress: () => undefined })).findings.filter(({ effect, message }) => effect === 'warns' && !message.startsWith('receiver ')).map(({ message }) => message);
  assert.deepEqual(await warned(), []);
  const path = join(directory, 'ai-writing.yaml');
  writeFileSync(path, readFileSync(path, 'utf8').replace('\nkey:\n', '\n  - { name: mirror, kind: local, path: /mirror }\n\nkey:\n'));
  assert.deepEqual(await warned(), ['stores.mirror: not written yet, only the first store is used']);
});

test('a plan names what would leave the machine in the clear, and every permission to do so with its reason', async (t) => {
  const directory = tempDir(t);
  cpSync(shipped, directory, { recursive: true });
  const variables = { HOLDFAST_TEMPORAL_WEAKER_TLS: '', HOLDFAST_SYSTEMS: directory, AI_WRITING_PRODUCTION_HOSTS: 'db-1.example:27017', AI_WRITING_PRODUCTION_REPLICA_SET: 'rs0', AI_WRITING_DR_HOST: 'dr.example:27017', AI_WRITING_TEST_HOST: '10.0.0.9:27017' };
  const before = { ...process.env };
  Object.assign(process.env, variables);
  t.after(() => Object.keys(variables).forEach((name) => (before[name] === undefined ? delete process.env[name] : (process.env[name] = before[name]))));
  const found = async (): Promise<string[]> => (await checkTransport((await loadSystemFile('ai-writing')).system)).map(({ effect, type, message }) => `${effect} ${type} ${message}`);
  const drill = 'fails WeakTransport endpoint documents of test (10.0.0.9) would be spoken to in the clear, off this machine';
  assert.deepEqual(await found(), [drill], 'production and dr speak TLS, and a drill is meant for loopback');
  const path = join(directory, 'ai-writing.yaml');
  const text = readFileSync(path, 'utf8');
  const weaker = "weakerTls: { atLeast: 'none', reason: a cable of its own }";
  writeFileSync(path, text.replace('uri: mongodb://${AI_WRITING_TEST_HOST}/', (uri) => `${uri}\n        ${weaker}`).replace('    bucket: aiwriting-backup-documents\n', (bucket) => `${bucket}    endpoint: http://s3.example\n`));
  assert.deepEqual(await found(), ['warns WeakTransport endpoint documents of test may speak in the clear, since: a cable of its own', 'fails WeakTransport store primary (s3.example) would be spoken to in the clear, off this machine']);
  process.env['HOLDFAST_TEMPORAL_WEAKER_TLS'] = '1.2: the proxy of the office';
  assert.equal((await found()).at(-1), 'warns WeakTransport Temporal may speak TLS 1.2, since: the proxy of the office (HOLDFAST_TEMPORAL_WEAKER_TLS)');
  process.env['HOLDFAST_TEMPORAL_WEAKER_TLS'] = 'nonsense';
  assert.equal((await found()).length, 2, 'what no worker would start with is not judged here');
});

test('a target whose place another run has claimed would fail, by the step that would make it; a plan that is not to look there, or of a runbook that makes none, says nothing of it', async (t) => {
  const place = toolPlace(t, tar, (file) => {
    file.runbook.steps.push({ id: 'make', uses: 'provision', needs: ['find-point'] });
    file.runbooks = { look: { steps: [{ id: 'find-point', uses: 'find-recovery-point' }] } };
  });
  const context = await place.open();
  const taken = async (asked: object = {}): Promise<string[]> => (await planRecovery({ system: 'tools', ...asked }, { signal: t.signal, progress: () => undefined })).findings.filter(({ type }) => type === 'TargetNotEmpty').map(({ effect, message }) => `${effect} ${message.replace(/since .*/, 'since')}`);
  assert.deepEqual(await taken(), []);
  await (await openProvisioner(context)).provision(context, toolTarget);
  assert.deepEqual(await taken(), [`fails make: the target of files: ${join(place.directory, 'claim')} belongs to run run-1 since`]);
  assert.deepEqual([await taken({ runbook: 'look' }), await taken({ places: false })], [[], []]);
  await (await openProvisioner(context)).remove(context, toolTarget);
  assert.deepEqual(await taken(), []);
});
