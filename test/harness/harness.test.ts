import { S3Client, PutObjectCommand, DeleteObjectCommand } from '@aws-sdk/client-s3';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runTool } from '../../activities/tool/run-tool.ts';
import { startMongod } from './mongod.ts';
import { startObjectStore } from './object-store.ts';
import { requiredPartsVariable } from './required-parts.ts';

test('a replica set of one is primary, asks for authentication, and keeps what was acknowledged through a kill', async (t) => {
  const mongod = await startMongod(t, { replicaSet: 'rs0', auth: true, oplogSizeMb: 50 });
  const client = await mongod.connect();
  await client.db('d').collection<{ _id: number }>('c').insertOne({ _id: 1 }, { writeConcern: { w: 'majority' } });
  await mongod.kill();
  await mongod.start();
  assert.equal(await client.db('d').collection('c').countDocuments(), 1);
  const stranger = await startMongodClientWithoutUser(mongod.uri);
  await assert.rejects(stranger.db('d').collection('c').countDocuments(), /auth/i);
  await stranger.close();
});

test('the object store keeps a locked version and refuses a second put-if-absent', async (t) => {
  const store = await startObjectStore(t);
  await store.createBucket('bucket', { lock: true });
  await store.createBucket('bucket', { lock: true });
  const s3 = new S3Client({ endpoint: store.endpoint, region: store.region, forcePathStyle: true, credentials: store });
  t.after(() => s3.destroy());
  const retainUntil = new Date(Date.now() + 60_000);
  const put = await s3.send(
    new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'one', IfNoneMatch: '*', ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: retainUntil }),
  );
  await assert.rejects(s3.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'k', Body: 'two', IfNoneMatch: '*' })), { name: 'PreconditionFailed' });
  await assert.rejects(s3.send(new DeleteObjectCommand({ Bucket: 'bucket', Key: 'k', VersionId: put.VersionId })), { name: 'AccessDenied' });
});

async function startMongodClientWithoutUser(uri: string) {
  const { MongoClient } = await import('mongodb');
  return await new MongoClient(uri).connect();
}

test('a part that a run requires and does not have fails it by name, and is a skip where nobody requires it; .ci/run requires what tests ask for', async () => {
  const browser = join(import.meta.dirname, '..', 'ui', 'browser.ts');
  const without = async (required: string): Promise<string> => {
    const { stdout } = await runTool('node', ['--input-type=module', '-e', `import(${JSON.stringify(browser)}).then(({ noChromium }) => console.log('skips:', noChromium), ({ message }) => console.log('fails:', message))`], {
      env: { PATH: '/nonexistent', HOLDFAST_CHROMIUM: '', [requiredPartsVariable]: required },
    });
    return stdout;
  };
  assert.match(await without('promtool'), /^skips: there is no Chromium/);
  assert.match(await without('promtool, chromium'), /^fails: there is no Chromium.*HOLDFAST_TEST_REQUIRES names chromium/);
  const ci = readFileSync(join(import.meta.dirname, '..', '..', '.ci', 'run'), 'utf8');
  const always = /HOLDFAST_TEST_REQUIRES="([\w,-]+)"/.exec(ci)![1]!.split(',');
  const whereItIs = [...ci.matchAll(/\$HOLDFAST_TEST_REQUIRES,([\w-]+)"/g)].map(([, part]) => part!);
  assert.match(await without('no-such-part'), new RegExp(`^fails: .*no-such-part; known: ${[...always, ...whereItIs].sort().join(', ')}$`, 'm'));
});
