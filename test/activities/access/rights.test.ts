import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRights as checkAll } from '../../../activities/access/check-rights.ts';
import { printAccess } from '../../../activities/access/print-access.ts';
import { bucketPolicy, rolePolicy, type Policy } from '../../../activities/access/store-policy.ts';
import { checkRights } from '../../../activities/engines/mongodb/access.ts';
import { openS3Store } from '../../../activities/store/s3.ts';
import type { Store } from '../../../activities/store/store.ts';
import { loadSystemFile, type LoadedSystem } from '../../../activities/system-files.ts';
import { accessRoleNames, accessRoles, type AccessRole } from '../../../workflows/domain/access-roles.ts';
import { HoldfastError } from '../../../workflows/domain/errors.ts';
import type { StoreConfig } from '../../../workflows/domain/system.ts';
import { hours } from '../../../workflows/domain/units.ts';
import { enginePlace } from '../../harness/engine-place.ts';
import { startObjectStore } from '../../harness/object-store.ts';

const lock = { mode: 'governance', retain: hours(1) } as const;
const config = { name: 'primary', kind: 's3', region: 'us-east-1', bucket: 'shop-backups', prefix: 'holdfast', pathStyle: true, lock } as Extract<StoreConfig, { kind: 's3' }>;
const policyOf = (role: AccessRole): Policy => rolePolicy(config, { system: 'shop', bucket: config.bucket, role });
const secretAccessKey = 'a secret of a test';

/** What each role does in the bucket, as its code does it. */
async function doJob(store: Store, role: AccessRole, seeded: Seeded): Promise<void> {
  const { puts, deletes } = accessRoles[role];
  for await (const version of store.list('shop/')) assert.ok(version.key.startsWith('shop/'));
  await store.getVersion(seeded.base);
  await store.now();
  if (puts) {
    const ref = await store.put(`shop/orders/${role}-${Math.random()}`, Buffer.from('x'), { ifAbsent: true });
    await store.extendLock(ref, new Date(Date.now() + hours(2)));
  }
  if (deletes === true) await store.deleteVersion(await seeded.fresh('shop/orders/old'));
  if (deletes === 'holds') await store.deleteVersion(await seeded.fresh(`shop/holds/${role}.json`));
  if ('readsLocks' in accessRoles[role]) await store.lockedUntil(seeded.base);
}

interface Seeded {
  base: { key: string; versionId: string };
  /** an object whose lock is over */
  fresh(key: string): Promise<{ key: string; versionId: string }>;
}

/** A policy without one action: of each that it allows, in turn. */
function* withoutOne(policy: Policy): Generator<{ action: string; policy: Policy }> {
  for (const [at, { Effect, Action }] of policy.Statement.entries()) {
    if (Effect === 'Deny') continue;
    for (const action of Action) {
      const Statement = policy.Statement.map((statement, other) => (other === at ? { ...statement, Action: Action.filter((one) => one !== action) } : statement)).filter((statement) => statement.Action.length > 0);
      yield { action, policy: { ...policy, Statement } };
    }
  }
}

test('a user with exactly the printed policy does its role’s work on the real server and nothing beside it, and with any one action less it cannot', { timeout: 120_000 }, async (t) => {
  const lesser = accessRoleNames.flatMap((role) => [...withoutOne(policyOf(role))].map(({ action, policy }) => ({ role, action, name: `${role}-without-${action.replace(/\W/g, '-')}`, policy })));
  const server = await startObjectStore(t, [
    ...accessRoleNames.map((role) => ({ name: `only-${role}`, secretAccessKey, policy: policyOf(role) })),
    ...lesser.map(({ name, policy }) => ({ name, secretAccessKey, policy })),
  ]);
  await server.createBucket(config.bucket, { lock: true });
  const open = (accessKeyId: string, secret = secretAccessKey): Store => {
    const store = openS3Store({ ...config, endpoint: server.endpoint, credentials: { accessKeyId, secretAccessKey: secret }, retryAfterMs: [] });
    t.after(() => store.close());
    return store;
  };
  const keeper = open(server.accessKeyId, server.secretAccessKey);
  const unlocked = { lockUntil: new Date(0) };
  const seeded: Seeded = { base: await keeper.put('shop/orders/base', Buffer.from('base'), unlocked), fresh: async (key) => await keeper.put(key, Buffer.from('x'), unlocked) };
  const other = await keeper.put('bank/orders/base', Buffer.from('theirs'), unlocked);
  const isRefused = async (work: Promise<unknown>): Promise<boolean> => await work.then(() => false, (error: unknown) => {
    if (error instanceof HoldfastError && error.type === 'NotPermitted') return true;
    throw error;
  });

  for (const role of accessRoleNames) {
    const store = open(`only-${role}`);
    await doJob(store, role, seeded);
    assert.ok(await isRefused(store.getVersion(other)), `${role} reads another system`);
    assert.ok(await isRefused(store.deleteVersion(other)), `${role} deletes of another system`);
    assert.equal(await isRefused(store.deleteVersion(await seeded.fresh('shop/orders/kept'))), accessRoles[role].deletes !== true, `${role} deletes`);
    if (!accessRoles[role].puts) assert.ok(await isRefused(store.put('shop/orders/k', Buffer.from('x'))), `${role} writes`);
  }
  const needless: string[] = [];
  for (const { role, action, name } of lesser) if (!(await isRefused(doJob(open(name), role, seeded)))) needless.push(`${role}: ${action}`);
  // s3:GetObject is what a version is read by on some servers, and s3:GetObjectVersion on others: AWS asks for the latter.
  assert.deepEqual(needless.filter((one) => !/s3:GetObject(Version)?$/.test(one)), []);
});

test('no role is granted to pass over a lock or to change the bucket, and a backup deletes nothing', async () => {
  for (const role of accessRoleNames) {
    const allowed = policyOf(role).Statement.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action }) => Action);
    assert.ok(!allowed.some((action) => /\*|Bypass|DeleteObject$|DeleteBucket|PutBucket|Lifecycle/.test(action)), role);
    assert.equal(allowed.includes('s3:DeleteObjectVersion'), accessRoles[role].deletes !== false, role);
  }
  assert.equal(accessRoles.backup.deletes, false);
  assert.deepEqual(bucketPolicy(config, 'b').Statement.map(({ Effect, Condition }) => [Effect, Condition]), [['Deny', { Bool: { 'aws:SecureTransport': 'false' } }], ['Deny', { NumericLessThan: { 's3:TlsVersion': '1.3' } }]]);
  const { system } = await loadSystemFile('ai-writing');
  const printed = await printAccess(system, 'backup');
  assert.deepEqual(printed.sources[0]!.grant.roles, ['holdfastBackup']);
  assert.match(JSON.stringify(printed.stores[0]!.policy), /arn:aws:s3:::aiwriting-backup-documents\/holdfast\/ai-writing\/\*/);
  assert.deepEqual(printed.keys, [], 'its keys are no keys of KMS');
  const rolesOf = async (name: string, role: AccessRole) => (await printAccess((await loadSystemFile(name)).system, role)).sources[0]!.grant.roles;
  assert.deepEqual(await rolesOf('accubooks', 'restore'), ['pg_read_all_data', 'pg_write_all_data', 'pg_signal_backend'], 'its runbooks write into what lives');
  assert.deepEqual(await rolesOf('accubooks', 'backup'), ['pg_read_all_data', 'pg_monitor']);
  assert.deepEqual((await printAccess(system, 'retention')).sources[0]!.grant, { engine: 'mongodb', commands: [], roles: [], about: 'never logs in to the source' });
});

test('a key of KMS is lent for its encryption context and for this system alone: to wrap where a role writes, else to open', async () => {
  const { system } = await loadSystemFile('muslim-companion');
  const keysOf = async (role: AccessRole, keyId?: string) => {
    const aws = { ...system.key.recipients!['aws'], ...(keyId === undefined ? {} : { keyId }) } as NonNullable<typeof system.key.recipients>[string];
    return (await printAccess({ ...system, key: { ...system.key, recipients: { aws } } }, role)).keys;
  };
  const context = { 'kms:EncryptionContext:purpose': 'backup', 'kms:EncryptionContext:system': 'muslim-companion' };
  const [{ recipient, policy }] = (await keysOf('backup')) as [Awaited<ReturnType<typeof keysOf>>[number]];
  assert.equal(recipient, 'aws');
  assert.deepEqual(policy.Statement, [
    { Sid: 'DataKeys', Effect: 'Allow', Action: ['kms:Encrypt', 'kms:Decrypt'], Resource: ['arn:aws:kms:us-east-1:*:key/*'], Condition: { StringEquals: { ...context, 'kms:RequestAlias': 'alias/quran-backend-backup-key' } } },
  ]);
  assert.deepEqual((await keysOf('read'))[0]!.policy.Statement[0]!.Action, ['kms:Decrypt']);
  const arn = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd';
  const [{ Resource, Condition }] = (await keysOf('backup', arn))[0]!.policy.Statement as [Policy['Statement'][number]];
  assert.deepEqual([Resource, Condition], [[arn], { StringEquals: context }]);
});

test('a database user with the printed roles lacks nothing and has nothing to spare; a right that is taken away is named, and so is root', { timeout: 120_000 }, async (t) => {
  const { source, context } = await enginePlace(t, { mongod: { auth: true } });
  const admin = (await source.connect()).db('admin');
  assert.deepEqual(await checkRights(context, 'restore'), { missing: [], tooMuch: [] });
  const forBackup = await checkRights(context, 'backup');
  assert.deepEqual(forBackup.missing, []);
  assert.match(forBackup.tooMuch.join('\n'), /replSetStateChange on \{"cluster":true\}/);
  await admin.command({ updateUser: 'holdfast', roles: [{ role: 'holdfastBackup', db: 'admin' }] });
  assert.deepEqual(await checkRights(context, 'backup'), { missing: [], tooMuch: [] });
  assert.match((await checkRights(context, 'restore')).missing.join('\n'), /shutdown on \{"cluster":true\}/);
  await admin.command({ revokePrivilegesFromRole: 'holdfastBackup', privileges: [{ resource: { db: 'local', collection: 'oplog.rs' }, actions: ['find'] }] });
  assert.deepEqual((await checkRights(context, 'backup')).missing, ['find on {"db":"local","collection":"oplog.rs"}']);
  await admin.command({ updateUser: 'holdfast', roles: [{ role: 'root', db: 'admin' }] });
  const root = await checkRights(context, 'backup');
  assert.equal(root.tooMuch[0], 'has the roles admin.root');
  assert.ok(root.missing.some((right) => right.includes('system.views')), 'not even root may read those');
});

test('credentials that may do everything are told what is too much of it for a backup', { timeout: 60_000 }, async (t) => {
  const server = await startObjectStore(t, [{ name: 'only-backup', secretAccessKey, policy: policyOf('backup') }]);
  await server.createBucket(config.bucket, { lock: true });
  const loaded = await loadSystemFile('ai-writing');
  const as = (id: string, secret: string): LoadedSystem => {
    Object.assign(process.env, { TEST_ID: id, TEST_SECRET: secret });
    return { ...loaded, system: { ...loaded.system, system: 'shop', sources: {}, stores: [{ ...config, endpoint: server.endpoint, credentials: { accessKeyId: '${TEST_ID}', secretAccessKey: '${TEST_SECRET}' } }] } };
  };
  const job = { signal: t.signal, progress: () => undefined };
  const found = async (system: LoadedSystem, role: AccessRole): Promise<string[]> => (await checkAll(system, role, job)).findings.filter(({ message }) => !message.includes('may not look') && !message.includes('endpoint ')).map(({ effect, message }) => `${effect} ${message.replace(/ \(.*/, '')}`);
  assert.deepEqual(await found(as(server.accessKeyId, server.secretAccessKey), 'backup'), ['warns store primary: too much for backup: may delete what is locked', 'warns store primary: too much for backup: may delete versions that are not locked']);
  assert.deepEqual(await found(as('only-backup', secretAccessKey), 'backup'), []);
  assert.deepEqual(await found(as('only-backup', secretAccessKey), 'retention'), ['fails store primary: may not delete versions, which is what retention is for']);
});
