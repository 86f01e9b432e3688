import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runJob } from '../../../activities/data-plane/run-job.ts';
import { openSystem } from '../../../activities/open-context.ts';
import { claimEpoch } from '../../../activities/store/epoch.ts';
import { rebuildCatalog } from '../../../activities/store/read-catalog.ts';
import type { ObjectRef } from '../../../workflows/domain/stored-object.ts';
import type { Expired, RetentionSummary } from '../../../workflows/domain/retention/describe-retention.ts';
import { newSecrets } from '../../harness/keys.ts';
import { of, startFirstTimeline, writeBackup, writeSlices } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

/** The system that `stored-source.ts` writes, as a file. */
const fileOf = (store: string): string => `system: ${of.system}
title: Retention
objectives: { rto: 1h, rpo: 5m }
environments:
  production: { protection: production, endpoints: { ${of.source}: { uri: 'mongodb://127.0.0.1:1/' } } }
  dr: { protection: production, endpoints: { ${of.source}: { uri: 'mongodb://127.0.0.1:2/' } } }
sources: { ${of.source}: { engine: mongodb, environment: production } }
stores: [{ name: main, kind: local, path: ${store} }]
key: { id: test, aes256: file:aes, signing: { privateKey: file:private.pem, publicKeys: [file:public.pem] } }
standby: { environment: dr, provision: { ${of.source}: { uses: local, directory: /nowhere/dr } } }
fence: { ${of.source}: { uses: local, directory: /nowhere/old } }
traffic: { uses: nginx, directory: /nowhere/nginx, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:2', dr: '127.0.0.1:3' } }
approvals: { switch: { description: Switch? } }
runbook: { steps: [{ id: declare, uses: declare }, { id: switch, uses: approval, needs: [declare] }] }
retention: { sources: { ${of.source}: { atMost: 10KiB, log: 0h } } }
`;

test('a plan and what is let go by it are jobs of the data plane, which know the rules by the system file alone', async (t) => {
  const directory = tempDir(t);
  const systems = join(directory, 'systems');
  mkdirSync(systems);
  const secrets = newSecrets();
  for (const [name, secret] of [['aes', '${AES}'], ['private.pem', '${PRIVATE}'], ['public.pem', '${PUBLIC}']] as const) writeFileSync(join(systems, name), secrets[secret]!, { mode: 0o600 });
  writeFileSync(join(systems, `${of.system}.yaml`), fileOf(join(directory, 'store')));
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = systems;
  t.after(() => (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  const { store, keys } = await openSystem(of.system);
  const epoch = await claimEpoch(store, keys, of.system, 'test', { why: 'test', takeOver: false });
  await startFirstTimeline(store, keys);
  await writeSlices(store, keys, [5, 15, 25]);
  for (const end of [10, 20]) await writeBackup(store, keys, end);
  const job = { signal: new AbortController().signal, progress: () => undefined };

  const dry = (await runJob('planRetention', { ...of, limit: 5 }, job)) as { summary: RetentionSummary; plan: null };
  assert.deepEqual([dry.plan, dry.summary.totals.basesThatGo], [null, 1]);
  const { plan } = (await runJob('planRetention', { ...of, run: 'run-1', limit: 5 }, job)) as { plan: ObjectRef };
  const done = (await runJob('expire', { ...of, epoch, plan, run: 'run-1', backupRuns: false }, job)) as Expired;
  assert.deepEqual([done.bases, done.slices, done.left], [1, 1, []]);
  assert.deepEqual((await rebuildCatalog({ store, keys }, of)).bases.map(({ backup }) => backup), ['b20']);
  await assert.rejects(runJob('expire', { ...of, epoch: epoch + 1, plan: { ...plan, versionId: plan.versionId.replace(/.$/, 'x') }, run: 'run-1' }, job), { name: 'ObjectMissing' });
});
