import assert from 'node:assert/strict';
import { DeleteObjectCommand, GetObjectRetentionCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openS3Store, type S3StoreOptions } from '../../../activities/store/s3.ts';
import { storeConformance } from '../../conformance/store.ts';
import { startObjectStore, type ObjectStore } from '../../harness/object-store.ts';

const clientOf = (server: ObjectStore): S3Client =>
  new S3Client({ endpoint: server.endpoint, region: server.region, forcePathStyle: true, maxAttempts: 1, credentials: server });

const optionsOf = (server: ObjectStore, prefix: string): S3StoreOptions => ({
  name: 'test', endpoint: server.endpoint, region: server.region, bucket: 'bucket', prefix, pathStyle: true, credentials: server,
});

storeConformance('S3', async (owner) => {
  const server = await startObjectStore(owner);
  await server.createBucket('bucket', { lock: true });
  const client = clientOf(server);
  owner.after(() => client.destroy());
  return {
    open: async ({ prefix, lockMs }) =>
      openS3Store({ ...optionsOf(server, prefix), lock: lockMs === undefined ? undefined : { mode: 'governance', retain: lockMs } }),
    hide: async (prefix, key) => void (await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: `${prefix}/${key}` }))),
    stop: () => server.stop(),
    start: () => server.start(),
  };
});

test('S3: a bucket without versions, a missing bucket and a wrong secret are each named', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('unversioned');
  const put = async (changes: Partial<S3StoreOptions>) => {
    const store = openS3Store({ ...optionsOf(server, 'p'), ...changes });
    t.after(() => store.close());
    await store.put('k', Buffer.from('v'));
  };
  await assert.rejects(put({ bucket: 'unversioned' }), { name: 'BadSystemFile', message: /unversioned keeps no versions/ });
  await assert.rejects(put({ bucket: 'nowhere' }), { name: 'BadSystemFile', message: /bucket nowhere does not exist/ });
  await assert.rejects(put({ credentials: { ...server, secretAccessKey: 'planted-wrong-secret' } }), (error: Error) => {
    assert.equal(error.name, 'NotPermitted');
    assert.doesNotMatch(error.message, /planted/);
    return true;
  });
});

test('S3: the server refuses bytes that are not those of the checksum sent with them', async (t) => {
  const server = await startObjectStore(t);
  await server.createBucket('bucket', { lock: true });
  const client = clientOf(server);
  t.after(() => client.destroy());
  const put = new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'v', ChecksumSHA256: Buffer.alloc(32).toString('base64') });
  await assert.rejects(client.send(put));
});

for (const behindHours of [6, -6]) {
  test(`S3: with a clock of ours that is ${behindHours} hours behind, an object is stored, and locked by the server’s clock; so is one once it is right`, async (t) => {
    const server = await startObjectStore(t);
    await server.createBucket('bucket', { lock: true });
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() - behindHours * 3_600_000 });
    const store = openS3Store({ ...optionsOf(server, 'p'), lock: { mode: 'governance', retain: 3_600_000 } });
    t.after(() => store.close());
    const ref = await store.put('k', Buffer.from('v'));
    await store.extendLock(ref);
    const { mtimeMs } = statSync(server.directory);
    const aheadMs = (await store.now()).getTime() - mtimeMs;
    assert.ok(aheadMs > -60_000 && aheadMs < 600_000, `the store’s time is ${aheadMs} ms after its directory was made`);
    t.mock.timers.reset();
    await store.put('set right', Buffer.from('v'));
    const client = clientOf(server);
    t.after(() => client.destroy());
    const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket: 'bucket', Key: 'p/k', VersionId: ref.versionId }));
    const forMs = Number(Retention?.RetainUntilDate) - Date.now();
    assert.ok(Math.abs(forMs - 3_600_000) < 60_000, `locked for ${forMs} ms`);
  });
}

test('S3: a conflict with another request on the key is tried again; only a failed precondition means that the object exists', async (t) => {
  const answers = [409, 409, 200, 412];
  const server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      if (incoming.method === 'GET') return response.end('<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>');
      const status = answers.shift()!;
      response.writeHead(status, { 'x-amz-version-id': 'v1' });
      return response.end(status === 409 ? '<Error><Code>ConditionalRequestConflict</Code><Message>m</Message></Error>' : '');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const store = openS3Store({
    name: 'test', endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, region: 'us-east-1', bucket: 'bucket', prefix: '', pathStyle: true,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' }, retryAfterMs: [1, 1],
  });
  t.after(() => store.close());
  assert.equal((await store.put('k', Buffer.from('v'), { ifAbsent: true })).versionId, 'v1');
  await assert.rejects(store.put('k', Buffer.from('w'), { ifAbsent: true }), { name: 'AlreadyExists' });
  answers.push(409, 409, 409);
  await assert.rejects(store.put('k', Buffer.from('v'), { ifAbsent: true }), { name: 'StoreUnavailable' });
});
