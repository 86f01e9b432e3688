import assert from 'node:assert/strict';
import { chmodSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { PutBucketLifecycleConfigurationCommand, S3Client } from '@aws-sdk/client-s3';
import { checkStore } from '../../../../activities/store/setup/check-store.ts';
import { initStore } from '../../../../activities/store/setup/init-store.ts';
import { probeStore } from '../../../../activities/store/setup/probe-store.ts';
import type { StoreSetup } from '../../../../activities/store/setup/store-setup.ts';
import { openStore } from '../../../../activities/store/open-store.ts';
import type { Store } from '../../../../activities/store/store.ts';
import { loadSystemFile, type LoadedSystem } from '../../../../activities/system-files.ts';
import type { StoreConfig } from '../../../../workflows/domain/system.ts';
import { hours } from '../../../../workflows/domain/units.ts';
import { HoldfastError } from '../../../../workflows/domain/errors.ts';
import { startObjectStore, type ObjectStore } from '../../../harness/object-store.ts';
import { tempDir } from '../../../harness/temp-dir.ts';
import { collect } from '../../../conformance/store.ts';

/** The shipped system, with a store of the test's own. */
async function systemWith(config: object): Promise<LoadedSystem> {
  const loaded = await loadSystemFile('ai-writing');
  return { ...loaded, system: { ...loaded.system, system: 'shop', stores: [{ name: 'primary', prefix: 'holdfast', ...config } as StoreConfig] } };
}
const states = (settings: readonly { setting: string; state: string }[]): Record<string, string> => Object.fromEntries(settings.map(({ setting, state }) => [setting, state]));

describe('a bucket', () => {
  let server: ObjectStore;
  let client: S3Client;
  const cleanUps: (() => void | Promise<void>)[] = [];
  before(async () => {
    server = await startObjectStore({ after: (cleanUp) => void cleanUps.push(cleanUp) });
    client = new S3Client({ endpoint: server.endpoint, region: server.region, forcePathStyle: true, credentials: { accessKeyId: server.accessKeyId, secretAccessKey: server.secretAccessKey } });
    process.env['TEST_S3_ID'] = server.accessKeyId;
    process.env['TEST_S3_SECRET'] = server.secretAccessKey;
  });
  const bucket = (name: string, lock: object | undefined = { mode: 'governance', retain: hours(24) }): Promise<LoadedSystem> =>
    systemWith({ kind: 's3', endpoint: server.endpoint, region: server.region, bucket: name, pathStyle: true, credentials: { accessKeyId: '${TEST_S3_ID}', secretAccessKey: '${TEST_S3_SECRET}' }, ...(lock ? { lock } : {}) });

  test('a dry run shows what is to be done and does none of it; init does it, and again finds nothing to do', async () => {
    const loaded = await bucket('made-by-init', { mode: 'governance', retain: hours(30), byDefault: true });
    const dry = await initStore(loaded, { dryRun: true });
    assert.equal(dry.settings, null);
    assert.ok(dry.plan.every(({ state }) => state === 'to-do'), JSON.stringify(dry.plan));
    const missing = await checkStore(loaded);
    assert.match(missing.findings[0]!.message, /made-by-init is not there/);
    assert.equal(missing.findings[0]!.hint, 'holdfast store init shop');

    const shown: string[] = [];
    const made = await initStore(loaded, { dryRun: false, onPlan: (plan) => shown.push(...plan.map(({ setting }) => setting)) });
    assert.equal(shown.length, made.settings!.length, 'the plan was shown before');
    // SeaweedFS has no public access block, and takes default encryption only to refuse every put: neither is called done.
    assert.deepEqual(states(made.settings!), { bucket: 'as-asked', versioning: 'as-asked', 'object lock': 'as-asked', 'default retention': 'as-asked', 'public access': 'unsupported', encryption: 'unsupported', lifecycle: 'as-asked' });
    assert.match(made.settings!.find(({ setting }) => setting === 'default retention')!.found, /GOVERNANCE, 2 days/);

    const again = await initStore(loaded, { dryRun: false });
    assert.deepEqual(states(again.plan), { ...states(made.settings!), encryption: 'to-do' }, 'what was refused is tried again');
    assert.deepEqual(states(again.settings!), states(made.settings!));
  });

  test('a check of what init made tries all that is relied on, and leaves nothing that it may delete', async () => {
    const loaded = await bucket('checked-bucket');
    await initStore(loaded, { dryRun: false });
    const { probe, findings } = await checkStore(loaded);
    assert.deepEqual({ ...probe, skewMs: 0, putMs: 0, getMs: 0 }, { ifAbsentHolds: true, lockHolds: true, checksumHolds: true, mayDelete: true, mayBypass: true, skewMs: 0, putMs: 0, getMs: 0 });
    assert.deepEqual(findings.map(({ effect, type }) => `${effect} ${type}`), ['warns Unsupported', 'warns BadSystemFile'], JSON.stringify(findings));
    const store = await openStore(loaded.system.stores[0]!, { secret: async (ref) => await Promise.resolve(process.env[ref.slice(2, -1)]!) });
    assert.deepEqual(await collect(store, 'shop/_probe/'), []);
    store.close();
  });

  test('a bucket that was made without object lock is refused, with the way out, and left alone', async () => {
    await server.createBucket('without-lock');
    const loaded = await bucket('without-lock');
    const { findings } = await checkStore(loaded, { probe: false });
    const lock = findings.find(({ message }) => message.includes('object lock'))!;
    assert.equal(lock.effect, 'fails');
    assert.match(lock.hint!, /name another one than without-lock .* let store init make it/);
    const { settings } = await initStore(loaded, { dryRun: false });
    assert.equal(states(settings!)['object lock'], 'cannot');
    assert.equal(states(settings!)['versioning'], 'as-asked', 'what can be done is done');
  });

  test('a lifecycle rule that deletes backups is found, and ours is put beside those that do not', async () => {
    await server.createBucket('with-rules', { lock: true });
    const loaded = await bucket('with-rules');
    const put = async (rule: object): Promise<unknown> => await client.send(new PutBucketLifecycleConfigurationCommand({ Bucket: 'with-rules', LifecycleConfiguration: { Rules: [{ ID: 'theirs', Status: 'Enabled', ...rule }] } }));
    await put({ Filter: { Prefix: 'holdfast/' }, Expiration: { Days: 3 } });
    const { findings } = await checkStore(loaded, { probe: false });
    assert.match(findings.map(({ message }) => message).join('\n'), /rules that delete backups: theirs/);
    await put({ Filter: { Prefix: 'elsewhere/' }, Expiration: { Days: 3 } });
    const { settings } = await initStore(loaded, { dryRun: false });
    assert.equal(states(settings!)['lifecycle'], 'as-asked');
    await put({ Filter: { Prefix: 'elsewhere/' }, Expiration: { Days: 3 } });
    assert.equal(states((await initStore(loaded, { dryRun: true })).plan)['lifecycle'], 'to-do');
  });

  test('a server that keeps no promise is told from one that does', async () => {
    const loaded = await bucket('liar-bucket');
    await initStore(loaded, { dryRun: false });
    const store = await openStore(loaded.system.stores[0]!, { secret: async (ref) => await Promise.resolve(process.env[ref.slice(2, -1)]!) });
    const setup = { refusesWrongChecksum: async () => await Promise.resolve(false) } as unknown as StoreSetup;
    // The real store, spoken to so that it takes what a weaker server would.
    const weaker = new Proxy(store, { get: (of, name) => (name === 'put' ? async (key: string, body: Uint8Array) => await of.put(key, body, { lockUntil: new Date(0) }) : (Reflect.get(of, name) as (...given: unknown[]) => unknown).bind(of)) }) as Store;
    const probe = await probeStore({ store: weaker, setup }, { system: 'shop', locks: true, governance: true });
    assert.deepEqual([probe.ifAbsentHolds, probe.lockHolds, probe.checksumHolds, probe.mayBypass], [false, false, false, null]);
    store.close();
  });

  test('a store that does not answer is a finding', async () => {
    const loaded = await systemWith({ kind: 's3', endpoint: 'http://127.0.0.1:1', region: 'us-east-1', bucket: 'b-b-b', pathStyle: true, credentials: { accessKeyId: '${TEST_S3_ID}', secretAccessKey: '${TEST_S3_SECRET}' } });
    assert.deepEqual((await checkStore(loaded)).findings.map(({ effect, type }) => [effect, type]), [['fails', 'StoreUnavailable']]);
    await assert.rejects(checkStore(loaded, { name: 'mirror' }), (error: unknown) => error instanceof HoldfastError && /no store "mirror"; known: primary/.test(error.message));
    client.destroy();
    for (const cleanUp of cleanUps) await cleanUp();
  });
});

test('a directory is made its owner’s alone, and one that others may enter is found', async (t) => {
  const path = join(tempDir(t), 'backups');
  const loaded = await systemWith({ kind: 'local', path, lock: { mode: 'governance', retain: hours(1) } });
  assert.match((await checkStore(loaded)).findings[0]!.message, /is not there/);
  const made = await initStore(loaded, { dryRun: false });
  assert.equal(states(made.settings!)['directory'], 'as-asked');
  assert.equal(statSync(path).mode & 0o777, 0o700);
  const { probe, findings, settings } = await checkStore(loaded);
  assert.deepEqual(findings, []);
  assert.deepEqual(states(settings), { directory: 'as-asked', owner: 'as-asked', permissions: 'as-asked', 'free space': 'as-asked' });
  assert.deepEqual([probe!.ifAbsentHolds, probe!.lockHolds, probe!.checksumHolds, probe!.mayDelete], [true, true, null, true]);
  chmodSync(path, 0o755);
  assert.match((await checkStore(loaded)).findings[0]!.message, /mode 0755; wanted: a directory that only its owner may enter/);
  await initStore(loaded, { dryRun: false });
  assert.equal(statSync(path).mode & 0o777, 0o700);
});
