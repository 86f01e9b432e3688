import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { planRecovery } from '../../../activities/plan/plan-recovery.ts';
import { tempDir } from '../../harness/temp-dir.ts';

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
