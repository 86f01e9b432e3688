import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { stringify } from 'yaml';
import { writeMongodConfig } from '../../activities/provision/mongod-config.ts';
import { readArchiveStatuses } from '../../scripts/bucket/read-archive-status.ts';
import { demoBucket, demoReplicaSet, directoryOf, ensureStackFile, secretsDirectory } from '../../scripts/stack/stack-file.ts';
import { destroyPrimary, withClient } from '../../scripts/stack/primary.ts';
import { readSecret } from '../../scripts/stack/stack-secrets.ts';
import type { BackupSummary } from '../../workflows/contract.ts';
import { lockIds } from '../../workflows/domain/names.ts';
import type { RunReport } from '../../workflows/domain/report.ts';
import { failureOf } from '../harness/failures.ts';
import { SystemStack } from '../harness/system-stack.ts';
import { until } from '../harness/until.ts';

const tls = join(import.meta.dirname, '..', 'fixtures', 'tls');
const system = 'ai-writing';

/** The primary speaks TLS, as the shipped file asks. */
async function speakTls(home: string): Promise<void> {
  const stack = await ensureStackFile();
  const directory = directoryOf(stack, 'primary');
  mkdirSync(directory, { recursive: true });
  const config = {
    net: {
      port: stack.primary.port,
      bindIp: '127.0.0.1',
      unixDomainSocket: { enabled: false },
      tls: { mode: 'preferTLS', certificateKeyFile: join(tls, 'server.pem'), CAFile: join(tls, 'ca.pem'), allowConnectionsWithoutCertificates: true },
    },
    storage: { dbPath: join(directory, 'data'), wiredTiger: { engineConfig: { cacheSizeGB: 0.5 } } },
    replication: { replSetName: demoReplicaSet },
    security: { keyFile: join(home, 'secrets', 'mongodb-key-file'), authorization: 'enabled' as const },
  };
  await writeMongodConfig(join(directory, 'mongod.conf'), config, 'The primary of the test of ai-writing.');
}

/** Where things are and how to get in: nothing else can be changed. @returns the environment of its workers. */
function overlay(stack: SystemStack): Record<string, string> {
  const { file } = stack;
  const secret = (name: string): string => `file:${join(secretsDirectory(file), name)}`;
  const credentials = { username: 'holdfast', password: secret('holdfast-password') };
  const path = join(stack.home, 'overlay.yaml');
  writeFileSync(path, stringify({
    system,
    environments: {
      production: { endpoints: { documents: { credentials, tls: { caFile: join(tls, 'ca.pem') } } } },
      dr: { endpoints: { documents: { credentials } } },
    },
    stores: [{ name: 'primary', endpoint: '${HOLDFAST_DEMO_S3}', bucket: demoBucket, credentials: { accessKeyId: secret('s3-access-key-id'), secretAccessKey: secret('s3-secret-access-key') } }],
    key: { aes256: secret('key-aes256'), signing: { privateKey: secret('signing-private.pem'), publicKeys: [secret('signing-public.pem')] } },
  }));
  return {
    HOLDFAST_OVERLAY: path,
    AI_WRITING_PRODUCTION_HOSTS: `127.0.0.1:${file.primary.port}`,
    AI_WRITING_PRODUCTION_REPLICA_SET: demoReplicaSet,
    AI_WRITING_DR_HOST: `127.0.0.1:${file.standby.port}`,
    AI_WRITING_STAGING_HOSTS: '127.0.0.1:1',
    AI_WRITING_TEST_HOST: '127.0.0.1:1',
    AI_WRITING_STANDBY_DIRECTORY: directoryOf(file, 'standby'),
    AI_WRITING_PRIMARY_DIRECTORY: directoryOf(file, 'primary'),
    AI_WRITING_NGINX_DIRECTORY: directoryOf(file, 'frontDoor'),
    // No mail server, and no secret of any receiver: nobody can be told, and that holds nothing up.
    AI_WRITING_SMTP_HOST: '127.0.0.1',
    AI_WRITING_URL: file.frontDoor.url,
    AI_WRITING_APP_PRODUCTION: `127.0.0.1:${file.apps.production.port}`,
    AI_WRITING_APP_DR: `127.0.0.1:${file.apps.dr.port}`,
  };
}

async function archived(): Promise<void> {
  let wanted: string | null = null;
  await until('the log is archived up to now', async () => {
    const [status] = await readArchiveStatuses(system);
    wanted ??= status?.sourceAt ?? null;
    return wanted !== null && (status?.archivedTo ?? '') >= wanted;
  }, 60_000, 250);
}

test('ai-writing as shipped: backed up, archived and recovered, its people answering its gates', { timeout: 300_000 }, async (t) => {
  const stack = await SystemStack.start(t, speakTls);
  const env = overlay(stack);
  Object.assign(process.env, env);
  await stack.startWorker(env);
  await withClient(stack.file, 'root', async (client) => {
    const db = client.db(system);
    await db.collection('users').insertMany(Array.from({ length: 200 }, (_, i) => ({ name: `user ${i}` })));
    await db.collection('documents').insertMany(Array.from({ length: 5_000 }, (_, i) => ({ owner: i % 200, version: 1, text: `document ${i} `.repeat(40) })));
    await db.collection('documents').createIndex({ owner: 1, version: -1 });
    await db.collection('interactionLogs').insertMany(Array.from({ length: 500 }, (_, i) => ({ i })));
  });
  await (await stack.start('archiveLog', { system, requestedBy: 'ops-lead@example.com' })).result();
  const [base] = (await (await stack.start('backUpSystem', { system, requestedBy: 'ops-backup@example.com' })).result()) as BackupSummary[];
  assert.deepEqual(base?.unproved, []);
  await withClient(stack.file, 'root', async (client) => {
    await client.db(system).collection('documents').updateMany({ owner: 7 }, { $inc: { version: 1 } });
    await client.db(system).collection<{ _id: string }>('users').insertOne({ _id: 'after the base' });
  });
  await archived();
  const { killedAt } = await destroyPrimary(stack.file);
  const entry = await stack.start('recoverSystem', { system, requestedBy: 'db-recovery@example.com', incidentAt: killedAt });
  const run = stack.handle(lockIds.recover(system));
  const approve = async (by: string): Promise<unknown> => await run.executeUpdate('approve', { args: [{ by }] });

  await stack.runIs('elevation is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'elevation' && status === 'open'), 60_000, system);
  assert.match((await failureOf(approve('dr-coordinator@example.com'))).message, /answered by "ops-lead@example.com", "db-lead@example.com"/);
  await approve('ops-lead@example.com');
  await stack.runIs('activate-dr is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'activate-dr' && status === 'open'), 60_000, system);
  assert.equal((await failureOf(approve('passer-by@example.com'))).type, 'NotPermitted');
  await approve('dr-coordinator@example.com');
  await stack.runIs('approve-switch is open', ({ state }) => state.gates.some(({ gate, status }) => gate === 'approve-switch' && status === 'open'), 90_000, system);
  assert.match((await failureOf(approve('db-recovery@example.com'))).message, /asked for this run/);
  await approve('dr-coordinator@example.com');
  assert.match((await failureOf(approve('dr-coordinator@example.com'))).message, /already decided/);
  const { state } = await stack.run(system);
  assert.equal(state.gates.find(({ gate }) => gate === 'approve-switch')?.status, 'open', 'one of two is not enough');
  await approve('app-recovery@example.com');

  const report = (await entry.result()) as RunReport;
  assert.equal(report.outcome, 'done');
  assert.deepEqual([report.rto.met, report.rpo.met], [true, true]);
  assert.deepEqual(report.validation.map(({ id, ok }) => [id, ok]), [['equality', true], ['users-present', true], ['documents-present', true], ['interaction-logs-present', true]]);
  const standby = new MongoClient(`mongodb://127.0.0.1:${stack.file.standby.port}/?directConnection=true`, { auth: { username: 'root', password: readSecret(stack.file, 'root-password') }, authSource: 'admin' });
  try {
    const db = standby.db(system);
    assert.ok(await db.collection<{ _id: string }>('users').findOne({ _id: 'after the base' }));
    assert.equal(await db.collection('documents').countDocuments({ version: 2 }), 25);
    assert.ok(await db.collection('documents').indexExists('owner_1_version_-1'));
  } finally {
    await standby.close();
  }
  assert.equal((await fetch(`${stack.file.frontDoor.url}/health`)).headers.get('x-holdfast-side'), 'dr');
});
