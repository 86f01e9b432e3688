import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { stringify } from 'yaml';
import type { JobContext } from '../../../activities/context.ts';
import { findJob } from '../../../activities/data-plane/jobs.ts';
import { openLocalStore } from '../../../activities/store/local.ts';
import { createTimeline } from '../../../activities/store/timelines.ts';
import type { RecoveryPoint } from '../../../workflows/domain/recovery-point.ts';
import type { SystemFile } from '../../../workflows/domain/system.ts';
import { at } from '../../harness/catalogs.ts';
import { keysFrom, newSecrets } from '../../harness/keys.ts';
import { loadedPackages } from '../../harness/loaded-packages.ts';
import { of, scope, startFirstTimeline, startedAt, writeBackup } from '../../harness/stored-source.ts';
import { tempDir } from '../../harness/temp-dir.ts';

const fileOf = (storePath: string): SystemFile => {
  const endpoints = { [of.source]: { uri: 'mongodb://127.0.0.1:1/' } };
  const directory = '/nowhere';
  return {
    system: of.system,
    title: 'Demo',
    objectives: { rto: '1h', rpo: '5m' },
    environments: Object.fromEntries(['production', 'dr', 'other'].map((name) => [name, { protection: 'production', endpoints }])),
    sources: { [of.source]: { engine: 'mongodb', environment: 'production' } },
    stores: [{ name: 'main', kind: 'local', path: storePath, prefix: 'p' }],
    key: { id: 'test', aes256: 'file:aes', signing: { privateKey: 'file:private', publicKeys: ['file:public'] } },
    standby: { environment: 'dr', provision: { [of.source]: { uses: 'local', directory } } },
    fence: { [of.source]: { uses: 'local', directory } },
    traffic: { uses: 'nginx', directory, url: 'http://127.0.0.1:1', sides: { production: '127.0.0.1:1', dr: '127.0.0.1:2', other: '127.0.0.1:3' } },
    runbook: { steps: [{ id: 'find-point', uses: 'find-recovery-point' }] },
  };
};

/** A source with a base, whose newest timeline says where it lives; and the job that finds its recovery point. */
async function movedSource(t: TestContext, environment: string | undefined) {
  const directory = tempDir(t);
  const storePath = join(directory, 'store');
  const secrets = newSecrets();
  for (const [ref, name] of [['${AES}', 'aes'], ['${PRIVATE}', 'private'], ['${PUBLIC}', 'public']] as const) writeFileSync(join(directory, name), secrets[ref]!);
  const before = process.env['HOLDFAST_SYSTEMS'];
  process.env['HOLDFAST_SYSTEMS'] = directory;
  t.after(() => (before === undefined ? delete process.env['HOLDFAST_SYSTEMS'] : (process.env['HOLDFAST_SYSTEMS'] = before)));
  const write = (file: SystemFile): void => writeFileSync(join(directory, 'demo.yaml'), stringify(file));
  write(fileOf(storePath));
  const store = await openLocalStore({ name: 'main', path: storePath, prefix: 'p' });
  const keys = await keysFrom(secrets);
  await startFirstTimeline(store, keys);
  await writeBackup(store, keys, 10);
  if (environment) {
    await createTimeline(store, keys, { ...of, epoch: 1, startedAt, why: 'recovered', sourceIdentity: 'set-2', environment, parent: { timeline: scope.timeline, limit: at(20) } });
  }
  const context: JobContext = { signal: new AbortController().signal, progress: () => undefined };
  const find = (purpose: 'recovery' | 'drill', run = 'run-2') =>
    findJob('findRecoveryPoint')({ ...of, target: { targetPosition: at(11) }, run, purpose }, context) as Promise<RecoveryPoint>;
  const holds = async (): Promise<number> => {
    let count = 0;
    for await (const { key } of store.list('')) if (key.includes('holds')) count += 1;
    return count;
  };
  return { find, holds, write, file: fileOf(storePath) };
}

test('a process that is made ready for a source loads the driver of its engine and the kind of its store, and no other', async (t) => {
  const { write, file } = await movedSource(t, undefined);
  const drivers = ['mongodb', 'pg', '@aws-sdk/client-s3', 'execa', 'nodemailer', '@temporalio/client'];
  const program = `const { prepare } = await import(${JSON.stringify(import.meta.resolve('../../../activities/data-plane/jobs.ts'))}); await prepare(${JSON.stringify({ ...of, epoch: 1 })});`;
  const loaded = async (): Promise<string[]> => (await loadedPackages('--input-type=module', '--eval', program)).filter((name) => drivers.includes(name));
  assert.deepEqual(await loaded(), ['mongodb']);
  write({ ...file, stores: [{ name: 'main', kind: 's3', bucket: 'b', prefix: 'p', region: 'us-east-1', pathStyle: true, endpoint: 'http://127.0.0.1:1', credentials: { accessKeyId: 'file:aes', secretAccessKey: 'file:aes' } }] });
  assert.deepEqual((await loaded()).sort(), ['@aws-sdk/client-s3', 'mongodb']);
});

test('a source that lives where the system file says is recovered', async (t) => {
  const place = await movedSource(t, undefined);
  assert.equal((await place.find('recovery')).base.backup, 'b10');
  assert.equal((await place.find('recovery')).base.backup, 'b10', 'and by a second try');
  assert.ok((await place.holds()) > 0);
});

test('a source that lives on its standby is not recovered onto itself; a drill goes on', async (t) => {
  const place = await movedSource(t, 'dr');
  await assert.rejects(place.find('recovery'), { type: 'TargetNotEmpty', message: /demo\/documents lives in dr now, which is its standby: there is no other place to recover to HINT: name another standby .*or declare failback and a runbook with towards: home/ });
  assert.equal(await place.holds(), 0, 'nothing was touched');
  assert.equal((await place.find('drill')).base.backup, 'b10');
});

test('a source that lives elsewhere than the system file says is not recovered: the fence would reach the wrong server', async (t) => {
  const place = await movedSource(t, 'other');
  await assert.rejects(place.find('recovery'), { type: 'BadInput', message: /lives in other now, and the system file says production.* HINT: set sources\.documents\.environment to other/ });
  place.write({ ...place.file, sources: { [of.source]: { engine: 'mongodb', environment: 'other' } } });
  assert.equal((await place.find('recovery')).base.backup, 'b10');
});
